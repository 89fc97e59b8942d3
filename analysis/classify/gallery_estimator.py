"""What scikit-learn's estimators over class vectors share: they are asked through the gallery of class vectors that they learnt."""

import warnings
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, Real, Shaped
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from cladescope.analysis.classify.class_gallery import ClassGallery, probability_blocks
from cladescope.arrays import blocks, normalise
from cladescope.errors import InputError

_TYPES = [np.float32, np.float64, np.float16]


class OfClasses(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """How vectors and labels are taken, for all classifiers of this room."""

    def _taken(self, X: Any, y: Any) -> tuple[Real[np.ndarray, "n d"], Int[np.ndarray, " n"]]:
        """Vectors and the place of each label in `classes_`. Raises ValueError as scikit-learn does, InputError for one class only."""
        X, y = validate_data(self, X, y, dtype=_TYPES)
        with warnings.catch_warnings():
            # A picture or two of each class is what few-shot is about.
            warnings.filterwarnings("ignore", message="The number of unique classes")
            check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"found one class only, {self.classes_[0]}: expected pictures of two classes or more")
        return X, codes

    def _asked(self, X: Any) -> Real[np.ndarray, "q d"]:
        """Vectors that are asked about, each with a direction."""
        check_is_fitted(self)
        return with_direction(validate_data(self, X, dtype=_TYPES[:2], reset=False))


class GalleryEstimator(OfClasses):
    """A classifier whose answers are those of a gallery of class vectors, block by block: `gallery` says which."""

    scale: Any

    def gallery(self, *, scale: float = 1.0) -> ClassGallery:
        """The class vectors that answer for this classifier."""
        raise NotImplementedError

    def decision_function(self, X: Any) -> Float[np.ndarray, "..."]:
        """Score of each class, higher is nearer; with two classes the difference of both, as scikit-learn has it."""
        X = self._asked(X)
        scores = self.gallery().scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> Shaped[np.ndarray, " q"]:
        """Best class of vectors of shape (q, d); of equally good ones the first in the order of labels. Block by block."""
        X = self._asked(X)
        gallery = self.gallery()
        rows = max(1, (1 << 26) // (4 * len(self.classes_)))
        best = [_best(gallery, X[start:stop]) for start, stop in blocks(len(X), size=rows)]
        named: Shaped[np.ndarray, " q"] = self.classes_[np.concatenate(best)]
        return named

    def predict_proba(self, X: Any) -> Float[np.ndarray, "q c"]:
        """Softmax of the scores times `scale`; calibrated only where `scale` is, see `calibrate`."""
        X = self._asked(X)
        gallery = self.gallery(scale=self.scale)
        return np.concatenate([block for _, _, block in probability_blocks(gallery, X)])


def _best(gallery: ClassGallery, X: Real[np.ndarray, "b d"]) -> Int[np.ndarray, " b"]:
    # Picture by picture in memory, where argmax is quick; `ClassGallery.scores` is class by class.
    scores = gallery.prepared(X) @ gallery.vectors.T
    if gallery.bias is not None:
        scores += gallery.bias
    found: Int[np.ndarray, " b"] = scores.argmax(axis=1)
    return found


def with_direction(X: Real[np.ndarray, "q d"]) -> Real[np.ndarray, "q d"]:
    """Rows of zeros, which scikit-learn's estimators must take, made to point the same way everywhere."""
    empty = ~X.any(axis=1)
    if not empty.any():
        return X
    found = X.copy()
    found[empty] = 1.0
    return found


def unit_rows(X: Real[np.ndarray, "q d"]) -> Float32[np.ndarray, "q d"]:
    """Vectors brought to unit length, those of zeros too.

    >>> unit_rows(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]], dtype=float32)
    """
    unit: Float32[np.ndarray, "q d"] = normalise(with_direction(X)).astype(np.float32, copy=False)
    return unit
