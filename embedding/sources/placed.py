"""Where the pictures of a table lie that does not say it in full: in the folders in which a provider hands them out."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cladescope.embedding.sources.delimited import TextTable

logger = logging.getLogger(__name__)

LOOKED_AT = 64
"""Rows, the first ones, whose pictures are looked for to find the folders."""

Layout = Callable[[Sequence[str | None]], str | None]
"""Path of a row's picture from the values of some columns; None where they do not give one."""


@dataclass(frozen=True)
class PlacedText:
    """A table of text in which one column says where each picture lies: in `folder` by a `layout`, else what it said before.

    With `is_there` each file is looked for, and the column left as it was where there is none.
    """

    text: TextTable
    column: str
    """Gets the paths; it is added at the end where the table has none of that name."""
    needs: tuple[str, ...]
    """Columns of whose values a layout makes the path."""
    folder: str
    layout: Layout
    is_there: Callable[[str], bool] | None = None
    """Whether there is a file at an address; None where it is not asked."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        own = tuple(self.text.columns)
        return own if self.column in own else (*own, self.column)

    @property
    def notices(self) -> tuple[str, ...]:
        """As the table's own."""
        return self.text.notices

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in their order, every value a string or null."""
        for batch in self.text.batches():
            values = {name: batch.column(name) for name in batch.schema.names}
            before = values[self.column].to_pylist() if self.column in values else [None] * batch.num_rows
            rows = zip(*(values[name].to_pylist() for name in self.needs), strict=True)
            paths = [self._path(row, written) for row, written in zip(rows, before, strict=True)]
            values[self.column] = pa.array(paths, pa.string())
            yield pa.RecordBatch.from_pydict({name: values[name] for name in self.columns})

    def _path(self, row: Sequence[str | None], written: str | None) -> str | None:
        path = self.layout(row)
        if path is None:
            return written
        path = os.path.join(self.folder, path)  # noqa: PTH118 - a row at a time
        return path if self.is_there is None or self.is_there(path) else written


def found_layout(
    text: TextTable,
    needs: Sequence[str],
    folders: Sequence[str],
    layouts: Sequence[Layout],
    is_there: Callable[[str], bool] = os.path.isfile,
) -> tuple[str, Layout] | None:
    """The first of some folders, and of some layouts, in which a picture of the first rows lies; None where there is none."""
    batch = next(iter(text.batches()), None)
    if batch is None:
        return None
    first = batch.slice(0, LOOKED_AT)
    rows = list(zip(*(first.column(name).to_pylist() for name in needs), strict=True))
    for folder in folders:
        for layout in layouts:
            paths = (path for row in rows if (path := layout(row)) is not None)
            if any(is_there(os.path.join(folder, path)) for path in paths):  # noqa: PTH118
                logger.info("pictures are taken from %s", folder or "the archive")
                return folder, layout
    return None
