"""Columns of examples: Arrow arrays that read as sequences of Python values, one at a time or in blocks.

A value is made when it is asked for and not kept, so that a column costs the bytes of its array; none at all beyond the first
process where the array lies in a mapped file (`cladescope.training.data.examples_file`).
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Generic, SupportsIndex, TypeVar, overload

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from cladescope.arrays import blocks

T = TypeVar("T")
Span = tuple[str, int, int]
_BLOCK_ROWS = 65_536


class Column(Sequence[T]):
    """A sequence whose values are made in blocks; it equals every sequence of the same values."""

    def _block(self, start: int, stop: int) -> list[T]:
        """The values of some rows."""
        raise NotImplementedError

    @overload
    def __getitem__(self, row: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, row: slice) -> list[T]: ...
    def __getitem__(self, row: SupportsIndex | slice) -> T | list[T]:
        n = len(self)
        if isinstance(row, slice):
            start, stop, step = row.indices(n)
            return [self[one] for one in range(start, stop, step)] if step != 1 else self._block(start, stop)
        place = row.__index__()
        if not -n <= place < n:
            raise IndexError(f"row {place} of {n}")
        return self._block(place % n, place % n + 1)[0]

    def __iter__(self) -> Iterator[T]:
        for start, stop in blocks(len(self), size=_BLOCK_ROWS):
            yield from self._block(start, stop)

    def __eq__(self, other: object) -> bool:
        """Whether another sequence has the same values in the same order."""
        if not isinstance(other, Sequence) or isinstance(other, str) or len(other) != len(self):
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment] # as a list

    def __repr__(self) -> str:
        return repr(list(self))


class TextColumn(Column[Any]):
    """Texts, some of which may be None.

    >>> TextColumn(pa.chunked_array([["a", None], ["b"]]))[1:]
    [None, 'b']
    """

    def __init__(self, values: pa.ChunkedArray) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def _block(self, start: int, stop: int) -> list[Any]:
        found: list[Any] = self.values.slice(start, stop - start).to_pylist()
        return found

    def take(self, rows: Int[np.ndarray, " m"]) -> "TextColumn":
        """The texts of some rows."""
        return TextColumn(self.values.take(pa.array(rows)))


class CodedColumn(Column[T], Generic[T]):
    """Values of which there are few different ones, by their place among these; None where the code is -1.

    >>> CodedColumn(np.array([1, -1, 0], np.int32), ["a", "b"])
    ['b', None, 'a']
    """

    def __init__(self, codes: Int[np.ndarray, " n"], values: Sequence[Any]) -> None:
        self.codes, self.values = codes, values

    @classmethod
    def of(cls, values: Sequence[Any], key: Callable[[Any], Hashable] = lambda value: value) -> "CodedColumn[Any]":
        """The different ones of a sequence in the order in which they come first; `key` says which are the same."""
        place: dict[Hashable, int] = {}
        different: list[Any] = []
        codes = np.empty(len(values), np.int32)
        for row, value in enumerate(values):
            if value is None:
                codes[row] = -1
                continue
            code = place.setdefault(key(value), len(different))
            if code == len(different):
                different.append(value)
            codes[row] = code
        return cls(codes, different)

    def __len__(self) -> int:
        return len(self.codes)

    def _block(self, start: int, stop: int) -> list[T]:
        values = self.values
        found: list[Any] = [None if code < 0 else values[code] for code in self.codes[start:stop].tolist()]
        return found

    def take(self, rows: Int[np.ndarray, " m"]) -> "CodedColumn[T]":
        """The values of some rows."""
        return CodedColumn(self.codes[rows], self.values)


def coded(values: Sequence[Any], key: Callable[[Any], Hashable] = lambda value: value) -> "CodedColumn[Any]":
    """A column as it is, and any other sequence by its different values; `key` says which are the same.

    >>> coded(["a", None, "a"]).codes.tolist()
    [0, -1, 0]
    """
    return values if isinstance(values, CodedColumn) else CodedColumn.of(values, key)


class AddressColumn(Column[str]):
    """Addresses as a beginning that many share, the folder or shard, and the rest.

    >>> AddressColumn(CodedColumn(np.array([0, 0], np.int32), ["/photos/"]), TextColumn(pa.chunked_array([["a.jpg", "b.jpg"]])))
    ['/photos/a.jpg', '/photos/b.jpg']
    """

    def __init__(self, beginnings: CodedColumn[str], rests: TextColumn) -> None:
        self.beginnings, self.rests = beginnings, rests

    def __len__(self) -> int:
        return len(self.rests)

    def _block(self, start: int, stop: int) -> list[str]:
        return [a + b for a, b in zip(self.beginnings._block(start, stop), self.rests._block(start, stop), strict=True)]

    def take(self, rows: Int[np.ndarray, " m"]) -> "AddressColumn":
        """The addresses of some rows."""
        return AddressColumn(self.beginnings.take(rows), self.rests.take(rows))


class SpanColumn(Column[Span | None]):
    """Shard, first byte and number of bytes of pictures; None where a size is -1.

    >>> shards = CodedColumn(np.array([0, 0], np.int32), ["/s.tar#"])
    >>> SpanColumn(shards, np.array([512, 0]), np.array([9, -1]))
    [('/s.tar', 512, 9), None]
    """

    def __init__(
        self, beginnings: CodedColumn[str], offsets: Int[np.ndarray, " n"], sizes: Int[np.ndarray, " n"]
    ) -> None:
        self.beginnings, self.offsets, self.sizes = beginnings, offsets, sizes

    def __len__(self) -> int:
        return len(self.offsets)

    def _block(self, start: int, stop: int) -> list[Span | None]:
        shards = self.beginnings._block(start, stop)
        places = zip(shards, self.offsets[start:stop].tolist(), self.sizes[start:stop].tolist(), strict=True)
        return [None if size < 0 else (shard.removesuffix("#"), offset, size) for shard, offset, size in places]

    def take(self, rows: Int[np.ndarray, " m"]) -> "SpanColumn":
        """The places of some rows."""
        return SpanColumn(self.beginnings.take(rows), self.offsets[rows], self.sizes[rows])


def codes_of(values: Sequence[Any]) -> Int[np.ndarray, " n"]:
    """A number for each value, the same for equal ones, counted from 0 in the order in which they come first; -1 for None.

    >>> codes_of(["b", None, "a", "b"]).tolist()
    [0, -1, 1, 0]
    """
    if isinstance(values, TextColumn):
        arrays = values.values
    else:
        parts = [
            pa.array(values[start:stop], pa.large_string()) for start, stop in blocks(len(values), size=_BLOCK_ROWS)
        ]
        arrays = pa.chunked_array(parts, pa.large_string())
    coded = arrays.dictionary_encode().unify_dictionaries()
    indices = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in coded.chunks]
    return np.concatenate([np.empty(0, np.int32), *indices]).astype(np.int32)


def split_address(uri: str) -> tuple[str, str]:
    """An address as the part that its neighbours share, up to the `#` of a shard's member or the last slash, and the rest.

    >>> split_address("/shards/a.tar#folder/tit.jpg"), split_address("/photos/tit.jpg#box=0,0,1,1"), split_address("tit.jpg")
    (('/shards/a.tar#', 'folder/tit.jpg'), ('/photos/', 'tit.jpg#box=0,0,1,1'), ('', 'tit.jpg'))
    """
    shard = uri.lower().find(".tar#")
    at = shard + len(".tar#") if shard >= 0 else uri.rfind("/") + 1
    return uri[:at], uri[at:]
