"""A source of which only some records are wanted: those that failed before and are tried again."""

from collections.abc import Collection, Iterator

from cladescope.embedding.records import Record, Source
from cladescope.embedding.wrapped import WrappedSource


class RetriedSource(WrappedSource):
    """The records of a source that have one of some addresses, in its order."""

    def __init__(self, source: Source, uris: Collection[str]) -> None:
        """Nothing is read yet."""
        super().__init__(source)
        self._uris = frozenset(uris)

    def count(self) -> int | None:
        """None: how many of them the source still lists is known when all was read."""
        return None

    def records(self) -> Iterator[Record]:
        """The records that are wanted."""
        return (record for record in super().records() if record.uri in self._uris)
