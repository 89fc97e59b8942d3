"""SimpleShot and prototypes as scikit-learn estimators: any labels, pipelines, cross-validation.

`few_shot` works on numbered classes and files; this module is for those who come with arrays and scikit-learn. A row
without direction (all zeros) stays zero here, as in scikit-learn's own `Normalizer`.
"""

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import normalize
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from cladescope.arrays import blocks

BLOCK_BYTES = 1 << 26
"""Most bytes of the scores of one block of pictures."""

_BLOCK_ROWS = 1 << 15


class _NearestMean(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What SimpleShot and prototypes share: class vectors, a bias, and scores of pictures in blocks."""

    _centred = False

    def __init__(self, scale: Any = 10.0) -> None:
        self.scale = scale

    def fit(self, X: Any, y: Any) -> "_NearestMean":
        """Class means of unit vectors; float32 stays float32. Memory: 8 c d bytes and a block."""
        X, y = validate_data(self, X, y, dtype=(np.float64, np.float32))
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"{len(self.classes_)} class is given: expected at least two to choose from")
        if self._centred:
            total = sum(normalize(X[a:b]).sum(axis=0, dtype=np.float64) for a, b in blocks(len(X), size=_BLOCK_ROWS))
            self.centre_ = (total / len(X)).astype(X.dtype)
        sums = np.zeros((len(self.classes_), X.shape[1]))
        for start, stop in blocks(len(X), size=_BLOCK_ROWS):
            rows = np.arange(stop - start)
            found, inverse = np.unique(numbers[start:stop], return_inverse=True)
            one_hot = csr_matrix((np.ones(len(rows), X.dtype), (inverse, rows)), shape=(len(found), len(rows)))
            sums[found] += one_hot @ self._prepared(X[start:stop])
        self.class_sums_, self.class_counts_ = sums, np.bincount(numbers)
        means = (sums / self.class_counts_[:, None]).astype(X.dtype)
        self.means_ = means if self._centred else normalize(means)
        return self

    def _prepared(self, X: np.ndarray) -> np.ndarray:
        unit: np.ndarray = normalize(X)
        return normalize(unit - self.centre_) if self._centred else unit

    def _scores(self, X: np.ndarray) -> np.ndarray:
        scores: np.ndarray = self._prepared(X) @ self._weights.T
        if self._centred:
            scores -= np.einsum("cd,cd->c", self.means_, self.means_).astype(scores.dtype)
        return scores

    @property
    def _weights(self) -> np.ndarray:
        weights: np.ndarray = 2 * self.means_ if self._centred else self.means_
        return weights

    def predict(self, X: Any) -> np.ndarray:
        """Nearest class of each row, the first of `classes_` where several are equally near; in blocks of 64 MiB."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        size = max(1, BLOCK_BYTES // (X.itemsize * len(self.classes_)))
        best = np.empty(len(X), np.int64)
        for start, stop in blocks(len(X), size=size):
            best[start:stop] = self._scores(X[start:stop]).argmax(axis=1)
        found: np.ndarray = self.classes_[best]
        return found

    def decision_function(self, X: Any) -> np.ndarray:
        """Score of each class; of two classes, how much the second is ahead, as in scikit-learn."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> np.ndarray:
        """Softmax of `scale` times the scores."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        found: np.ndarray = softmax(self.scale * self._scores(X), axis=1)
        return found


class SimpleShot(_NearestMean):
    """Unit length, centre, unit length; class means; the nearest in Euclidean distance.

    CL2N of Wang et al. 2019, SimpleShot, https://arxiv.org/abs/1911.04623; `metrics.simple_shot` measures it.

    >>> SimpleShot().fit([[1.0, 0.1], [0.1, 1.0]], [7, 3]).predict([[2.0, 0.3]])
    array([7])
    """

    _centred = True


class Prototypes(_NearestMean):
    """Class means of unit vectors, brought to unit length; the nearest by cosine.

    Snell et al. 2017, Prototypical Networks, https://arxiv.org/abs/1703.05175; here the encoder is frozen, and the
    distance is the angle.

    >>> Prototypes().fit([[1.0, 0.1], [0.1, 1.0]], ["tit", "crow"]).predict([[2.0, 0.3]]).tolist()
    ['tit']
    """
