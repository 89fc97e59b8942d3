"""How a job is asked to stop: by Ctrl-C (SIGINT), by a scheduler (SIGTERM) or by a terminal that goes away (SIGHUP)."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from cladescope.app.cli.output import say

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """The first signal asks the job to commit and end; the second ends it at once, by KeyboardInterrupt, and a third by the system.

    A signal that the process was started to ignore, as SIGHUP under nohup, stays ignored.
    """
    asked = threading.Event()
    terminals = [stream for stream in (sys.stdout, sys.stderr) if stream is not None and stream.isatty()]

    def ask(number: int, frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGHUP", None):
            _let_go(terminals)
        if asked.is_set():
            for one in before:
                signal.signal(one, signal.SIG_DFL)
            raise KeyboardInterrupt
        asked.set()
        with contextlib.suppress(OSError, ValueError):
            again = "Ctrl-C again" if number == signal.SIGINT else "once more"
            say(f"{signal.Signals(number).name}: stopping: committing what is encoded ({again} ends at once)")

    before = {one: signal.getsignal(one) for one in STOPPING if signal.getsignal(one) != signal.SIG_IGN}
    for one in before:
        signal.signal(one, ask)
    try:
        yield asked
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _let_go(terminals: list[TextIO]) -> None:
    """Write nowhere what went to a terminal that is gone: the job must not fail for it."""
    for stream in terminals:
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
