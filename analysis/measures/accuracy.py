"""Accuracy of scores: whether a picture's own class is among the best."""

import numpy as np
from jaxtyping import Int, Int64, Real

from cladescope.errors import InputError


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
    return float((classes_before(scores, labels) < k).mean())


def classes_before(scores: Real[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """How many classes come before each picture's own, by score and, of equal ones, by column.

    >>> classes_before(np.array([[0.5, 0.7, 0.5]]), np.array([2]))
    array([2])
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    before = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < labels[:, None]))
    n_before: Int64[np.ndarray, " n"] = before.sum(axis=1)
    return n_before
