"""A store that is served in this process, and a client that asks it."""

import json
import os
import subprocess
import sys
import time

import pytest
from fastapi.testclient import TestClient

from cladescope.app.server.application import application
from cladescope.app.server.guard import Rules
from cladescope.app.service import paging
from cladescope.app.service.service import Service
from cladescope.index.store import Store
from tests.conftest import REPOSITORY

API = "/api/v1"


class Client(TestClient):
    """Asks a service; a path stands below `/api/v1`."""

    def __init__(self, service, rules=None, base_url="http://127.0.0.1:8000"):
        self.service = service
        super().__init__(application(service, rules), base_url=base_url)
        self.base_url = f"{base_url}{API}"

    def json(self, path, status=200, **asked):
        """What a GET request is answered, which must have a status."""
        answer = self.get(path, **asked)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, path, status, *, method="GET", **asked):
        """The one sentence with which a request is refused."""
        answer = self.request(method, path, **asked)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/json"
        (sentence,) = answer.json().values()
        assert "\n" not in sentence
        assert "Traceback" not in sentence
        return sentence


@pytest.fixture
def serving():
    """Serve some open stores, with the encoders loaded, and give a client."""
    services = []

    def serve(*stores, rules=None, start=True, read_only=True, **settings):
        service = Service(stores)
        services.append(service)
        if start:
            service.start()
            service.warming.join()
            until(lambda: all(one.state != "loading" for one in service.encodings))
        return Client(service, rules or Rules(read_only=read_only), **settings)

    yield serve
    for service in services:
        service.stop()


@pytest.fixture
def client(serving, store):
    """A client of a service of the simulated clades, whose store is called `clades`."""
    return serving(store)


@pytest.fixture
def rules():
    """Rules of a guard."""
    return Rules


@pytest.fixture
def start(tmp_path):
    """Start `serve` or `explore`, and give the process with the document that it prints once it takes requests."""
    begun = []

    def call(*arguments, verb="serve"):
        process = subprocess.Popen(
            [sys.executable, "-m", "cladescope.app.cli", verb, *map(str, arguments), "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(REPOSITORY),
                "OMP_NUM_THREADS": "1",
                "XDG_CACHE_HOME": str(tmp_path / "cache"),
            },
        )
        begun.append(process)
        lines = []
        while lines[-1:] != ["}\n"]:
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
        return process, json.loads("".join(lines))

    yield call
    for process in begun:
        process.kill()
        process.communicate()


def break_off(monkeypatch):
    """Let the disk go when the third batch of an answer is read."""
    monkeypatch.setattr(paging, "BATCH_ROWS", 10)
    first, n = Store.rows_at, []

    def rows_at(*given):
        n.append(1)
        if len(n) == 3:
            raise OSError("the disk is gone")
        return first(*given)

    monkeypatch.setattr(Store, "rows_at", rows_at)


def until(holds, seconds=30.0):
    """Wait for a condition; AssertionError where it does not come to hold."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)
