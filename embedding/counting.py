"""How many records a source has, counted beside the job where that takes a walk through all its files, so that no picture waits for it."""

import threading

from cladescope.embedding.records import Source, counts_beside
from cladescope.embedding.sound import count_of


class Counting:
    """A source's number of records: called, it gives what is known by now.

    >>> class Photos:
    ...     name, extra_fields = "photos", ()
    ...     def count(self): return 7
    ...     def records(self): return iter(())
    >>> Counting(Photos())(), Counting(Photos(), limit=5)()
    (7, 5)
    """

    def __init__(self, source: Source, limit: int | None = None) -> None:
        """Begins to count, up to `limit` records; a source that cannot be counted while it is read is counted at once."""
        self._source, self._limit = source, limit
        self._found: int | None = None
        if counts_beside(source):
            threading.Thread(target=self._count, name="count", daemon=True).start()
        else:
            self._count()

    def _count(self) -> None:
        found = count_of(self._source)
        self._found = found if found is None or self._limit is None else min(found, self._limit)

    def __call__(self) -> int | None:
        """The number, None where it is not known, or not yet."""
        return self._found
