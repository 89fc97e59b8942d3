"""Connections that do not send the head of a request, or send it for ever, are closed; those that ask are not."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from cladescope.app.server.running import _listening
from tests.conftest import REPOSITORY

SCRIPT = """
import sys
from cladescope.app.server import connections
connections.HEAD_SECONDS = 0.5
import cladescope
cladescope.serve(sys.argv[1], port=0, started=lambda told: print(told.address, flush=True))
"""
ASKED = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def port(store):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(store.path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    try:
        yield int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def answered(asking):
    """Send a request, and receive its whole answer."""
    asking.sendall(ASKED)
    answer = b""
    while not answer.endswith(b"}"):
        answer += (more := asking.recv(65536))
        assert more
    return answer


def dripped(asking, seconds):
    """Send a letter of a head again and again; whether the other side closed meanwhile."""
    asking.settimeout(0.05)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            asking.sendall(b"x")
            if asking.recv(100) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize("before", [False, True])
def test_a_head_that_drips_is_not_waited_for(port, before):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as asking:
        if before:
            assert answered(asking).startswith(b"HTTP/1.1 200")
        assert dripped(asking, 10)


def test_a_connection_that_sends_nothing_is_closed_and_one_that_asks_is_kept(port):
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as idle,
        socket.create_connection(("127.0.0.1", port), timeout=10) as asking,
    ):
        for _ in range(6):
            assert answered(asking).startswith(b"HTTP/1.1 200")
            time.sleep(0.25)
        assert idle.recv(1) == b""


def test_no_part_of_an_answer_waits_for_the_client_to_confirm_the_one_before():
    with _listening("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
