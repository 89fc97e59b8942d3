"""How good vectors and predictions are: arrays in, numbers out.

Few-shot and nearest-neighbour measures of frozen vectors, accuracies of scores and predictions, and intervals for them.
No model, store or index is needed (nor imported), and no table of all pairs is ever made: products go block by block,
each at most `BLOCK_BYTES`. Labels may be any integers. Higher is better.
"""

import random

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Real

from cladescope.arrays import blocks, normalise
from cladescope.errors import InputError

BLOCK_BYTES = 1 << 26
"""Most bytes of one block of products."""

_GALLERY_ROWS = 1 << 14
_FEW_VALUES = 64


def simple_shot(
    vectors: Real[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], *, k: int, folds: int = 5, seed: int = 0
) -> Float[np.ndarray, " folds"]:
    """Accuracy of SimpleShot in each fold: k images a class are given, all others are named by the nearest class mean.

    Vectors are brought to unit length, centred on the mean of the given images and brought to unit length again (CL2N);
    class means are not, and the nearest is Euclidean. Fold f shuffles each class, in the order of first appearance, with
    Python's `random.Random(seed + f)`, so that seed 0 draws the images that BioCLIP 2's evaluation draws. A class of k
    images or fewer gives all of them and is never asked for, but may be answered. Of equally near classes the one that
    appears first is taken. Report the mean, and the population's standard deviation, over folds.

    Memory: 12 n d bytes (float64: twice), and a block of test images against class means.

    Wang et al. 2019, SimpleShot, https://arxiv.org/abs/1911.04623; as in Gu et al. 2025, BioCLIP 2,
    https://arxiv.org/abs/2505.23883.

    Raises InputError if no class has more than k images, or for a vector without direction.

    >>> vectors = np.array([[1.0, 0.1], [1.0, 0.0], [0.1, 1.0], [0.0, 1.0]])
    >>> simple_shot(vectors, np.array([7, 7, 3, 3]), k=1, folds=2)
    array([1., 1.])
    """
    if k < 1 or folds < 1:
        raise InputError(f"k is {k} and folds {folds}: both must be at least 1")
    unit = normalise(vectors)
    classes = in_order_of_appearance(labels)
    members = [rows.tolist() for rows in _rows_by_class(classes)]
    largest = max(map(len, members), default=0)
    if largest <= k:
        raise InputError(f"no class has more than {k} images (the largest has {largest}): nothing is left to test")
    accuracies = []
    for fold in range(folds):
        generator = random.Random(seed + fold)  # the reference's generator, for its draws
        given: list[int] = []
        tested: list[int] = []
        for rows in members:
            shuffled = rows.copy()
            generator.shuffle(shuffled)
            given += shuffled[:k]
            tested += shuffled[k:]
        support, test = np.array(given), np.array(tested)
        predicted = nearest_mean(unit[support], classes[support], unit, test)
        accuracies.append((predicted == classes[test]).mean())
    return np.array(accuracies)


def centroid_accuracy(
    train_vectors: Real[np.ndarray, "n d"],
    train_labels: Int[np.ndarray, " n"],
    test_vectors: Real[np.ndarray, "m d"],
    test_labels: Int[np.ndarray, " m"],
) -> float:
    """Share of test images whose nearest class mean is their own class's: SimpleShot with all training images given.

    Vectors are treated as in `simple_shot` (CL2N, means not brought to unit length, Euclidean), ties too. A test image of
    a class without training images counts as wrong. Memory: 12 (n + m) d bytes, and a block.

    Raises InputError if either set is empty or they share no class.

    >>> train, test = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.9, 0.1], [1.0, 0.2]])
    >>> centroid_accuracy(train, np.array([3, 7]), test, np.array([3, 7]))
    0.5
    """
    if not np.isin(test_labels, train_labels).any():
        raise InputError(
            f"{len(test_labels)} test images and {len(train_labels)} training images share no class: "
            "number the classes of both together"
        )
    classes = in_order_of_appearance(train_labels)
    names = np.empty(classes.max() + 1, train_labels.dtype)
    names[classes] = train_labels
    predicted = nearest_mean(normalise(train_vectors), classes, normalise(test_vectors), np.arange(len(test_labels)))
    return float((names[predicted] == test_labels).mean())


