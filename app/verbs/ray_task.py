"""What a Ray task does that embeds one shard: it tells how far it is, and hears whether it is to stop, through an actor, the board."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from cladescope.app.verbs.shard_progress import Call
from cladescope.app.verbs.shard_tasks import verb
from cladescope.embedding.summary import EmbedSummary, Progress
from cladescope.errors import InUseError

TELL_SECONDS = 1.0
"""How often a task tells how far it is, and how often that is looked at."""
ANSWER_SECONDS = 10.0
"""How long the board may take to answer; one that was lost with its node begins anew."""


class Board:
    """Where tasks write how far they are, and read whether they are to stop."""

    def __init__(self) -> None:
        """Nothing is told."""
        self._states: dict[int, dict[str, Any]] = {}
        self._stopping = False

    def tell(self, number: int, state: dict[str, Any] | None) -> bool:
        """A shard is so far, if it has come anywhere; whether it is to stop.

        >>> board = Board()
        >>> board.tell(1, {"done": 7}), board.states(), board.stop(), board.tell(1, None)
        (False, {1: {'done': 7}}, None, True)
        """
        if state is not None:
            self._states[number] = state
        return self._stopping

    def states(self) -> dict[int, dict[str, Any]]:
        """How far each shard is that has told it."""
        return self._states

    def stop(self) -> None:
        """All are to commit and end."""
        self._stopping = True


def run_patiently(number: int, call: Call, board: Any, busy_seconds: float) -> dict[str, Any]:
    """Embed one shard; where its part is still held by a job that was lost, wait for that to end."""
    until = time.monotonic() + busy_seconds
    with _telling(number, board) as (progress, stop):
        while not stop.is_set():
            try:
                done: dict[str, Any] = verb("embed")(**call, progress=progress, stop=stop).to_dict()
                return done
            except InUseError:
                if time.monotonic() > until:
                    raise
                stop.wait(1.0)
    return EmbedSummary(stopped=True).to_dict()


@contextlib.contextmanager
def _telling(number: int, board: Any) -> Iterator[tuple[Callable[[Progress], None], threading.Event]]:
    """What a job calls with its progress, which goes to the board now and then, and what is set when the board says that it is to stop."""
    import ray

    last: list[Progress | None] = [None]
    stop, over = threading.Event(), threading.Event()

    def note(state: Progress) -> None:
        last[0] = state

    def tell() -> None:
        state = None if last[0] is None else asdict(last[0])
        with contextlib.suppress(ray.exceptions.RayError):
            if ray.get(board.tell.remote(number, state), timeout=ANSWER_SECONDS):
                stop.set()

    def go_on_telling() -> None:
        while not over.wait(TELL_SECONDS):
            tell()

    tell()
    teller = threading.Thread(target=go_on_telling, name="tell", daemon=True)
    teller.start()
    try:
        yield note, stop
    finally:
        over.set()
        teller.join()
