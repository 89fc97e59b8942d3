"""Millions of texts as a sequence, each a Python string only when it is asked for: from one buffer, or made on the spot."""

from collections.abc import Callable, Sequence
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


class MadeTexts(Sequence[str]):
    """n texts, of which `make` makes the one in a row whenever it is asked for: none is held.

    >>> texts = MadeTexts(3, lambda row: f"class {row}")
    >>> texts[1], list(texts[:2]), len(texts)
    ('class 1', ['class 0', 'class 1'], 3)
    """

    def __init__(self, n: int, make: Callable[[int], str]) -> None:
        self._n, self._make = n, make

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self._make(one) for one in range(*row.indices(self._n))]
        return self._make(range(self._n)[row])
