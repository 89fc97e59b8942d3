"""A thousand broken and harmful requests to the service as a process, of the kinds of benchmarks/fuzz_service.py."""

import json
import sys
import time
import urllib.request
from types import SimpleNamespace

import pytest

from tests.app.server.conftest import API
from tests.conftest import REPOSITORY

OF_ANSWERS = ("sent", "looked_at", "resident_mb")
N = 400
GROWTH_MB = 300
"""Heaps of threads and of the encoder fill by so much at most in requests as few as these; the script looks at ten thousand."""


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import fuzz_answers  # type: ignore[import-not-found]
    import fuzz_requests  # type: ignore[import-not-found]

    yield SimpleNamespace(**vars(fuzz_requests), **{name: getattr(fuzz_answers, name) for name in OF_ANSWERS})
    del sys.modules["fuzz_requests"], sys.modules["fuzz_answers"]


def fetched(address, path):
    with urllib.request.urlopen(f"{address}{API}{path}", timeout=60) as answer:
        return json.load(answer)


@pytest.mark.parametrize("writing", [[], ["--write"]])
def test_whatever_comes_is_answered_or_refused_and_nothing_breaks(start, fuzz, store, query, writing):
    process, told = start(store.path, *writing)
    address = told["address"]
    while fetched(address, "/health")["encoders"][0]["state"] == "loading":
        time.sleep(0.05)
    ids = store.table(["image_id"]).column(0).to_pylist()
    known = fuzz.Known("clades", ids, query.read_bytes())
    port = int(address.rpartition(":")[2])
    first = fuzz.sent(port, known, N // 2, seed=1)
    before = fuzz.resident_mb(process.pid)
    second = fuzz.sent(port, known, N - N // 2, seed=2)
    assert first.faults + second.faults == []
    assert first.by_kind.keys() == {kind for kind, _ in fuzz.KINDS}
    assert sum(found.total() for one in (first, second) for found in one.by_kind.values()) == N
    assert process.poll() is None
    assert fuzz.resident_mb(process.pid) < before + GROWTH_MB
    assert fetched(address, "/stores/clades")["images"] == 48
    process.terminate()
    _, log = process.communicate(timeout=60)
    assert "Traceback" not in log


def test_the_same_seed_draws_the_same_requests_of_every_kind(fuzz):
    known = fuzz.Known("clades", [f"i{number}" for number in range(9)], bytes(range(256)))
    one, other, third = (
        [drawn.request() for _ in range(300)] for drawn in (fuzz.Drawn(known, seed) for seed in (3, 3, 4))
    )
    assert one == other != third
    assert {request.kind for request in one} == {kind for kind, _ in fuzz.KINDS}


@pytest.mark.parametrize(
    "raw, status, fault",
    [
        (b"HTTP/1.1 200 OK\r\n\r\nx", 200, None),
        (b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\n\r\n{}", 404, None),
        (b"HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\n\r\n", 404, "without a sentence"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\nInvalid HTTP request received.", 400, None),
        (b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\n\r\n{}", 500, "status 500"),
        (b"HTTP/1.1 200 OK\r\n\r\nTraceback (most recent call last)", 200, "tells of the machine"),
        (b"garbage", 0, "what came is no answer"),
    ],
)
def test_an_answer_that_should_not_have_been_is_a_fault(fuzz, raw, status, fault):
    found, told = fuzz.looked_at(raw)
    assert found == status
    assert told is None if fault is None else fault in told
