"""Rows of a few numbers by 64-bit keys, in sorted arrays: what a job knows of millions of pictures, without an object for each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int, Shaped, UInt32, UInt64

BLOCK_ROWS = 1 << 20
"""Rows gathered before they are put with the others."""
RUN_ROWS = 1 << 21
"""A sorted run of so many rows is merged with no other: merging takes 8 bytes a row more for a moment."""

UNKNOWN_ROW = (1 << 32) - 1
"""Stands for a row id that does not fit into 32 bits, as in tables without stable row ids: such a row is sought by what it holds."""

Block = tuple[UInt64[np.ndarray, " _"], Mapping[str, Shaped[np.ndarray, " _"]]]
"""Keys and columns of some rows."""


@dataclass(slots=True)
class _Run:
    keys: UInt64[np.ndarray, " n"]
    columns: dict[str, Shaped[np.ndarray, " n"]]

    def sort(self) -> None:
        order = np.argsort(self.keys, kind="stable")
        self.keys = self.keys[order]
        for name, values in self.columns.items():
            self.columns[name] = values[order]


class SortedRows:
    """Rows of numbers, sought by bisection, many at a time. Of several with one key the first that came is found.

    Memory: 8 bytes a row and what its columns take; 8 bytes a row more while it is made of many, less what the columns take that are not
    given then.

    >>> rows = SortedRows({"size": np.uint32}, [(np.array([7, 3], np.uint64), {"size": np.array([70, 30], np.uint32)})])
    >>> rows.add(np.array([5], np.uint64), size=np.array([50], np.uint32))
    >>> places = rows.find(np.array([3, 4, 5], np.uint64))
    >>> places >= 0
    array([ True, False,  True])
    >>> rows.take("size", places[places >= 0])
    array([30, 50], dtype=uint32)
    """

    def __init__(
        self,
        types: Mapping[str, type[np.generic]],
        blocks: Iterable[Block] = (),
    ) -> None:
        """`types` are the columns; `blocks` hold keys and some columns of the first rows. A column that is not given is 0."""
        self._types = {name: np.dtype(type_) for name, type_ in types.items()}
        first = _gathered(blocks)
        first.sort()
        self._complete(first)
        self._runs = [first]

    def _complete(self, run: _Run) -> None:
        for name, type_ in self._types.items():
            values = run.columns.get(name)
            run.columns[name] = np.zeros(len(run.keys), type_) if values is None else values.astype(type_, copy=False)

    def __len__(self) -> int:
        """Number of rows."""
        return sum(len(run.keys) for run in self._runs)

    @property
    def n_bytes(self) -> int:
        """Memory of all keys and columns."""
        return sum(array.nbytes for run in self._runs for array in (run.keys, *run.columns.values()))

    def add(self, keys: UInt64[np.ndarray, " b"], **columns: Shaped[np.ndarray, " b"]) -> None:
        """Add rows; places that were found before hold no more."""
        if not len(keys):
            return
        run = _Run(keys, columns)
        run.sort()
        self._complete(run)
        self._runs.append(run)
        # The first run, of all that was known at the beginning, is merged with none.
        while len(self._runs) > 2 and are_merged(len(self._runs[-2].keys), len(self._runs[-1].keys)):
            late, early = self._runs.pop(), self._runs.pop()
            merged = _Run(
                np.concatenate([early.keys, late.keys]),
                {name: np.concatenate([early.columns[name], late.columns[name]]) for name in self._types},
            )
            del late, early
            merged.sort()
            self._runs.append(merged)

    def find(self, keys: UInt64[np.ndarray, " b"]) -> Int[np.ndarray, " b"]:
        """The place of each key's row, -1 where there is none."""
        order = np.argsort(keys)  # neighbours are sought one after another, in the same pages of memory
        asked, found, start = keys[order], np.full(len(keys), -1), 0
        for run in self._runs:
            if len(run.keys):
                at = np.minimum(np.searchsorted(run.keys, asked), len(run.keys) - 1)
                hit = (run.keys[at] == asked) & (found < 0)
                found[hit] = start + at[hit]
            start += len(run.keys)
        places = np.empty_like(found)
        places[order] = found
        return places

    def repeated(self) -> UInt64[np.ndarray, " k"]:
        """Keys that several of the first rows have, each once."""
        keys = self._runs[0].keys
        return np.unique(keys[1:][keys[1:] == keys[:-1]])

    def take(self, name: str, places: Int[np.ndarray, " b"]) -> Shaped[np.ndarray, " b"]:
        """A column of the rows at these places, all of them at least 0."""
        values = np.empty(len(places), self._types[name])
        for run, here, at in self._at(places):
            values[here] = run.columns[name][at]
        return values

    def put(self, name: str, places: Int[np.ndarray, " b"], values: Shaped[np.ndarray, " b"]) -> None:
        """Other values in a column of the rows at these places, all of them at least 0."""
        for run, here, at in self._at(places):
            run.columns[name][at] = values[here]

    def _at(
        self, places: Int[np.ndarray, " b"]
    ) -> Iterator[tuple[_Run, Bool[np.ndarray, " b"], Int[np.ndarray, " c"]]]:
        """Each run with those of the places that lie in it."""
        start = 0
        for run in self._runs:
            here = (places >= start) & (places < start + len(run.keys))
            if here.any():
                yield run, here, places[here] - start
            start += len(run.keys)


def hashed(texts: pa.Array, *, seed: int = 0) -> UInt64[np.ndarray, " n"]:
    """Fingerprints of texts, of 64 bits; they hold in one process. Those of different seeds have nothing to do with each other."""
    import polars as pl  # takes a tenth of a second, which jobs alone need

    found = pl.from_arrow(texts)
    assert isinstance(found, pl.Series)
    return found.hash(seed=seed).to_numpy()


def salted(texts: pa.Array) -> UInt64[np.ndarray, " n"]:
    """Other fingerprints of texts than those of `hashed`."""
    return hashed(texts, seed=1)


def half(fingerprints: UInt64[np.ndarray, " n"]) -> UInt32[np.ndarray, " n"]:
    """Their upper 32 bits: enough to tell whether one text is another, and not which of millions it is."""
    return (fingerprints >> np.uint64(32)).astype(np.uint32)


def are_merged(early: int, late: int) -> bool:
    """Whether two sorted runs of so many rows are made one: so that there are few, and each row is merged a few times."""
    return early <= 2 * late and early + late <= RUN_ROWS


def _gathered(blocks: Iterable[Block]) -> _Run:
    """All blocks as one, with `BLOCK_ROWS` rows beside them at most."""
    large: list[_Run] = []
    small: list[_Run] = []
    waiting = 0
    for keys, columns in blocks:
        small.append(_Run(keys, dict(columns)))
        waiting += len(keys)
        if waiting >= BLOCK_ROWS:
            large.append(_joined(small))
            waiting = 0
    large.append(_joined(small))
    return large.pop() if len(large) == 1 else _joined(large)


def _joined(runs: list[_Run]) -> _Run:
    """Runs one after another, which are let go."""
    if not runs:
        return _Run(np.empty(0, np.uint64), {})
    n_rows, place = sum(len(run.keys) for run in runs), 0
    whole = _Run(
        np.empty(n_rows, np.uint64), {name: np.empty(n_rows, values.dtype) for name, values in runs[0].columns.items()}
    )
    runs.reverse()
    while runs:
        run = runs.pop()
        end = place + len(run.keys)
        whole.keys[place:end] = run.keys
        for name, values in run.columns.items():
            whole.columns[name][place:end] = values
        place = end
    return whole
