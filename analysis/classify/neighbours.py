"""k nearest neighbours by cosine, as a scikit-learn estimator: the vote of `NeighbourVote`, and k chosen by the pictures."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int, Real, Shaped

from cladescope.analysis.classify.gallery_estimator import OfClasses, unit_rows
from cladescope.analysis.classify.neighbour_vote import NeighbourVote
from cladescope.analysis.classify.settings import (
    AUTO,
    MOST_CHOOSING,
    Setting,
    can_be_asked,
    choosing_rows,
    given_setting,
    likeliest_k,
)

KS = (1, 3, 5, 10, 20, 50)
"""Numbers of neighbours that are tried."""
K = 5
"""Where no picture can choose."""
_TRIED = tuple(map(float, KS))


class CosineNeighbours(OfClasses):
    """The vote of the nearest pictures by cosine, the nearer the heavier; `n_neighbors="auto"` is the one of `KS` with the least log loss.

    Each of at most `MOST_CHOOSING` pictures is asked about the others. The weights are those of `NeighbourVote`, exp(scale cosine).

    >>> vectors = np.array([[1.0, 0.1], [1.0, 0.0], [0.1, 1.0], [0.0, 1.0]])
    >>> CosineNeighbours(1).fit(vectors, np.array([7, 7, 3, 3])).predict(np.array([[0.9, 0.2]]))
    array([7])
    """

    setting_: Setting

    def __init__(self, n_neighbors: Any = AUTO, scale: Any = 1 / 0.07, random_state: Any = 0) -> None:
        self.n_neighbors, self.scale, self.random_state = n_neighbors, scale, random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> "CosineNeighbours":
        """Keep vectors of shape (n, d) and n labels; of pictures with equal numbers in `groups`, that are kin, one chooses k.

        Raises ValueError (as scikit-learn does) for input that is not finite or labels that are no classes, InputError for one class only
        and for a number of neighbours that is none.
        """
        X, codes = self._taken(X, y)
        unit = unit_rows(X)
        self.setting_ = self.chosen(unit, codes, groups)
        names = tuple(map(str, self.classes_))
        self.vote_ = NeighbourVote(unit, codes, names, k=int(self.setting_.value), scale=float(self.scale))
        return self

    def predict(self, X: Any) -> Shaped[np.ndarray, " q"]:
        """The class with most votes of vectors of shape (q, d); of equal ones the first in the order of labels."""
        best = self.predict_proba(X).argmax(axis=1)
        named: Shaped[np.ndarray, " q"] = self.classes_[best]
        return named

    def predict_proba(self, X: Any) -> Float[np.ndarray, "q c"]:
        """Share of the votes of each class."""
        X = self._asked(X)
        return self.vote_.probabilities(X)

    def chosen(self, unit: Real[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], kin: Any = None) -> Setting:
        """k as it is given, or the likeliest. Raises InputError for one that is none."""
        if (value := given_setting("k", self.n_neighbors, whole=True)) is not None:
            return Setting("k", value)
        seed = 0 if self.random_state is None else int(self.random_state)
        told = choosing_rows(classes, kin, most=len(classes), seed=seed)
        asked = told[can_be_asked(classes[told])]
        if not len(asked):
            return Setting("k", float(K), _TRIED)
        some = asked[choosing_rows(classes[asked], most=MOST_CHOOSING, seed=seed)]
        scores, rows = _nearest_others(unit[told], np.searchsorted(told, some), max(KS))
        is_own = classes[told][rows] == classes[some][:, None]
        return Setting("k", float(likeliest_k(scores, is_own, KS)), _TRIED, len(some))


def _nearest_others(
    unit: Real[np.ndarray, "n d"], asked: Int[np.ndarray, " m"], k: int
) -> tuple[Float[np.ndarray, "m k"], Int[np.ndarray, "m k"]]:
    """Cosines and places of the k nearest others of some of the vectors, the nearest first."""
    vote = NeighbourVote(unit, np.zeros(len(unit), np.int64), ("",), k=k + 1)
    scores, rows = vote.nearest(unit[asked])
    # Where copies crowd a picture out of its own list, the last is left out in its place.
    is_self = rows == asked[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    kept = (len(asked), rows.shape[1] - 1)
    return scores[~is_self].reshape(kept), rows[~is_self].reshape(kept)
