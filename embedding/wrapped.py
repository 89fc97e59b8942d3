"""A source around another one, which gives its records otherwise and tells all else as it does."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from cladescope.embedding.records import Record, Source, counts_beside, ignored_by, left_out_of, notes_of


class WrappedSource:
    """A source's name, columns, number of records, and what it leaves out, ignores and notes."""

    def __init__(self, source: Source) -> None:
        """Nothing is read yet."""
        self.name = source.name
        self.extra_fields: tuple[pa.Field, ...] = source.extra_fields
        self._source = source

    @property
    def ignored(self) -> Mapping[str, int]:
        """Files that the source passes over."""
        return ignored_by(self._source)

    @property
    def left_out(self) -> Mapping[str, int]:
        """What its records lack of what was there."""
        return left_out_of(self._source)

    @property
    def notes(self) -> tuple[str, ...]:
        """How it was read otherwise than as it stands."""
        return notes_of(self._source)

    @property
    def labels(self) -> object:
        """How it reads labels from names of folders, if it does."""
        return getattr(self._source, "labels", None)

    @property
    def counts_beside(self) -> bool:
        """Whether it may be counted while it is read."""
        return counts_beside(self._source)

    def count(self) -> int | None:
        """Number of records, where it is known."""
        return self._source.count()

    def records(self) -> Iterator[Record]:
        """The source's records."""
        return self._source.records()