def nearest_agreement(
    vectors: Real[np.ndarray, "n d"], codes: Int[np.ndarray, "n ranks"]
) -> Float[np.ndarray, " ranks"]:
    """For each rank, the share of images whose nearest other image (by cosine) is of the same taxon.

    `codes` number the taxon of an image at each rank, -1 where it has none. An image without the rank does not count
    there; a neighbour without it is of another taxon. NaN for a rank that no image has. Of equally near images the one
    in the smaller row is taken, so duplicates find each other. Memory: 12 n d bytes and a block.

    Raises InputError for fewer than two images or a vector without direction.

    >>> vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    >>> nearest_agreement(vectors, np.array([[4, 0, -1], [4, 0, -1], [4, 1, -1]]))
    array([1. , 0.66666667,        nan])
    """
    if len(vectors) < 2:
        raise InputError(f"{len(vectors)} image(s): at least two are needed for one to have a nearest other")
    unit = normalise(vectors)
    return agreement(codes, codes[_nearest(unit, unit, itself=True)])


def nearest_agreement_between(
    queries: Real[np.ndarray, "q d"],
    query_codes: Int[np.ndarray, "q ranks"],
    gallery: Real[np.ndarray, "n d"],
    gallery_codes: Int[np.ndarray, "n ranks"],
) -> Float[np.ndarray, " ranks"]:
    """For each rank, the share of queries whose nearest image of a gallery is of the same taxon: see `nearest_agreement`.

    Raises InputError for an empty gallery or no query.

    >>> gallery = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> nearest_agreement_between(np.array([[0.9, 0.1]]), np.array([[5]]), gallery, np.array([[5], [6]]))
    array([1.])
    """
    if not len(queries) or not len(gallery):
        raise InputError(f"{len(queries)} queries and a gallery of {len(gallery)}: neither may be empty")
    return agreement(query_codes, gallery_codes[_nearest(normalise(queries), normalise(gallery))])


def agreement(
    codes: Int[np.ndarray, "n ranks"], other_codes: Int[np.ndarray, "n ranks"]
) -> Float[np.ndarray, " ranks"]:
    """For each rank, the share of rows that have it (code not -1) whose other code is the same; NaN where none has it.

    >>> agreement(np.array([[1, 2], [1, -1]]), np.array([[1, 3], [0, -1]]))
    array([0.5, 0. ])
    """
    known = codes >= 0
    n_known = known.sum(axis=0)
    n_same = (known & (codes == other_codes)).sum(axis=0)
    shares: Float[np.ndarray, " ranks"] = np.where(n_known > 0, n_same / np.maximum(n_known, 1), np.nan)
    return shares


def top_k_accuracy(scores: Real[np.ndarray, "n c"], labels: Int[np.ndarray, " n"], k: int) -> float:
    """Share of images whose class is among the k with the highest scores; labels are columns of `scores`.

    Of equal scores the smaller column comes first, as with argmax, so that a model which scores all classes alike gains
    nothing by it. With k of at least c every image counts. Memory: 4 n c bytes.

    Raises InputError for no image, a label that is no column, or scores that are not numbers.

    >>> scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])
    >>> top_k_accuracy(scores, np.array([2, 0]), 1), top_k_accuracy(scores, np.array([2, 0]), 2)
    (0.5, 1.0)
    """
    if k < 1:
        raise InputError(f"k is {k}: it must be at least 1")
    n, c = scores.shape
    if not n:
        raise InputError("no scores: there is nothing to measure")
    if labels.min() < 0 or labels.max() >= c:
        raise InputError(
            f"labels go from {labels.min()} to {labels.max()}, expected columns of the scores: 0 to {c - 1}"
        )
    if np.isnan(scores).any():
        raise InputError(f"scores of {np.isnan(scores).any(axis=1).sum()} of {n} images are NaN")
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    before = (scores > own) | ((scores == own) & (np.arange(c) < labels[:, None]))
    return float((before.sum(axis=1) < k).mean())


