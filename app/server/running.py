"""The service on a port of this machine, until it is told to stop; requests that run then are answered first."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from cladescope.app.server.application import application
from cladescope.app.server.connections import Connection
from cladescope.app.server.guard import Rules as Rules
from cladescope.app.service.service import Service as Service
from cladescope.errors import InputError

STOP_SECONDS = 30
"""How long requests that run may take to end."""


def run(service: Service, *, host: str, port: int, rules: Rules, started: Callable[[str], None]) -> str:
    """Answer requests until SIGINT or SIGTERM, and return the address. `started` is called with the address once it takes connections.

    Raises InputError for a port that is taken or an address that is none of this machine's.
    """
    listening = _listening(host, port)
    with listening:
        address = _address(host, listening.getsockname()[1])
        settings = uvicorn.Config(
            application(service, rules),
            http=Connection,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        service.start()
        started(address)
        try:
            with _quiet_signals():
                uvicorn.Server(settings).run(sockets=[listening])
        finally:
            service.stop()
    return address


def port_like(host: str, wanted: int) -> int:
    """A port, where it can be had; else 0, which takes a free one."""
    try:
        _listening(host, wanted).close()
    except InputError:
        return 0
    return wanted


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
        # Connections inherit it. Without it the second part of an answer waits 40 ms for the client to confirm the first.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        told = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else str(error)
        raise InputError(f"cannot listen at {_address(host, port)} ({told}): choose another port or address") from error


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _quiet_signals() -> Iterator[None]:
    """Let uvicorn's own handlers stop it: it raises the signal once more at its end, which must not kill the process then."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, lambda number, frame: None) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
