"""How fast a job has been lately: what it does now, not what it did while it passed over what was stored."""

from collections import deque

WINDOW_SECONDS = 30.0
"""How far back the pace looks."""


class Pace:
    """Records and pictures a second over the last `WINDOW_SECONDS`; a job younger than that is looked at whole.

    A job that goes on after a stop passes over thousands of stored records a second before it encodes the first picture: by
    the mean since its start it would always be done in a minute.

    >>> pace = Pace()
    >>> for second, done in [(1.0, 10_000), (2.0, 20_000), (32.0, 20_300), (62.0, 20_600)]:
    ...     pace.note(second, done, max(0, done - 20_000))
    >>> pace.records, pace.pictures
    (10.0, 10.0)
    """

    def __init__(self) -> None:
        self._notes: deque[tuple[float, int, int]] = deque([(0.0, 0, 0)])

    def note(self, seconds: float, done: int, embedded: int) -> None:
        """So many seconds after the job's start so many records had come to an end, and of these so many were embedded."""
        self._notes.append((seconds, done, embedded))
        # The first note lies just outside the window, so that the window is never shorter than it says.
        while len(self._notes) > 2 and self._notes[1][0] <= seconds - WINDOW_SECONDS:
            self._notes.popleft()

    @property
    def records(self) -> float:
        """Records a second that came to an end."""
        return self._over(1)

    @property
    def pictures(self) -> float:
        """Pictures a second that were embedded."""
        return self._over(2)

    def _over(self, place: int) -> float:
        first, last = self._notes[0], self._notes[-1]
        return (last[place] - first[place]) / (last[0] - first[0]) if last[0] > first[0] else 0.0
