"""Few-shot: classes learnt from labelled pictures of a frozen encoder, and how honest their probabilities are.

`fit_classes` makes the classes by one of five methods; `fit_calibrated` holds pictures out to choose the scale of their
probabilities and to say how far an answer may be trusted. Reading stores and labels is `labelled`, files `classifier_file`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Real
from scipy.optimize import minimize_scalar

from cladescope.analysis.classify.back_off import BackOff, Traces, calibrated, joined, trace
from cladescope.analysis.classify.class_gallery import ClassGallery, probability_blocks
from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.classify.few_shot import ClassMeans, Prototypes, SimpleShot
from cladescope.analysis.classify.neighbour_vote import NeighbourVote
from cladescope.analysis.classify.shrinkage import kappa_of, shrunk_means
from cladescope.arrays import check_directions, normalise
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS, Taxon

METHODS = ("simpleshot", "prototypes", "logistic", "ridge", "knn")
SCALE = 10.0
"""Of probabilities that nothing calibrated."""
TEXT_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Of which the likeliest is taken where pictures shall choose how much texts count."""

_LEAST = 1e-6


def fit_classes(
    vectors: Real[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    labels: Sequence[str],
    *,
    method: str = "simpleshot",
    tree: ClassTree | None = None,
    kappa: float = 0.0,
    scale: float = SCALE,
    k: int = 5,
) -> ClassGallery | NeighbourVote:
    """Classes fitted to labelled vectors; `classes` are positions in `labels`, each with a picture.

    simpleshot: nearest mean of CL2N vectors (Wang et al. 2019). prototypes: nearest mean by cosine (Snell et al. 2017,
    https://arxiv.org/abs/1703.05175, frozen encoder). logistic, ridge: scikit-learn's, on unit vectors, their coefficients
    being the class vectors. knn: `NeighbourVote`. `kappa` lets means lean on the tree. Ties go to the first label.

    Raises InputError for one class only, an unknown method, kappa without a tree or means, or a vector without direction.

    >>> two = fit_classes(np.eye(2), np.array([0, 1]), ("tit", "crow"))
    >>> two.labels[two.probabilities(np.array([[0.9, 0.1]])).argmax()]
    'tit'
    """
    if method not in METHODS:
        raise InputError(f"unknown method {method!r}: expected one of {', '.join(METHODS)}")
    if len(labels) < 2:
        raise InputError(f"{len(labels)} class(es) with pictures: expected at least two to choose from")
    if kappa and (tree is None or method not in ("simpleshot", "prototypes")):
        raise InputError("shrinkage needs class means and taxa: use simpleshot or prototypes, and fit by rank")
    if method == "knn":
        unit = normalise(vectors).astype(np.float16)
        return NeighbourVote(unit, classes, tuple(labels), k=k, scale=scale, tree=tree)
    if method in ("logistic", "ridge"):
        return _regression(vectors, classes, labels, method=method, tree=tree, scale=scale)
    means = class_means(vectors, classes, labels, method=method)
    leaning = None if tree is None or not kappa else shrunk_means(tree, means.sums_, means.counts_, kappa=kappa)
    return replace(means.gallery(scale=scale, means=leaning), labels=tuple(labels), tree=tree)


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


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Fitted classes, and what the held-out pictures said of them."""

    classes: ClassGallery | NeighbourVote
    counts: Int[np.ndarray, " c"]
    kappa: float
    text_weight: float
    right: Bool[np.ndarray, " m"]
    """Whether each held-out picture was named correctly; empty where none was held out."""
    sure: Float32[np.ndarray, " m"]
    """Probability of its answer."""
    traces: Traces | None
    """Of the same pictures, by rank; None where labels are no taxa."""
    back_off: BackOff | None
    """None where labels are no taxa, or nothing was held out."""

    def by_rank(self) -> dict[str, tuple[Float64[np.ndarray, " _"], Bool[np.ndarray, " _"]]]:
        """For each rank that an answer can have, how probable it was and whether it was right; `label` for plain labels."""
        if self.traces is None:
            return {"label": (self.sure.astype(np.float64), self.right)} if len(self.right) else {}
        met = ~np.isnan(self.traces.chances)
        return {
            rank: (self.traces.chances[met[:, place], place], ~self.traces.wrong[met[:, place], place])
            for place, rank in enumerate(RANKS)
            if met[:, place].any()
        }


def fit_calibrated(
    vectors: Real[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    labels: Sequence[str],
    *,
    method: str = "simpleshot",
    tree: ClassTree | None = None,
    kappa: float | None = 0.0,
    texts: Float[np.ndarray, "c d"] | None = None,
    text_weight: float | None = None,
    share: float = 0.2,
    k: int = 5,
    seed: int = 0,
) -> Calibrated:
    """Fit on all but a held-out share, and choose the scale that makes held-out pictures likeliest.

    One scale for all classes: temperature scaling, Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 4.2. Where
    the classes are taxa, each held-out picture is asked twice for back-off: as it is, and as if its class were not there.
    The classifier stays that of the pictures not held out, so that what is said of it holds. `kappa` None: `chosen_kappa`;
    `text_weight` None with `texts`: the one of `TEXT_WEIGHTS` that makes held-out pictures likeliest.

    Raises InputError as `fit_classes` does, for a share outside [0, 1), and for texts where classes are no means.
    """
    if texts is not None and method not in ("simpleshot", "prototypes"):
        raise InputError(f"texts can be mixed with class means, not with {method}: use simpleshot or prototypes")
    held = held_out(classes, share=share, seed=seed)
    given = ~held
    if kappa is None:
        kappa = 0.0 if tree is None else chosen_kappa(vectors[given], classes[given], tree, method=method)
    fitted = fit_classes(vectors[given], classes[given], labels, method=method, tree=tree, kappa=kappa, k=k)
    counts = np.bincount(classes[given], minlength=len(labels))
    tested, truth = vectors[held], classes[held]
    weight = text_weight or 0.0
    if texts is not None:
        if text_weight is None and not held.any():
            raise InputError("no picture is held out to choose the weight of texts: give the weight, or more pictures")
        assert isinstance(fitted, ClassGallery)
        fitted, weight = _mixed(fitted, texts, TEXT_WEIGHTS if text_weight is None else (weight,), tested, truth)
    if not held.any():
        return Calibrated(fitted, counts, kappa, weight, np.empty(0, bool), np.empty(0, np.float32), None, None)
    fitted = replace(fitted, scale=best_scale(fitted, tested, truth))
    right, sure = np.empty(len(truth), bool), np.empty(len(truth), np.float32)
    traces: list[Traces] = []

    def asked() -> Iterator[tuple[Float32[np.ndarray, "b c"], list[Taxon]]]:
        for start, stop, found in probability_blocks(fitted, tested):
            right[start:stop] = found.argmax(axis=1) == truth[start:stop]
            sure[start:stop] = found.max(axis=1)
            taxa = [] if tree is None else [tree.class_taxon(row) for row in truth[start:stop]]
            if tree is not None:
                traces.append(trace(tree, found, taxa))
            yield found, taxa

    if tree is not None:
        back_off = calibrated(tree, asked(), seed=seed)
        return Calibrated(fitted, counts, kappa, weight, right, sure, joined(traces), back_off)
    for _ in asked():
        pass
    return Calibrated(fitted, counts, kappa, weight, right, sure, None, None)


def _mixed(
    fitted: ClassGallery,
    texts: Float[np.ndarray, "c d"],
    weights: Sequence[float],
    vectors: Real[np.ndarray, "m d"],
    classes: Int[np.ndarray, " m"],
) -> tuple[ClassGallery, float]:
    """The classes with texts at the weight under which the pictures are likeliest, each weight at its best scale."""
    options = [with_texts(fitted, texts, weight) for weight in weights]
    if len(options) == 1:
        return options[0], weights[0]
    losses = [mean_surprise(replace(one, scale=best_scale(one, vectors, classes)), vectors, classes) for one in options]
    chosen = int(np.argmin(losses))
    return options[chosen], weights[chosen]


def held_out(classes: Int[np.ndarray, " n"], *, share: float, seed: int = 0) -> np.ndarray:
    """Which pictures are held out: a share of each class, drawn at random, and never the last one.

    >>> held_out(np.array([0, 0, 0, 0, 1]), share=0.5).sum()
    np.int64(2)
    """
    if not 0 <= share < 1:
        raise InputError(f"the share held out is {share}: expected 0 or more and below 1")
    order = np.random.default_rng(seed).permutation(len(classes))
    place = _place_in_class(classes[order])
    size = np.bincount(classes)[classes[order]]
    # Stochastic rounding would hold more of small classes; half up keeps it the same for each seed.
    held = np.zeros(len(classes), bool)
    held[order] = place < np.minimum(np.floor(share * size + 0.5), size - 1)
    return held


def drawn(classes: Int[np.ndarray, " n"], *, shots: int, seed: int = 0) -> np.ndarray:
    """Which pictures are given: at most so many of each class, drawn at random.

    >>> drawn(np.array([0, 0, 0, 1]), shots=2).sum()
    np.int64(3)
    """
    order = np.random.default_rng(seed).permutation(len(classes))
    chosen = np.zeros(len(classes), bool)
    chosen[order] = _place_in_class(classes[order]) < shots
    return chosen


def best_scale(
    fitted: ClassGallery | NeighbourVote, vectors: Real[np.ndarray, "m d"], classes: Int[np.ndarray, " m"]
) -> float:
    """The scale under which the true classes are likeliest (least mean -log p), between 0.01 and 10,000.

    Pictures are asked once a trial, about 20 times. A class that no neighbour votes for counts as a millionth.
    """

    def loss(exponent: float) -> float:
        return mean_surprise(replace(fitted, scale=float(10**exponent)), vectors, classes)

    found = minimize_scalar(loss, bounds=(-2.0, 4.0), method="bounded", options={"xatol": 0.01})
    return float(10**found.x)


def mean_surprise(
    fitted: ClassGallery | NeighbourVote, vectors: Real[np.ndarray, "m d"], classes: Int[np.ndarray, " m"]
) -> float:
    """Mean -log p of the true classes, in nats: the log loss. A probability below a millionth counts as that."""
    parts = [
        -np.log(np.maximum(found[np.arange(stop - start), classes[start:stop]], _LEAST)).sum(dtype=np.float64)
        for start, stop, found in probability_blocks(fitted, vectors)
    ]
    return float(sum(parts) / len(vectors))


def _regression(
    vectors: Real[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    labels: Sequence[str],
    *,
    method: str,
    tree: ClassTree | None,
    scale: float,
) -> ClassGallery:
    from sklearn.linear_model import LogisticRegression, RidgeClassifier

    model = LogisticRegression(C=10.0, max_iter=1000) if method == "logistic" else RidgeClassifier(alpha=1.0)
    model.fit(normalise(vectors), classes)
    weights, bias = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    if len(weights) == 1:  # of two classes scikit-learn keeps the difference
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return ClassGallery(weights.astype(np.float32), tuple(labels), scale, tree=tree, bias=bias.astype(np.float32))


def _place_in_class(classes: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """How many of the same class come before each."""
    order = np.argsort(classes, kind="stable")
    sizes = np.bincount(classes)
    place = np.empty(len(classes), np.int64)
    place[order] = np.arange(len(classes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place
