"""`cladescope serve` as a process: it says where it answers, answers there, and stops when it is told to."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

import cladescope
from cladescope.errors import UsageError
from tests.conftest import REPOSITORY

TOKEN = "correct-horse-battery"


def fetched(address, path, token=None):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{address}/api/v1{path}", headers=headers), timeout=30
    ) as answer:
        return json.load(answer)


def test_it_serves_and_ends_a_request_that_runs_before_it_stops(start, store, query):
    process, told = start(store.path)
    assert told["stores"] == ["clades"]
    assert told["token"] is None
    assert fetched(told["address"], "/stores/clades")["images"] == 48
    while fetched(told["address"], "/health")["encoders"][0]["state"] == "loading":
        time.sleep(0.05)
    host, port = told["address"].removeprefix("http://").split(":")
    picture = query.read_bytes()
    with socket.create_connection((host, int(port)), timeout=30) as asking:
        head = f"POST /api/v1/stores/clades/search/image?k=1 HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(picture)}\r\n\r\n"
        asking.sendall(head.encode() + picture[:100])
        # Connections are taken in turn: once this one is answered, the half request has been begun with.
        fetched(told["address"], "/health")
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 30
        while _takes_connections(host, port):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert process.poll() is None
        asking.sendall(picture[100:])
        answer = b""
        while part := asking.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"server:" not in head.lower()
    assert json.loads(body)["hits"][0]["uri"] == str(query)
    assert process.wait(30) == 0
    err = process.stderr.read()
    assert "Traceback" not in err
    assert (process.stdout.read(), err.count("\n")) == ("", len(err.splitlines()))


def _takes_connections(host, port):
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_beyond_this_machine_it_draws_a_token_and_ends_by_ctrl_c(start, store):
    process, told = start(store.path, "--host", "0.0.0.0", "--token", "auto")
    address = told["address"].replace("0.0.0.0", "127.0.0.1")
    assert len(told["token"]) >= 40
    assert fetched(address, "/health")["ready"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        fetched(address, "/stores")
    assert fetched(address, "/stores", told["token"])["stores"][0]["name"] == "clades"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert "Traceback" not in process.stderr.read()


def test_the_token_may_come_from_the_environment_where_no_other_user_sees_it(start, store, misused, monkeypatch):
    monkeypatch.setenv("CLADESCOPE_TOKEN", TOKEN)
    process, told = start(store.path, "--host", "0.0.0.0")
    assert told["token"] == TOKEN
    address = told["address"].replace("0.0.0.0", "127.0.0.1")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        fetched(address, "/stores")
    assert fetched(address, "/stores", TOKEN)["stores"][0]["name"] == "clades"
    other = "another-token-that-is-given"
    _, told = start(store.path, "--token", other)
    assert told["token"] == other, "what is given on the command line goes before"
    monkeypatch.setenv("CLADESCOPE_TOKEN", "short")
    assert "the token has 5 letters" in misused("serve", store.path)
    monkeypatch.setenv("CLADESCOPE_TOKEN", "")
    assert "others can reach the service: give a token" in misused("serve", store.path, "--host", "0.0.0.0")


def test_a_port_that_is_taken_is_one_line(fails, store):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = fails("serve", store.path, "--port", port)
    assert (
        told
        == f"error: cannot listen at http://127.0.0.1:{port} (Address already in use): choose another port or address"
    )
    told = fails("serve", store.path, "--host", "192.0.2.7", "--token", TOKEN, "--port", 0)
    assert told.startswith("error: cannot listen at http://192.0.2.7:0 (Cannot assign requested address)")


def test_what_is_no_store_or_one_of_another_format_is_one_line(fails, store, photos, tmp_path):
    assert "is no store" in fails("serve", photos, "--port", 0)
    assert f"{tmp_path / 'nowhere'}" in fails("serve", store.path, tmp_path / "nowhere", "--port", 0)
    about = store.path / "store.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "format_version": 99}))
    assert "99" in fails("serve", store.path, "--port", 0)


@pytest.mark.parametrize(
    "options, reason",
    [
        (["--host", "0.0.0.0"], "at 0.0.0.0 others can reach the service: give a token, or auto"),
        (["--host", "::"], "at :: others can reach the service"),
        (["--host", "example.org"], "at example.org others can reach the service"),
        (["--token", "short"], "the token has 5 letters: expected at least 16"),
        (["--token", "sixteen letters ."], "the token has 17 letters: expected"),
        (["--port", "65536"], "--port"),
    ],
)
def test_wrong_usage_is_status_2(misused, store, options, reason):
    assert reason in misused("serve", store.path, *options)


def alone(code, *arguments):
    """Run a few lines in a process of their own."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=REPOSITORY, env=environment
    )


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "starlette"])
def test_without_the_extra_one_line_says_what_to_install(store, package):
    absent = f"import sys; sys.modules[{package!r}] = None; import cladescope.app.cli as cli; cli.main()"
    ended = alone(absent, "serve", str(store.path))
    told = f"error: the package {package} is not installed: pip install 'cladescope[serve]'\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", told)


def test_the_function_refuses_what_the_command_refuses(store):
    with pytest.raises(UsageError, match="no store is given"):
        cladescope.serve([])
    with pytest.raises(UsageError, match="port is -1"):
        cladescope.serve(store, port=-1)


def test_the_command_line_loads_no_server_for_its_help():
    code = "import sys\nfrom cladescope.app.cli import main\ntry: main()\nexcept SystemExit: print(*sys.modules)"
    ended = alone(code, "serve", "--help")
    assert "cladescope.app.cli.serve" in ended.stdout.split()
    assert not set(ended.stdout.split()) & {"fastapi", "uvicorn", "starlette"}
