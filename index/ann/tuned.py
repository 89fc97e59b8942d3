"""An index that answers: by its structure where that finds enough, exactly where it does not."""

from math import ceil

import numpy as np
from jaxtyping import Float32, Int64

from cladescope.index.ann.card import IndexCard
from cladescope.index.ann.engine import Engine, wider
from cladescope.index.resident.flat import Flat
from cladescope.index.resident.rows import Rows
from cladescope.index.resident.selection import Selection

OVER = 2
"""A filter is answered from so many times as many hits as give k by its share of the rows."""
WHOLE = 4
"""An answer that wants more than one row in so many is looked for by comparing them all."""


class TunedIndex:
    """A structure, its card, and what the store says of its rows; positions are places of rows in the index."""

    def __init__(self, card: IndexCard, rows: Rows, engine: Engine) -> None:
        self.card, self.rows, self.engine = card, rows, engine

    def __len__(self) -> int:
        return len(self.engine)

    @property
    def flat(self) -> Flat:
        """The vectors of all rows, for exact search."""
        return self.engine.flat

    def exact(
        self, queries: Float32[np.ndarray, "q d"], k: int, *, selection: Selection | None = None
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        """Scores and positions of the k best, exactly; -inf and -1 where there are fewer."""
        return self.engine.flat.search(queries, k, selection)

    def compares_all(self, k: int, selection: Selection | None = None) -> bool:
        """Whether `search` compares every vector that is selected: where these are few, or k is a good part of them."""
        if self.engine.is_flat or (selection is not None and selection.n <= self.card.exact_below):
            return True
        return self._wanted(k, selection) * WHOLE >= len(self.engine)

    def _wanted(self, k: int, selection: Selection | None) -> int:
        """Hits among all rows of which k are selected, if these are as many among the nearest as among all."""
        return k if selection is None else ceil(OVER * k * len(self.engine) / max(selection.n, 1))

    def search(
        self, queries: Float32[np.ndarray, "q d"], k: int, *, selection: Selection | None = None, far: bool = False
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        """Scores and positions of the k best of unit vectors, best first; -inf and -1 where there are fewer.

        A query whose best hit scores less than `card.far_below` is asked again with the parameters for far ones; `far` takes all for
        such, and a query composed of several things, or of a text, is one. Of a selection of more than `card.exact_below` rows the answer is the first k selected among more hits from all rows;
        where too few of these are selected, as for a query from outside a clade, all selected rows are compared. So a filter costs
        no more recall than a search for as many hits does.
        """
        if self.compares_all(k, selection):
            return self.exact(queries, k, selection=selection)
        if selection is not None:
            return self._selected(queries, k, selection, far=far)
        if far:
            return self._far(queries, k)
        card = self.card
        step = card.step(k)
        scores, found = self.engine.search(queries, k, step.near if k <= step.k else wider(step.near, k / step.k))
        again = (scores[:, 0] < card.far_below) | (found[:, -1] < 0)
        if again.any():
            scores[again], found[again] = self._far(queries[again], k)
        return scores, found

    def _far(
        self, queries: Float32[np.ndarray, "q d"], k: int
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        step = self.card.step(k)
        if step.far is None:
            return self.exact(queries, k)
        scores, found = self.engine.search(queries, k, wider(step.far, k / step.k))
        short = found[:, -1] < 0
        if short.any():
            scores[short], found[short] = self.exact(queries[short], k)
        return scores, found

    def _selected(
        self, queries: Float32[np.ndarray, "q d"], k: int, selection: Selection, *, far: bool
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        scores, found = self.search(queries, self._wanted(k, selection), far=far)
        inside = selection.mask[found] & (found >= 0)
        first = np.argsort(~inside, axis=1, kind="stable")[:, :k]
        scores, found = np.take_along_axis(scores, first, axis=1), np.take_along_axis(found, first, axis=1)
        short = inside.sum(axis=1) < k
        if short.any():
            scores[short], found[short] = self.exact(queries[short], k, selection=selection)
        return scores, found
