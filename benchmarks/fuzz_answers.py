"""Sends the requests of `fuzz_requests.py` to a port, each by a connection of its own, and says what is wrong with the answers."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fuzz_requests import Drawn, Known, Request

WAIT_SECONDS = 30.0
"""How long an answer may take on a busy machine."""
ALLOWED = {200, 204, 400, 401, 403, 404, 405, 408, 409, 410, 413, 422, 429, 503}
SOURCES = 100
"""Addresses of this machine that requests come from: each has its own limit of requests a second."""


@dataclass
class Answers:
    """Answers by kind and status (0: none was due, and none came), and what should not have been."""

    by_kind: dict[str, Counter[int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def sent(port: int, known: Known, n: int, *, seed: int = 0, n_threads: int = 4) -> Answers:
    """Send so many drawn requests and look at each answer. The same seed sends the same requests."""
    answers, lock = Answers(), threading.Lock()

    def some(thread: int) -> None:
        drawn = Drawn(known, seed * 1000 + thread)
        for number in range(thread, n, n_threads):
            request = drawn.request()
            status, fault = answered(port, request, source=f"127.0.0.{1 + number % SOURCES}")
            with lock:
                answers.by_kind.setdefault(request.kind, Counter())[status] += 1
                if fault:
                    answers.faults.append(f"{request.kind}: {fault}: {b''.join(request.parts)[:300]!r}")

    threads = [threading.Thread(target=some, args=(one,)) for one in range(n_threads)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return answers


def answered(port: int, request: Request, source: str = "127.0.0.1") -> tuple[int, str | None]:
    """The status of the first answer to a request, and what is wrong with the answers."""
    raw = b""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS, source_address=(source, 0)) as asking:
        try:
            for part in request.parts:
                asking.sendall(part)
                time.sleep(request.pause)
            if request.half_closed:
                asking.shutdown(socket.SHUT_WR)
            elif not request.is_whole:
                asking.settimeout(0.02)
            while more := asking.recv(65536):
                raw += more
        except TimeoutError:
            if request.is_whole or request.half_closed:
                return 0, f"no answer within {WAIT_SECONDS:g} seconds"
        except OSError:
            pass  # closed while it was being sent to
    if not raw:
        return 0, "no answer" if request.is_whole else None
    return looked_at(raw)


def looked_at(raw: bytes) -> tuple[int, str | None]:
    """The status of the first answer, and what is wrong with it."""
    first, _, body = raw.partition(b"\r\n\r\n")
    try:
        status = int(first.split(b" ", 2)[1])
    except (IndexError, ValueError):
        return 0, f"what came is no answer: {raw[:100]!r}"
    if status not in ALLOWED:
        return status, f"status {status}: {body[:200]!r}"
    if b"Traceback" in raw or b'File "' in raw or b"root:x:" in raw:
        return status, f"the answer tells of the machine: {raw[:300]!r}"
    is_of_http = status == 400 and b"Invalid HTTP request received." in body
    if status >= 400 and not is_of_http and b"\r\ncontent-type: application/json" not in first:
        return status, f"status {status} without a sentence: {raw[:200]!r}"
    return status, None


def resident_mb(pid: int) -> float:
    """Memory that a process holds, in MB."""
    text = (Path("/proc") / str(pid) / "status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1000
