"""Some rows that are searched together: those that an index was built from, or those that came since."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int64

from cladescope.index.ann.files import AnnIndex
from cladescope.index.on_device import OnDevice
from cladescope.index.resident.flat import Flat
from cladescope.index.resident.rows import Rows
from cladescope.index.resident.selection import Selection, selected
from cladescope.taxonomy import Taxon

SPARSE = 16
"""Row ids are looked up in a table while their range holds at most so many times as many numbers as are looked up."""


class Filter(NamedTuple):
    """What narrows a search: a union of clades, and a condition of `Store.condition`."""

    taxa: tuple[Taxon, ...] | None = None
    condition: str | None = None


class Block:
    """Rows, their vectors, which of them still stand, and an index of them where there is one."""

    def __init__(self, rows: Rows, flat: Flat, index: AnnIndex | None = None) -> None:
        self.rows, self.flat, self.index = rows, flat, index
        self.on_device = OnDevice(flat)
        gone = index is not None and index.card.n_gone > 0
        self.alive: Bool[np.ndarray, " n"] | None = rows.row_ids >= 0 if gone else None
        """Rows that were neither deleted nor changed since; None where all stand."""
        self.n_alive = len(rows) if self.alive is None else int(np.count_nonzero(self.alive))
        """How many rows stand."""
        self._all = Selection(len(rows), ranges=[(0, len(rows))])
        self._alive_of: WeakKeyDictionary[Selection, Selection] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self.rows)

    def drop(self, row_ids: Int64[np.ndarray, " m"]) -> None:
        """Strike out the rows of some ids."""
        self._keep(~_is_in(self.rows.row_ids, row_ids))

    def keep(self, row_ids: Int64[np.ndarray, " m"]) -> None:
        """Strike out every other row."""
        self._keep(_is_in(self.rows.row_ids, row_ids))

    def _keep(self, mask: Bool[np.ndarray, " n"]) -> None:
        if not mask.all():
            self.alive = mask if self.alive is None else self.alive & mask
            self.n_alive = int(np.count_nonzero(self.alive))
            self._alive_of.clear()

    def within(self, taxa: Sequence[Taxon]) -> Selection:
        """The rows of one of some clades, also those that no longer stand.

        Rows in depth-first order are found by the ends of the range, in no time; others one by one.
        """
        inside = self.rows.lineages.within(taxa)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]])))
        ends = np.searchsorted(self.rows.codes[: self._n_ordered], edges).tolist()
        ranges = list(zip(ends[::2], ends[1::2], strict=True))
        rest = selected(inside[self.rows.codes[self._n_ordered :]])
        if rest.ranges is None:
            mask = np.zeros(len(self), bool)
            for start, stop in ranges:
                mask[start:stop] = True
            mask[self._n_ordered :] = rest.mask
            return Selection(len(self), mask=mask)
        first = self._n_ordered
        return Selection(len(self), ranges=[*ranges, *((first + start, first + stop) for start, stop in rest.ranges)])

    def of_ids(self, row_ids: Int64[np.ndarray, " m"]) -> Selection:
        """The rows of some ids."""
        return selected(_is_in(self.rows.row_ids, row_ids))

    def count_lineages(self, selection: Selection | None) -> pa.Table:
        """The lineages of the rows that stand and are selected, with their number, `n_images`."""
        codes = self.rows.codes
        if selection is not None or self.alive is not None:
            mask = self.alive if selection is None else selection.mask
            codes = codes[mask if self.alive is None or selection is None else mask & self.alive]
        counts = np.bincount(codes, minlength=len(self.rows.lineages))
        there = np.flatnonzero(counts)
        return self.rows.lineages.table.take(pa.array(there)).append_column("n_images", pa.array(counts[there]))

    def compares_all(self, n_queries: int, selection: Selection | None) -> bool:
        """Whether the next search is exact unasked: there is no index, or a GPU holds the vectors, or gets them now."""
        return self.on_device.is_there(n_queries, selection) or self.index is None

    def search(
        self,
        queries: Float32[np.ndarray, "q d"],
        k: int,
        selection: Selection | None,
        *,
        exact: bool,
        composed: bool = False,
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        """Scores and positions of the k best of the rows that stand and are selected."""
        standing = self._standing(selection)
        if self.index is None or exact:
            return self.on_device.search(queries, k, standing)
        return self.index.search(queries, k, selection=standing, composed=composed)

    def _standing(self, selection: Selection | None) -> Selection | None:
        """The selected rows that stand; made once for a selection."""
        if self.alive is None:
            return selection
        key = self._all if selection is None else selection
        if key not in self._alive_of:
            self._alive_of[key] = key.of(self.alive)
        return self._alive_of[key]

    @cached_property
    def _n_ordered(self) -> int:
        """Rows before the first whose lineage stands before that of its neighbour."""
        falls = self.rows.codes[1:] < self.rows.codes[:-1]
        return int(np.argmax(falls)) + 1 if falls.any() else len(self)


def _is_in(ids: Int64[np.ndarray, " n"], wanted: Int64[np.ndarray, " m"]) -> Bool[np.ndarray, " n"]:
    if not len(ids) or not len(wanted):
        return np.zeros(len(ids), bool)
    top = int(max(ids.max(), wanted.max())) + 1
    if top > SPARSE * (len(ids) + len(wanted)):
        found: Bool[np.ndarray, " n"] = np.isin(ids, wanted)
        return found
    table = np.zeros(top, bool)
    table[wanted] = True
    inside: Bool[np.ndarray, " n"] = table[ids]
    return inside
