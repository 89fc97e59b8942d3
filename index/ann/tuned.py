"""An index that answers: by its structure where that finds enough, exactly where it does not."""

from math import ceil, sqrt

import numpy as np
from jaxtyping import Float32, Int64

from cladescope.index.ann.card import IndexCard, Step
from cladescope.index.ann.engine import Engine, Parameters
from cladescope.index.resident.flat import Flat
from cladescope.index.resident.rows import Rows
from cladescope.index.resident.selection import Selection

OVER = 3
"""A filter is answered from as many hits as hold k selected ones, give or take so many standard deviations of a random filter."""
WHOLE = 4
"""An answer that wants more than one row in so many is looked for by comparing them all."""

MOST = 4096
"""A filter that would ask for more hits than so many leaves few rows: comparing them takes less time."""


class TunedIndex:
    """A structure, its card, and what the store says of its rows; positions are places of rows in the index."""

    def __init__(self, card: IndexCard, rows: Rows, engine: Engine) -> None:
        self.card, self.rows, self.engine = card, rows, engine
        self._steps: dict[int, Step] = {}

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
        wanted = self._wanted(k, selection)
        return wanted * WHOLE >= len(self.engine) or (selection is not None and wanted > MOST)

    def _wanted(self, k: int, selection: Selection | None) -> int:
        """Hits among all rows of which k are selected nearly always, if these are as many among the nearest as among all."""
        if selection is None:
            return k
        share = max(selection.n, 1) / len(self.engine)
        return ceil((k + OVER * sqrt(k * (1 - share))) / share)

    def _step(self, k: int) -> Step:
        step = self._steps.get(k)
        if step is None:
            step = self._steps[k] = self.card.step(k)
        return step

    def search(
        self, queries: Float32[np.ndarray, "q d"], k: int, *, selection: Selection | None = None, composed: bool = False
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        """Scores and positions of the k best of unit vectors, best first; -inf and -1 where there are fewer.

        A query whose best hit scores less than `card.far_below`, as a text's does, is asked again with the parameters for far ones;
        `composed` says that all are made of several things, which have parameters of their own. Of a selection of more than
        `card.exact_below` rows the answer is the first k selected among more hits from all rows; where too few of these are selected,
        as for a query from outside a clade, all selected rows are compared. So a filter costs no more recall than a search for as
        many hits does.
        """
        if self.compares_all(k, selection):
            return self.exact(queries, k, selection=selection)
        if selection is not None:
            return self._selected(queries, k, selection, composed=composed)
        step = self._step(k)
        if composed:
            return self._widely(queries, k, step.composed)
        scores, found = self._asked(queries, k, step.near)
        if len(queries) == 1:  # as most searches are: for one query arrays of booleans cost a tenth of the answer
            is_far = scores[0, 0] < self.card.far_below or found[0, -1] < 0
            return self._far(queries, k, step) if is_far else (scores, found)
        again = (scores[:, 0] < self.card.far_below) | (found[:, -1] < 0)
        if again.any():
            scores[again], found[again] = self._far(queries[again], k, step)
        return scores, found

    def _far(
        self, queries: Float32[np.ndarray, "q d"], k: int, step: Step
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        if step.midway is None:
            return self._widely(queries, k, step.far)
        scores, found = self._asked(queries, k, step.midway)
        farther = (scores[:, 0] < self.card.farther_below) | (found[:, -1] < 0)
        if farther.any():
            scores[farther], found[farther] = self._widely(queries[farther], k, step.far)
        return scores, found

    def _asked(
        self, queries: Float32[np.ndarray, "q d"], k: int, parameters: Parameters
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        """The first k of as many hits as the parameters were chosen for: of fewer, fewer would be ranked again."""
        least = min(self.card.steps[0].k, len(self.engine))
        if k >= least:
            return self.engine.search(queries, k, parameters)
        scores, found = self.engine.search(queries, least, parameters)
        return scores[:, :k].copy(), found[:, :k].copy()

    def _widely(
        self, queries: Float32[np.ndarray, "q d"], k: int, parameters: Parameters | None
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        if parameters is None:
            return self.exact(queries, k)
        scores, found = self._asked(queries, k, parameters)
        short = found[:, -1] < 0
        if short.any():
            scores[short], found[short] = self.exact(queries[short], k)
        return scores, found

    def _selected(
        self, queries: Float32[np.ndarray, "q d"], k: int, selection: Selection, *, composed: bool
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        scores, found = self.search(queries, self._wanted(k, selection), composed=composed)
        inside = selection.mask[found] & (found >= 0)
        first = np.argsort(~inside, axis=1, kind="stable")[:, :k]
        scores, found = np.take_along_axis(scores, first, axis=1), np.take_along_axis(found, first, axis=1)
        short = inside.sum(axis=1) < k
        if short.any():
            scores[short], found[short] = self.exact(queries[short], k, selection=selection)
        return scores, found
