"""Which pictures of each class are taken at random: at most so many to learn from, or a share to calibrate by."""

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.errors import InputError


def draw_shots(classes: Int[np.ndarray, " n"], shots: int, *, seed: int = 0) -> Bool[np.ndarray, " n"]:
    """Whether each picture is drawn: at most so many of each class.

    >>> int(draw_shots(np.array([0, 0, 0, 1]), 2).sum())
    3
    """
    size = np.bincount(classes)
    return _draw(classes, np.full(len(size), float(shots)), seed=seed)


def draw_share(classes: Int[np.ndarray, " n"], share: float, *, seed: int = 0) -> Bool[np.ndarray, " n"]:
    """Whether each picture is drawn: a share of each class, rounded half up, and never all of a class.

    Raises InputError for a share outside [0, 1).

    >>> int(draw_share(np.array([0, 0, 0, 0, 1]), 0.5).sum())
    2
    """
    if not 0 <= share < 1:
        raise InputError(f"the share held out is {share}: expected 0 or more and below 1")
    size = np.bincount(classes)
    return _draw(classes, np.minimum(np.floor(share * size + 0.5), size - 1), seed=seed)


def _draw(classes: Int[np.ndarray, " n"], most: Float[np.ndarray, " c"], *, seed: int) -> Bool[np.ndarray, " n"]:
    """At most `most` pictures of each class, the first of a random order."""
    order = np.random.default_rng(seed).permutation(len(classes))
    shuffled = classes[order]
    by_class = np.argsort(shuffled, kind="stable")
    sizes = np.bincount(shuffled)
    place = np.empty(len(classes), np.int64)
    place[by_class] = np.arange(len(classes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    drawn = np.zeros(len(classes), bool)
    drawn[order] = place < most[shuffled]
    return drawn
