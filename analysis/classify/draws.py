"""Which pictures of each class are taken at random: at most so many to learn from, a share to calibrate by, or parts that are asked in turn."""

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.embedding.kin import are_alone
from cladescope.errors import InputError


def draw_shots(classes: Int[np.ndarray, " n"], shots: int, *, seed: int = 0) -> Bool[np.ndarray, " n"]:
    """Whether each picture is drawn: at most so many of each class.

    >>> int(draw_shots(np.array([0, 0, 0, 1]), 2).sum())
    3
    """
    size = np.bincount(classes)
    return _draw(classes, np.full(len(size), float(shots)), seed=seed)


def draw_share(
    classes: Int[np.ndarray, " n"], share: float, *, kin: Int[np.ndarray, " n"] | None = None, seed: int = 0
) -> Bool[np.ndarray, " n"]:
    """Whether each picture is drawn: a share of each class, rounded at random, and never all of a class.

    A fifth of two pictures is one in two of five such classes, so that many classes of two have their share too.

    Pictures with one number in `kin` are drawn together or not at all, so that a class may give more or fewer: it has its share
    with the first that go beyond it, and gives nothing where all its pictures are kin.

    Raises InputError for a share outside [0, 1).

    >>> int(draw_share(np.array([0, 0, 0, 0, 1]), 0.5).sum())
    2
    """
    if not 0 <= share < 1:
        raise InputError(f"the share held out is {share}: expected 0 or more and below 1")
    size = np.bincount(classes)
    most = np.minimum(np.floor(share * size + np.random.default_rng([seed, 12]).random(len(size))), size - 1)
    if kin is None or are_alone(kin):
        return _draw(classes, most, seed=seed)
    return _draw_together(classes, most, kin, seed=seed)


def draw_parts(
    classes: Int[np.ndarray, " n"], n_parts: int, *, kin: Int[np.ndarray, " n"] | None = None, seed: int = 0
) -> Int[np.ndarray, " n"]:
    """The part of each picture, each class spread over the parts as evenly as can be; those with one number in `kin` are in one part.

    A group of kin goes by the class of its first picture.

    >>> np.bincount(draw_parts(np.array([0, 0, 0, 1, 1, 1]), 3)).tolist()
    [2, 2, 2]
    """
    _, first, group = np.unique(np.arange(len(classes)) if kin is None else kin, return_index=True, return_inverse=True)
    rng = np.random.default_rng([seed, 10])
    of_group = classes[first]
    order = np.lexsort((rng.random(len(first)), of_group))
    _, start, size = np.unique(of_group[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(start, size)
    part = np.empty(len(order), np.int64)
    # Classes begin at different parts, so that the many of one or two pictures fill all alike.
    part[order] = (place + np.repeat(rng.integers(n_parts, size=len(start)), size)) % n_parts
    return np.asarray(part[group])


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


def _draw_together(
    classes: Int[np.ndarray, " n"], most: Float[np.ndarray, " c"], kin: Int[np.ndarray, " n"], *, seed: int
) -> Bool[np.ndarray, " n"]:
    """Whole groups of kin in a random order, each as long as none of its classes has enough, or would be left without a picture."""
    size = np.bincount(classes)
    n_drawn = np.zeros(len(size), np.int64)
    by_group = np.argsort(kin, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(kin[by_group]) > 0])
    members = np.split(by_group, starts[1:])
    drawn = np.zeros(len(classes), bool)
    for number in np.random.default_rng(seed).permutation(len(members)):
        rows = members[number]
        own, counts = np.unique(classes[rows], return_counts=True)
        if (n_drawn[own] < most[own]).all() and (n_drawn[own] + counts < size[own]).all():
            n_drawn[own] += counts
            drawn[rows] = True
    return drawn
