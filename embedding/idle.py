"""What places of a job that stand idle wait for: the source before them, or the encoder behind them."""

import threading
import time
from dataclasses import dataclass

from cladescope.embedding.stages import Stages


@dataclass(slots=True)
class _State:
    """Pictures in threads' hands, those of them that are decoded, and those that wait to be."""

    held: int = 0
    decoded: int = 0
    waiting: int = 0


class Idle:
    """Tells the meters of reading and decoding how long their places stand idle, from the first picture to the last.

    A thread without a picture waits for the source, or for room before the encoder where that keeps the source from listing more. One that
    has read its picture and finds all places for decoding taken is blocked by these. A place for decoding without a picture waits
    for one that is being read, or for what its thread waits for. A thread that decodes does not wait to read: what it does counts there.

    >>> stages = Stages()
    >>> stages.read.places, stages.decode.places = 3, 1
    >>> idle = Idle(stages)
    >>> idle.change(held=1, now=0.0)
    >>> idle.change(decoded=1, now=2.0)
    >>> idle.change(decoded=-1, held=-1, now=3.0)
    >>> stages.read.seconds["starved"], stages.decode.seconds["starved"]
    (6.0, 2.0)
    """

    def __init__(self, stages: Stages) -> None:
        """Nothing has begun. `stages` have their places."""
        self._list, self._read, self._decode = stages.list, stages.read, stages.decode
        self._state, self._lock = _State(), threading.Lock()
        self._last: float | None = None
        self._blocked = 0.0

    def change(self, *, held: int = 0, decoded: int = 0, waiting: int = 0, now: float | None = None) -> None:
        """So many pictures more are in threads' hands, decoded, or wait to be decoded."""
        with self._lock:
            now = time.perf_counter() if now is None else now
            blocked = self._list.so_far("blocked", now)
            if self._last is not None:
                self._count(now - self._last, min(now - self._last, blocked - self._blocked))
            self._last, self._blocked = now, blocked
            state = self._state
            state.held, state.decoded, state.waiting = (
                state.held + held,
                state.decoded + decoded,
                state.waiting + waiting,
            )

    def _count(self, seconds: float, blocked: float) -> None:
        """Count the seconds since the last change, in so many of which the source could list no more."""
        state = self._state
        free = max(0, self._read.places - state.held)
        self._read.add("blocked", free * blocked + state.waiting * seconds)
        self._read.add("starved", free * (seconds - blocked))
        free = max(0, self._decode.places - state.decoded)
        without = max(0, free - (state.held - state.decoded))
        self._decode.add("blocked", without * blocked)
        self._decode.add("starved", free * seconds - without * blocked)
