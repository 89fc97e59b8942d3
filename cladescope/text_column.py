"""A column of texts as a sequence: millions of names in one buffer, each a Python string only when it is asked for."""

from collections.abc import Sequence
from typing import SupportsIndex, overload

import pyarrow as pa


class TextColumn(Sequence[str | None]):
    """Texts of an Arrow column, None for a null; a text takes its own bytes and 8 more, where a `str` has 49 more.

    >>> names = TextColumn(pa.array(["Parus major", None]))
    >>> len(names), names[0], list(names[1:])
    (2, 'Parus major', [None])
    """

    def __init__(self, column: pa.Array | pa.ChunkedArray) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, row: SupportsIndex) -> str | None: ...

    @overload
    def __getitem__(self, row: slice) -> "TextColumn": ...

    def __getitem__(self, row: "SupportsIndex | slice") -> "str | TextColumn | None":
        if isinstance(row, slice):
            return TextColumn(self._column[row])
        text: str | None = self._column[int(row)].as_py()
        return text
