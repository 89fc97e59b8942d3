"""Linear classifiers of scikit-learn over unit vectors, as estimators and as class vectors: each class's coefficients are its vector."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, Real
from sklearn.utils.validation import check_is_fitted

from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.gallery_estimator import GalleryEstimator, unit_rows
from cladescope.analysis.classify.settings import (
    AUTO,
    Setting,
    can_be_asked,
    choosing_rows,
    class_folds,
    given_setting,
)
from cladescope.arrays import normalise

ALPHAS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
"""Strengths of ridge regression that are tried; of equally good ones the strongest."""
ALPHA = 1.0
"""Where no picture can choose."""
CS = (1.0, 10.0, 100.0, 1000.0)
"""Inverse strengths of logistic regression that are tried; unit vectors ask for weak ones."""
C_USUAL = 10.0
"""Where it is neither given nor chosen."""
MOST_BY_FOLDS = 2_000
"""Pictures that choose C, at most: logistic regression is slow."""
N_FOLDS = 3
_ITERATIONS = 1000


class LinearOnUnitVectors(GalleryEstimator):
    """What both regressions share. Use one of these."""

    setting_: Setting
    coef_: np.ndarray
    intercept_: np.ndarray

    def fit(self, X: Any, y: Any, groups: Any = None) -> "LinearOnUnitVectors":
        """Learn classes from vectors of shape (n, d) and n labels; of pictures with equal numbers in `groups`, that are kin, one chooses.

        Raises ValueError (as scikit-learn does) for input that is not finite or labels that are no classes, InputError for one class only
        and for a setting that is none.
        """
        X, codes = self._taken(X, y)
        unit = unit_rows(X)
        self.setting_ = self.chosen(unit, codes, groups)
        model = self._model(self.setting_.value).fit(unit, codes)
        self.coef_, self.intercept_ = model.coef_, model.intercept_
        return self

    def gallery(self, *, scale: float = 1.0) -> ClassGallery:
        """Class vectors: the coefficients of each class; of two classes, of which scikit-learn keeps the difference, half of it each."""
        check_is_fitted(self)
        vectors, bias = class_weights(self)
        return ClassGallery(vectors, tuple(map(str, self.classes_)), scale, bias=bias)

    def chosen(self, unit: Real[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], kin: Any = None) -> Setting:
        """The setting that is given, or that pictures choose. Raises InputError for one that is none."""
        raise NotImplementedError

    def _model(self, value: float) -> Any:
        raise NotImplementedError


class LogisticOnUnitVectors(LinearOnUnitVectors):
    """scikit-learn's logistic regression on vectors of unit length; `C="auto"` is the one of `CS` with the least log loss.

    `N_FOLDS` folds by class, of at most `MOST_BY_FOLDS` pictures, choose it (scikit-learn's `LogisticRegressionCV`). `class_weight` is scikit-learn's.

    >>> vectors = np.array([[1.0, 0.1], [1.0, 0.0], [0.1, 1.0], [0.0, 1.0]])
    >>> LogisticOnUnitVectors(C=10.0).fit(vectors, np.array([7, 7, 3, 3])).predict(np.array([[0.9, 0.2]]))
    array([7])
    """

    def __init__(self, C: Any = C_USUAL, class_weight: Any = None, scale: Any = 1.0, random_state: Any = 0) -> None:
        self.C, self.class_weight, self.scale, self.random_state = C, class_weight, scale, random_state

    def chosen(self, unit: Real[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], kin: Any = None) -> Setting:
        """C as it is given, or the likeliest."""
        if (value := given_setting("C", self.C)) is not None:
            return Setting("C", value)
        from sklearn.linear_model import LogisticRegressionCV

        seed = 0 if self.random_state is None else int(self.random_state)
        rows = choosing_rows(classes, kin, most=MOST_BY_FOLDS, seed=seed)
        there, own = np.unique(classes[rows], return_inverse=True)
        folds = class_folds(own, N_FOLDS, seed=seed) if len(there) > 1 else []
        if not folds:
            return Setting("C", C_USUAL, CS)
        model = LogisticRegressionCV(
            Cs=CS, cv=folds, scoring="neg_log_loss", class_weight=self.class_weight, max_iter=_ITERATIONS, refit=False,
            l1_ratios=(0.0,), use_legacy_attributes=False, tol=1e-3,
        ).fit(unit[rows], own)  # fmt: skip
        scores = np.asarray(model.scores_).reshape(len(folds), len(CS))
        sizes = np.array([len(asked) for _, asked in folds])
        return Setting("C", CS[int(np.argmax(sizes @ scores))], CS, int(sizes.sum()))

    def _model(self, value: float) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=value, max_iter=_ITERATIONS, class_weight=self.class_weight)


class RidgeOnUnitVectors(LinearOnUnitVectors):
    """scikit-learn's ridge regression on the classes as -1 and 1, of vectors of unit length; `alpha="auto"` is the one of `ALPHAS` that names most.

    Each of at most `MOST_CHOOSING` pictures is asked about all the others (scikit-learn's `RidgeClassifierCV`). `class_weight` is scikit-learn's.

    >>> vectors = np.array([[1.0, 0.1], [1.0, 0.0], [0.1, 1.0], [0.0, 1.0]])
    >>> RidgeOnUnitVectors().fit(vectors, np.array([7, 7, 3, 3])).setting_.value
    3.0
    """

    def __init__(self, alpha: Any = AUTO, class_weight: Any = None, scale: Any = 10.0, random_state: Any = 0) -> None:
        self.alpha, self.class_weight, self.scale, self.random_state = alpha, class_weight, scale, random_state

    def chosen(self, unit: Real[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], kin: Any = None) -> Setting:
        """Alpha as it is given, or the one that names most."""
        if (value := given_setting("alpha", self.alpha)) is not None:
            return Setting("alpha", value)
        from sklearn.linear_model import RidgeClassifierCV

        seed = 0 if self.random_state is None else int(self.random_state)
        rows = choosing_rows(classes, kin, seed=seed)
        asked = int(can_be_asked(classes[rows]).sum())
        if not asked or len(np.unique(classes[rows])) < 2:
            return Setting("alpha", ALPHA, ALPHAS)
        two = len(np.unique(classes[rows])) == 2
        model = RidgeClassifierCV(
            alphas=ALPHAS, scoring="accuracy", store_cv_results=two, class_weight=self.class_weight
        ).fit(unit[rows], classes[rows])
        if two:
            # Of two classes scikit-learn 1.9 takes one column for all there are, and every alpha for right: what it foretold is kept and held to the truth.
            is_second = classes[rows] == model.classes_[1]
            right = (model.cv_results_.reshape(len(rows), len(ALPHAS)) > 0) == is_second[:, None]
            return Setting("alpha", ALPHAS[int(right.sum(axis=0).argmax())], ALPHAS, asked)
        return Setting("alpha", float(model.alpha_), ALPHAS, asked)

    def _model(self, value: float) -> Any:
        from sklearn.linear_model import RidgeClassifier

        return RidgeClassifier(alpha=value, class_weight=self.class_weight)


LINEAR_MODELS: Mapping[str, Callable[..., Any]] = {"logistic": LogisticOnUnitVectors, "ridge": RidgeOnUnitVectors}
"""By method: a function that makes an unfitted model with `fit`, `coef_` and `intercept_`."""


def class_weights(model: Any) -> tuple[Float32[np.ndarray, "c d"], Float32[np.ndarray, " c"]]:
    """Weights and bias of each class of a fitted linear model of scikit-learn."""
    weights, bias = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    if len(weights) == 1:  # of two classes scikit-learn keeps the difference
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return weights.astype(np.float32), bias.astype(np.float32)


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

    >>> model = RidgeOnUnitVectors(alpha=1.0)
    >>> fit_linear(np.eye(2), np.array([0, 1]), ("tit", "crow"), model=model, tree=None, scale=1.0).vectors.shape
    (2, 2)
    """
    weights, bias = class_weights(model.fit(normalise(vectors), classes))
    return ClassGallery(weights, tuple(labels), scale, tree=tree, bias=bias)
