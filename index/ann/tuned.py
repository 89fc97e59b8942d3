"""An index that answers: by its structure where that finds enough, exactly where it does not."""

import numpy as np
from jaxtyping import Float32, Int64

from cladescope.index.ann.card import IndexCard
from cladescope.index.ann.engine import Engine, wider
from cladescope.index.resident.flat import Flat
from cladescope.index.resident.rows import Rows
from cladescope.index.resident.selection import Selection


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

    def compares_all(self, k: int, selection: Selection | None) -> bool:
        """Whether `search` compares every vector that is selected: where these are few, or k is a good part of them."""
        n = len(self.engine) if selection is None else selection.n
        return self.engine.is_flat or k * 4 >= n or (selection is not None and n <= self.card.exact_below)

    def search(
        self, queries: Float32[np.ndarray, "q d"], k: int, *, selection: Selection | None = None, far: bool = False
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        """Scores and positions of the k best of unit vectors, best first; -inf and -1 where there are fewer.

        A query whose best hit scores less than `card.far_below` is asked again with the parameters for far ones, and one that
        finds fewer than k of the selected rows is answered exactly. `far` takes all queries for far ones.
        """
        card, n = self.card, len(self.engine)
        n_selected = n if selection is None else selection.n
        if self.compares_all(k, selection):
            return self.exact(queries, k, selection=selection)
        step = card.step(k)
        parameters = step.near
        by = k / step.k * (n / n_selected)
        if by > 1:
            parameters = wider(parameters, by)
        if far:
            return self._far(queries, k, selection)
        scores, found = self.engine.search(queries, k, parameters, selection)
        again = (scores[:, 0] < card.far_below) | (found[:, -1] < 0)
        if again.any():
            scores[again], found[again] = self._far(queries[again], k, selection)
        return scores, found

    def _far(
        self, queries: Float32[np.ndarray, "q d"], k: int, selection: Selection | None
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        step = self.card.step(k)
        if step.far is None or selection is not None:
            return self.exact(queries, k, selection=selection)
        scores, found = self.engine.search(queries, k, wider(step.far, k / step.k))
        short = found[:, -1] < 0
        if short.any():
            scores[short], found[short] = self.exact(queries[short], k)
        return scores, found
