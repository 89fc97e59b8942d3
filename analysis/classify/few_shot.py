"""Few-shot classifiers by class means: SimpleShot and prototypes, as scikit-learn estimators over stored vectors.

Both keep a sum and a count for each class, so that a class comes or goes without a refit, and both are galleries of class
vectors (`class_gallery`): asking them is one matrix product. k nearest neighbours are `neighbours`, ridge and logistic regression
`linear_models`.
"""

from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int, Real
from sklearn.utils.validation import check_is_fitted

from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.gallery_estimator import GalleryEstimator, unit_rows
from cladescope.analysis.measures.class_sums import class_sums
from cladescope.analysis.measures.simple_shot import centred, class_vectors
from cladescope.arrays import blocks
from cladescope.errors import InputError

_ROWS = 1 << 15


class ClassMeans(GalleryEstimator):
    """What SimpleShot and prototypes share: class sums, and the nearest of the class means. Use one of these.

    Memory: 8 c d bytes for the sums of c classes, and a block of 32,768 rows of the input at a time.
    """

    def fit(self, X: Any, y: Any) -> "ClassMeans":
        """Learn the mean of each class from vectors of shape (n, d) and n labels, any integers or texts.

        Raises ValueError (as scikit-learn does) for input that is not finite or labels that are no classes, InputError
        for one class only.
        """
        X, codes = self._taken(X, y)
        self.counts_ = np.bincount(codes)
        self.centre_ = self._centre(X)
        self.sums_ = self._sums(X, codes, len(self.classes_))
        return self

    def add_class(self, label: Any, vectors: Real[np.ndarray, "n d"]) -> None:
        """Add a class, or pictures to one that is there; the centre stays that of `fit`.

        Raises InputError for no picture.
        """
        check_is_fitted(self)
        if not len(vectors):
            raise InputError(f"class {label!r} has no picture: give at least one")
        total = self._sums(np.asarray(vectors), np.zeros(len(vectors), np.int64), 1)[0]
        place = int(np.searchsorted(self.classes_, label))
        if place < len(self.classes_) and self.classes_[place] == label:
            self.sums_[place] += total
            self.counts_[place] += len(vectors)
            return
        wider = np.result_type(self.classes_, np.asarray([label]))
        self.classes_ = np.insert(self.classes_.astype(wider), place, label)
        self.sums_ = np.insert(self.sums_, place, total, axis=0)
        self.counts_ = np.insert(self.counts_, place, len(vectors))

    def remove_class(self, label: Any) -> None:
        """Forget a class. Raises InputError where it is unknown, or only one would be left."""
        check_is_fitted(self)
        keep = self.classes_ != label
        if keep.all():
            raise InputError(f"no class {label!r} among {len(keep)}: name one that was fitted")
        if keep.sum() < 2:
            raise InputError(f"without {label!r} one class only would be left: a classifier needs two")
        self.classes_, self.sums_, self.counts_ = self.classes_[keep], self.sums_[keep], self.counts_[keep]

    @property
    def means_(self) -> Float64[np.ndarray, "c d"]:
        """Mean of each class."""
        means: Float64[np.ndarray, "c d"] = self.sums_ / self.counts_[:, None]
        return means

    def gallery(self, *, scale: float = 1.0, means: Float64[np.ndarray, "c d"] | None = None) -> ClassGallery:
        """The class vectors that answer for this classifier; `means` stand in for its own (see `shrinkage`)."""
        check_is_fitted(self)
        vectors, bias = self._class_vectors(self.means_ if means is None else means)
        return ClassGallery(vectors, tuple(map(str, self.classes_)), scale, bias=bias, centre=self.centre_)

    def _sums(self, X: Real[np.ndarray, "n d"], codes: Int[np.ndarray, " n"], c: int) -> Float64[np.ndarray, "c d"]:
        sums = np.zeros((c, X.shape[1]))
        for start, stop in blocks(len(X), size=_ROWS):
            part = unit_rows(X[start:stop])
            if self.centre_ is not None:
                part = centred(part, self.centre_)
            present, place = np.unique(codes[start:stop], return_inverse=True)
            sums[present] += class_sums(part, place)[0]
        return sums

    def _centre(self, X: Real[np.ndarray, "n d"]) -> Float32[np.ndarray, " d"] | None:
        """What vectors are moved by before classes are compared."""
        raise NotImplementedError

    def _class_vectors(
        self, means: Float64[np.ndarray, "c d"]
    ) -> tuple[Float32[np.ndarray, "c d"], Float32[np.ndarray, " c"] | None]:
        """Class vectors and their bias."""
        raise NotImplementedError


class SimpleShot(ClassMeans):
    """Nearest class mean in Euclidean distance, after unit length, centring and unit length again (CL2N).

    Wang et al. 2019, SimpleShot, https://arxiv.org/abs/1911.04623, section 3.2. The centre is the mean of the fitted
    pictures, as in BioCLIP's evaluation, not that of a base set. Predictions are those of
    `measures.simple_shot.simple_shot_labels`.

    >>> vectors = np.array([[1.0, 0.1], [1.0, 0.0], [0.1, 1.0], [0.0, 1.0]])
    >>> SimpleShot().fit(vectors, np.array([7, 7, 3, 3])).predict(np.array([[0.9, 0.2]]))
    array([7])
    """

    def __init__(self, scale: Any = 10.0) -> None:
        self.scale = scale

    def _centre(self, X: Real[np.ndarray, "n d"]) -> Float32[np.ndarray, " d"]:
        total = sum(
            unit_rows(X[start:stop]).sum(axis=0, dtype=np.float64) for start, stop in blocks(len(X), size=_ROWS)
        )
        return (np.asarray(total) / len(X)).astype(np.float32)

    def _class_vectors(
        self, means: Float64[np.ndarray, "c d"]
    ) -> tuple[Float32[np.ndarray, "c d"], Float32[np.ndarray, " c"]]:
        vectors, bias = class_vectors(means)
        return vectors.astype(np.float32), bias.astype(np.float32)


class Prototypes(ClassMeans):
    """Largest cosine with a class mean of unit vectors, nothing centred.

    Snell et al. 2017, Prototypical Networks, https://arxiv.org/abs/1703.05175, equation 1, with the cosine in the place of
    the Euclidean distance and means of vectors of unit length.

    >>> vectors = np.array([[1.0, 0.1], [1.0, 0.0], [0.1, 1.0], [0.0, 1.0]])
    >>> Prototypes().fit(vectors, np.array(["tit", "tit", "crow", "crow"])).predict(np.array([[0.9, 0.2]])).tolist()
    ['tit']
    """

    def __init__(self, scale: Any = 10.0) -> None:
        self.scale = scale

    def _centre(self, X: Real[np.ndarray, "n d"]) -> None:
        return None

    def _class_vectors(self, means: Float64[np.ndarray, "c d"]) -> tuple[Float32[np.ndarray, "c d"], None]:
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return (means / np.where(lengths > 0, lengths, 1.0)).astype(np.float32), None
