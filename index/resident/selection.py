"""Some of the rows that are searched: those that a filter leaves."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from cladescope.index.late_faiss import faiss


class Selection:
    """Positions among `n_all`, as ranges or as a mask; whichever form is asked for is made once."""

    def __init__(
        self, n_all: int, *, ranges: Sequence[tuple[int, int]] | None = None, mask: Bool[np.ndarray, " n"] | None = None
    ) -> None:
        """Give `ranges` (start and stop, apart from each other, in order) or a `mask`."""
        assert (ranges is None) != (mask is None)
        self.n_all = n_all
        self.ranges = None if ranges is None else [(start, stop) for start, stop in ranges if stop > start]
        if mask is not None:
            self.mask = mask

    @cached_property
    def n(self) -> int:
        """How many positions are selected."""
        if self.ranges is not None:
            return sum(stop - start for start, stop in self.ranges)
        return int(np.count_nonzero(self.mask))

    @cached_property
    def mask(self) -> Bool[np.ndarray, " n"]:
        """Whether each position is selected; n bytes."""
        found = np.zeros(self.n_all, bool)
        for start, stop in self.ranges or ():
            found[start:stop] = True
        return found

    @cached_property
    def positions(self) -> Int64[np.ndarray, " m"]:
        """The selected positions in order; 8 bytes each.

        >>> Selection(5, ranges=[(1, 3), (4, 5)]).positions
        array([1, 2, 4])
        """
        if self.ranges is None:
            return np.flatnonzero(self.mask)
        return np.concatenate([np.empty(0, np.int64), *(np.arange(start, stop) for start, stop in self.ranges)])

    @cached_property
    def is_range(self) -> bool:
        """Whether the positions follow one another without a gap."""
        return self.ranges is not None and len(self.ranges) == 1

    def faiss(self) -> Any:
        """The same for FAISS, an `IDSelector`; it lives as long as the selection."""
        return self._selector[0]

    @cached_property
    def _selector(self) -> tuple[Any, ...]:
        if self.ranges is not None and len(self.ranges) == 1:
            return (faiss.IDSelectorRange(*self.ranges[0]),)
        bits = np.packbits(self.mask, bitorder="little")
        return faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits)), bits

    def of(self, mask: Bool[np.ndarray, " n"]) -> "Selection":
        """The selected positions that a mask holds too."""
        return Selection(self.n_all, mask=self.mask & mask)

    def among(self, start: int, stop: int) -> "Selection":
        """The part from `start` to `stop`, its positions counted from `start`."""
        if self.ranges is not None:
            cut = [(max(first, start) - start, min(last, stop) - start) for first, last in self.ranges]
            return Selection(stop - start, ranges=cut)
        return Selection(stop - start, mask=self.mask[start:stop])


def selected(mask: Bool[np.ndarray, " n"]) -> Selection:
    """A mask as a selection: as ranges where these are few, so that vectors side by side are read as one block.

    >>> selected(np.array([True, True, False])).ranges, selected(np.array([False, False])).n
    ([(0, 2)], 0)
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    if len(edges) > 2 * MANY_RANGES:
        return Selection(len(mask), mask=mask)
    starts, stops = edges[::2].tolist(), edges[1::2].tolist()
    return Selection(len(mask), ranges=list(zip(starts, stops, strict=True)))


MANY_RANGES = 64
