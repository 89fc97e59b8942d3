"""Few-shot: classes learnt from labelled pictures of a frozen encoder, by one of five methods.

How honest their probabilities are is found out in `calibrate`; reading labels is `labelled`, files `classifier_file`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Real

from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.few_shot import ClassMeans, Prototypes, SimpleShot
from cladescope.analysis.classify.linear_models import ALPHA, C_USUAL, LINEAR_MODELS, fit_linear
from cladescope.analysis.classify.neighbour_vote import NeighbourVote
from cladescope.analysis.classify.neighbours import CosineNeighbours, K
from cladescope.analysis.classify.settings import Setting
from cladescope.analysis.classify.shrinkage import kappa_of, shrunk_means
from cladescope.arrays import check_directions, normalise
from cladescope.errors import InputError

SETTINGS = {"logistic": "C", "ridge": "alpha", "knn": "k"}
"""The number that each of these methods has, which pictures may choose (`chosen_setting`)."""
METHODS = ("simpleshot", "prototypes", *LINEAR_MODELS, "knn")
Fit = Callable[..., ClassGallery | NeighbourVote]
"""`fit_classes`, or that with settings of its own; it is given vectors, classes, labels and the tree."""
SCALE = 10.0
"""Of probabilities that nothing calibrated, where the method has none of its own."""


def fit_classes(
    vectors: Real[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    labels: Sequence[str],
    *,
    method: str = "simpleshot",
    tree: ClassTree | None = None,
    kappa: float = 0.0,
    scale: float | None = None,
    k: int = K,
    C: float = C_USUAL,
    alpha: float = ALPHA,
) -> ClassGallery | NeighbourVote:
    """Classes fitted to labelled vectors; `classes` are positions in `labels`, each with a picture.

    simpleshot: nearest mean of CL2N vectors (Wang et al. 2019). prototypes: nearest mean by cosine (Snell et al. 2017,
    https://arxiv.org/abs/1703.05175, frozen encoder). logistic, ridge: scikit-learn's, on unit vectors, their coefficients
    being the class vectors, with `C` and `alpha`. knn: `NeighbourVote` of `k`. `kappa` lets means lean on the tree. Ties go to the first label. Without a
    `scale` that of logistic regression is 1, as it was fitted, and that of the others `SCALE`.

    Raises InputError for one class only, an unknown method, kappa without a tree or means, or a vector without direction.

    >>> two = fit_classes(np.eye(2), np.array([0, 1]), ("tit", "crow"))
    >>> two.labels[two.probabilities(np.array([[0.9, 0.1]])).argmax()]
    'tit'
    """
    if method not in METHODS:
        raise InputError(f"unknown method {method!r}: expected one of {', '.join(METHODS)}")
    scale = (1.0 if method == "logistic" else SCALE) if scale is None else scale
    if len(labels) < 2:
        raise InputError(f"{len(labels)} class(es) with pictures: expected at least two to choose from")
    if kappa and (tree is None or method not in ("simpleshot", "prototypes")):
        raise InputError("shrinkage needs class means and taxa: use simpleshot or prototypes, and fit by rank")
    if method == "knn":
        unit = normalise(vectors).astype(np.float16)
        return NeighbourVote(unit, classes, tuple(labels), k=k, scale=scale, tree=tree)
    if method in LINEAR_MODELS:
        settings = {"C": C} if method == "logistic" else {"alpha": alpha} if method == "ridge" else {}
        model = LINEAR_MODELS[method](**settings)
        return fit_linear(vectors, classes, labels, model=model, tree=tree, scale=scale)
    means = class_means(vectors, classes, labels, method=method)
    leaning = None if tree is None or not kappa else shrunk_means(tree, means.sums_, means.counts_, kappa=kappa)
    return replace(means.gallery(scale=scale, means=leaning), labels=tuple(labels), tree=tree)


def chosen_setting(
    vectors: Real[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    *,
    method: str,
    value: int | float | str,
    kin: Int[np.ndarray, " n"] | None = None,
    seed: int = 0,
) -> Setting:
    """The number of `SETTINGS` of a method as it is given or, for "auto", as these pictures choose it; of those with one number in `kin` one does.

    Raises InputError for a number that is none.

    >>> rng, classes = np.random.default_rng(0), np.arange(60) % 2
    >>> vectors = np.eye(8)[classes] + rng.normal(scale=0.3, size=(60, 8))
    >>> print(chosen_setting(vectors, classes, method="knn", value="auto"))
    5, chosen of 1 to 50 by 60 pictures
    """
    name = SETTINGS[method]
    if method == "knn":
        chooser: Any = CosineNeighbours(value, random_state=seed)
    else:
        chooser = LINEAR_MODELS[method](**{name: value}, random_state=seed)
    found: Setting = chooser.chosen(normalise(vectors).astype(np.float32, copy=False), classes, kin)
    return found


def fit_present(
    fit: Fit,
    vectors: Real[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    labels: Sequence[str],
    tree: ClassTree | None,
) -> ClassGallery | NeighbourVote:
    """What `fit_classes` makes, with its settings in `fit`, where some of the labels may have no picture: no probability ever goes to these.

    >>> found = fit_present(fit_classes, np.eye(2), np.array([0, 2]), ("tit", "owl", "crow"), None)
    >>> found.probabilities(np.eye(2))[:, 1]
    array([0., 0.], dtype=float32)
    """
    there, place = np.unique(classes, return_inverse=True)
    if len(there) == len(labels):
        return fit(vectors, classes, labels, tree=tree)
    some = None if tree is None else ClassTree.from_taxa([tree.class_taxon(row) for row in there])
    fitted = fit(vectors, place, [labels[row] for row in there], tree=some)
    if isinstance(fitted, NeighbourVote):
        return replace(fitted, classes=there[fitted.classes], labels=tuple(labels), tree=tree)
    wide = np.zeros((len(labels), fitted.vectors.shape[1]), np.float32)
    bias = np.full(len(labels), -np.inf, np.float32)
    wide[there], bias[there] = fitted.vectors, 0.0 if fitted.bias is None else fitted.bias
    return replace(fitted, vectors=wide, bias=bias, labels=tuple(labels), tree=tree)


def class_means(
    vectors: Real[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], labels: Sequence[str], *, method: str
) -> ClassMeans:
    """The estimator of `few_shot` for simpleshot or prototypes, fitted; class r of it is `labels[r]`.

    Raises InputError for a label without pictures and, unlike the estimator, for a vector without direction.
    """
    counts = np.bincount(classes, minlength=len(labels))
    if len(counts) > len(labels):
        raise InputError(f"class numbers reach {classes.max()}, expected 0 to {len(labels) - 1}")
    if (counts == 0).any():
        raise InputError(f"class {labels[int(counts.argmin())]!r} has no picture: leave it out, or add some")
    check_directions(vectors)
    return (SimpleShot() if method == "simpleshot" else Prototypes()).fit(vectors, classes)


def chosen_kappa(
    vectors: Real[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], tree: ClassTree, *, method: str = "simpleshot"
) -> float:
    """Pseudo-pictures that empirical Bayes finds for means of these pictures; see `shrinkage.kappa_of`."""
    means = class_means(vectors, classes, tuple(map(str, range(tree.n_classes))), method=method)
    return kappa_of(tree, means.sums_, means.counts_)


def with_texts(gallery: ClassGallery, texts: Float[np.ndarray, "c d"], weight: float) -> ClassGallery:
    """Classes told by pictures and by texts: `weight` times each class's text is added to its class vector.

    Zero-shot and few-shot mixed, as the sum of both logits (Zhang et al. 2022, Tip-Adapter, https://arxiv.org/abs/2207.09519,
    eq. 6, with class means in place of cached pictures). The mean text is taken off first: what all texts share says
    nothing of a class.

    >>> gallery = ClassGallery(np.eye(2, dtype=np.float32), ("tit", "crow"), 1.0)
    >>> with_texts(gallery, np.array([[1.0, 0.0], [0.0, 1.0]]), 2.0).vectors
    array([[ 2., -1.],
           [-1.,  2.]], dtype=float32)
    """
    told = normalise(texts).astype(np.float32)
    return replace(gallery, vectors=gallery.vectors + np.float32(weight) * (told - told.mean(axis=0)))
