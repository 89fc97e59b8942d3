"""A source of which only some records are wanted: those that failed before and are tried again."""

from collections.abc import Collection, Iterator, Mapping

import pyarrow as pa

from cladescope.embedding.records import Record, Source, ignored_by, left_out_of, notes_of


class RetriedSource:
    """The records of a source that have one of some addresses, in its order."""

    def __init__(self, source: Source, uris: Collection[str]) -> None:
        """Nothing is read yet."""
        self.name = source.name
        self.extra_fields: tuple[pa.Field, ...] = source.extra_fields
        self._source, self._uris = source, frozenset(uris)

    @property
    def ignored(self) -> Mapping[str, int]:
        """Files that the source passes over."""
        return ignored_by(self._source)

    @property
    def left_out(self) -> Mapping[str, int]:
        """As the source's own."""
        return left_out_of(self._source)

    @property
    def notes(self) -> tuple[str, ...]:
        """As the source's own."""
        return notes_of(self._source)

    def count(self) -> int | None:
        """None: how many of them the source still lists is known when all was read."""
        return None

    def records(self) -> Iterator[Record]:
        """The records that are wanted."""
        return (record for record in self._source.records() if record.uri in self._uris)
