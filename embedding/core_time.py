"""How many cores a job keeps at work."""

import os
import time


class CoreTime:
    """The time that this process, and processes of it that ended meanwhile, had of all cores since it was made.

    >>> CoreTime().at_work >= 0.0
    True
    """

    def __init__(self) -> None:
        """The time begins."""
        self._began, self._before = time.perf_counter(), self._spent()

    @property
    def at_work(self) -> float:
        """Cores that were at work, on average."""
        return (self._spent() - self._before) / max(time.perf_counter() - self._began, 1e-9)

    @staticmethod
    def _spent() -> float:
        return sum(os.times()[:4])
