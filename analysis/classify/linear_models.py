"""Linear classifiers of scikit-learn as class vectors: each class's coefficients are its vector."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, Real

from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.arrays import normalise


def logistic() -> Any:
    """Logistic regression with the weak regularisation that unit vectors ask for."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, max_iter=1000)


def ridge() -> Any:
    """Ridge regression on the classes as -1 and 1."""
    from sklearn.linear_model import RidgeClassifier

    return RidgeClassifier(alpha=1.0)


LINEAR_MODELS: Mapping[str, Callable[[], Any]] = {"logistic": logistic, "ridge": ridge}
"""By method: a function that makes an unfitted model with `fit`, `coef_` and `intercept_`."""


def fit_linear(
    vectors: Real[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    labels: Sequence[str],
    *,
    model: Any,
    tree: ClassTree | None,
    scale: float,
) -> ClassGallery:
    """Class vectors of an unfitted model of scikit-learn, fitted to vectors of unit length.

    >>> fit_linear(np.eye(2), np.array([0, 1]), ("tit", "crow"), model=ridge(), tree=None, scale=1.0).vectors.shape
    (2, 2)
    """
    model.fit(normalise(vectors), classes)
    weights, bias = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    if len(weights) == 1:  # of two classes scikit-learn keeps the difference
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return ClassGallery(weights.astype(np.float32), tuple(labels), scale, tree=tree, bias=bias.astype(np.float32))