def macro_accuracy(predictions: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> float:
    """Accuracy within each class of `labels`, averaged over classes, so that rare species count as much as common ones.

    Raises InputError for no image.

    >>> macro_accuracy(np.array([3, 3, 3, 3]), np.array([3, 3, 3, 7]))
    0.5
    """
    if not len(labels):
        raise InputError("no predictions: there is nothing to measure")
    _, classes = np.unique(labels, return_inverse=True)
    right = np.bincount(classes, weights=predictions == labels)
    return float((right / np.bincount(classes)).mean())


def accuracy_by_frequency(
    predictions: Int[np.ndarray, " n"],
    labels: Int[np.ndarray, " n"],
    train_labels: Int[np.ndarray, " m"],
    *,
    many: int = 100,
    few: int = 20,
) -> dict[str, float]:
    """Macro accuracy over classes with more than `many` training images (head), fewer than `few` (tail), and between.

    A class without training images belongs to the tail. NaN for a part that no image belongs to. Liu et al. 2019, Open
    Long-Tailed Recognition, https://arxiv.org/abs/1904.05160, section 4.

    Raises InputError for no image, or `few` above `many`.

    >>> accuracy_by_frequency(np.array([1, 1, 2]), np.array([1, 2, 2]), np.repeat([1, 2], [101, 3]))
    {'head': 1.0, 'middle': nan, 'tail': 0.5}
    """
    if few > many or not len(labels):
        raise InputError(f"few is {few}, many is {many} and {len(labels)} images: expected few <= many, and an image")
    names, trained = np.unique(train_labels, return_counts=True)
    size = np.zeros(len(labels), np.int64)
    if len(names):
        place = np.minimum(np.searchsorted(names, labels), len(names) - 1)
        size = np.where(names[place] == labels, trained[place], 0)
    parts = {"head": size > many, "middle": (size >= few) & (size <= many), "tail": size < few}
    return {
        name: macro_accuracy(predictions[part], labels[part]) if part.any() else float("nan")
        for name, part in parts.items()
    }


def bootstrap_interval(
    values: Num[np.ndarray, " n"] | Bool[np.ndarray, " n"],
    *,
    groups: Int[np.ndarray, " n"] | None = None,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Lower and upper end of the percentile bootstrap interval of the mean of `values`, such as right (1) or wrong (0).

    Images are resampled as if independent. Where several are of one individual, observation or species, name it in
    `groups`: whole groups are then resampled (cluster bootstrap; Cameron et al. 2008,
    https://doi.org/10.1162/rest.90.3.414, section II), and the interval is wider. Memory: 8 bytes a value (or group) and resample
    of a block. Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.

    Raises InputError for no value, values that are not finite, or a level outside (0, 1).

    >>> low, high = bootstrap_interval(np.array([1.0] * 80 + [0.0] * 20))
    >>> round(low, 2), round(high, 2)
    (0.72, 0.88)
    """
    if not 0 < level < 1 or n_resamples < 1:
        raise InputError(f"level is {level} and n_resamples {n_resamples}, expected a share in (0, 1) and at least 1")
    if not len(values) or not np.isfinite(values).all():
        raise InputError(f"{len(values)} values: expected at least one, all of them finite")
    rng = np.random.default_rng(seed)
    if groups is not None:
        _, of = np.unique(groups, return_inverse=True)
        sums, sizes = np.bincount(of, weights=values.astype(np.float64)), np.bincount(of).astype(np.float64)
        spans = blocks(n_resamples, size=max(1, BLOCK_BYTES // (16 * len(sizes))))
        found = [_resampled_ratios(sums, sizes, stop - start, rng) for start, stop in spans]
        low, high = np.quantile(np.concatenate(found), [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)
    n = len(values)
    distinct, counts = np.unique(values.astype(np.float64), return_counts=True)
    if len(distinct) <= _FEW_VALUES:  # how often each value is drawn is multinomial: no need to draw images
        means = rng.multinomial(n, counts / n, size=n_resamples) @ distinct / n
    else:
        spans = blocks(n_resamples, size=max(1, BLOCK_BYTES // (8 * n)))
        means = np.concatenate([_resampled_means(values, stop - start, rng) for start, stop in spans])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_difference(
    a: Num[np.ndarray, " n"] | Bool[np.ndarray, " n"],
    b: Num[np.ndarray, " n"] | Bool[np.ndarray, " n"],
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of the mean of a - b, resampling images: two encoders on the same test images differ if it leaves out 0.

    Narrower than two intervals side by side, since what is hard for one is mostly hard for the other.

    Raises InputError as `bootstrap_interval` does.

    >>> low, high = paired_difference(np.array([1, 1, 1, 0] * 50), np.array([1, 1, 0, 0] * 50))
    >>> 0.18 < low < 0.25 < high < 0.32
    True
    """
    difference = a.astype(np.float64) - b.astype(np.float64)
    return bootstrap_interval(difference, level=level, n_resamples=n_resamples, seed=seed)


def _resampled_ratios(
    sums: Float[np.ndarray, " g"], sizes: Float[np.ndarray, " g"], times: int, rng: np.random.Generator
) -> Float[np.ndarray, " times"]:
    """Means of `times` resamples of whole groups."""
    drawn = rng.integers(len(sums), size=(times, len(sums)))
    means: Float[np.ndarray, " times"] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return means


def _resampled_means(
    values: Num[np.ndarray, " n"], times: int, rng: np.random.Generator
) -> Float[np.ndarray, " times"]:
    """Means of `times` resamples of the values."""
    means: Float[np.ndarray, " times"] = values[rng.integers(len(values), size=(times, len(values)))].mean(axis=1)
    return means


def in_order_of_appearance(labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Labels numbered 0, 1, ... as they first appear.

    >>> in_order_of_appearance(np.array([7, 7, 3, 7]))
    array([0, 0, 1, 0])
    """
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[inverse]


def _rows_by_class(classes: Int[np.ndarray, " n"]) -> list[Int[np.ndarray, " _"]]:
    """Rows of each class 0, 1, ..., every class having at least one."""
    order = np.argsort(classes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(classes))[:-1]) if len(classes) else []


def nearest_mean(
    support: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    vectors: Float[np.ndarray, "m d"],
    rows: Int[np.ndarray, " t"],
) -> Int[np.ndarray, " t"]:
    """Class (0, 1, ...) whose mean is nearest to each row of `vectors`, all centred on the mean of the support (CL2N).

    A vector that equals the mean has no direction left and stays zero.
    """
    centre = support.mean(axis=0, dtype=np.float64).astype(support.dtype)

    def centred(part: Float[np.ndarray, "b d"]) -> Float[np.ndarray, "b d"]:
        moved: Float[np.ndarray, "b d"] = part - centre
        lengths = np.linalg.norm(moved, axis=1, keepdims=True)
        np.divide(moved, lengths, out=moved, where=lengths > 0)
        return moved

    order = np.argsort(classes, kind="stable")
    sizes = np.bincount(classes)
    sums = np.add.reduceat(centred(support)[order], np.cumsum(sizes) - sizes, axis=0, dtype=np.float64)
    means = (sums / sizes[:, None]).astype(support.dtype)
    squares = np.einsum("cd,cd->c", means, means)
    predicted = np.empty(len(rows), np.int64)
    for start, stop in blocks(len(rows), size=_block_rows(sum(means.shape), means.itemsize)):
        distances = squares - 2 * (centred(vectors[rows[start:stop]]) @ means.T)  # squared, but for |z|^2
        predicted[start:stop] = distances.argmin(axis=1)
    return predicted


def _nearest(
    queries: Float[np.ndarray, "q d"], gallery: Float[np.ndarray, "n d"], *, itself: bool = False
) -> Int[np.ndarray, " q"]:
    """Row of the gallery with the greatest product for each query, the smallest of equal ones.

    With `itself` the queries are the gallery, and a row is not its own neighbour.
    """
    nearest = np.zeros(len(queries), np.int64)
    width = min(len(gallery), _GALLERY_ROWS)
    for start, stop in blocks(len(queries), size=_block_rows(width, queries.itemsize)):
        best = np.full(stop - start, -np.inf, queries.dtype)
        for left, right in blocks(len(gallery), size=width):
            scores = queries[start:stop] @ gallery[left:right].T
            if itself:
                own = np.arange(max(start, left), min(stop, right))
                scores[own - start, own - left] = -np.inf
            place = scores.argmax(axis=1)
            score = scores[np.arange(stop - start), place]
            nearest[start:stop] = np.where(score > best, left + place, nearest[start:stop])
            best = np.maximum(best, score)
    return nearest


def _block_rows(width: int, itemsize: int) -> int:
    """Rows of a block of products of this width."""
    return max(1, BLOCK_BYTES // (itemsize * width))
