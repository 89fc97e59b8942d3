"""Quartets of tips: which two of four stand together, in two trees, whether these have a root or not."""

from itertools import chain, combinations
from math import comb

import numpy as np
from jaxtyping import Float, Int, Num

MOST_EXACT = 100_000
"""Quartets of which all are taken; that is up to 40 tips."""


def quartets(s: int, n: int, *, seed: int) -> Int[np.ndarray, "4 q"]:
    """All quartets of different tips where these are at most `MOST_EXACT`, else n that are drawn, each as likely as another.

    >>> quartets(5, 10, seed=0).T.tolist()
    [[0, 1, 2, 3], [0, 1, 2, 4], [0, 1, 3, 4], [0, 2, 3, 4], [1, 2, 3, 4]]
    """
    if comb(s, 4) <= MOST_EXACT:
        return np.fromiter(chain.from_iterable(combinations(range(s), 4)), np.int64).reshape(-1, 4).T
    rng = np.random.default_rng([seed, 7])
    # One of the tips that are left, and so on: moved up by one for each that is drawn already and not above it.
    drawn = rng.integers(s - np.arange(4)[:, None], size=(4, n))
    for place in range(1, 4):
        for before in np.sort(drawn[:place], axis=0):
            drawn[place] += drawn[place] >= before
    return np.asarray(drawn)


def sides(
    distances: Num[np.ndarray, "s s"], four: Int[np.ndarray, "4 q"], *, tolerance: float
) -> Int[np.ndarray, " q"]:
    """Which of the last three tips stands with the first, 0, 1 or 2; -1 where the tree leaves it open, at a polytomy.

    `distances` are of paths along a tree, or of the heights at which tips meet: of d(a, b) + d(c, d) and the other two sums the smallest is that of the
    two pairs that stand together, and the others are equal (Buneman 1971, The recovery of trees from measures of dissimilarity).

    >>> ladder = np.array([[0, 2, 3, 3], [2, 0, 3, 3], [3, 3, 0, 2], [3, 3, 2, 0]])
    >>> sides(ladder, np.array([[0, 2], [1, 1], [2, 0], [3, 3]]), tolerance=0.0)
    array([0, 2])
    """
    a, b, c, d = four
    sums = np.stack(
        [distances[a, b] + distances[c, d], distances[a, c] + distances[b, d], distances[a, d] + distances[b, c]]
    )
    two = np.sort(sums, axis=0)[:2]
    return np.where(two[1] - two[0] > tolerance, sums.argmin(axis=0), -1)


def quartet_distance(
    own: Int[np.ndarray, " q"], reference: Int[np.ndarray, " q"], weights: Float[np.ndarray, " q"] | None = None
) -> float:
    """Share of the quartets that the reference resolves and a tree has otherwise, or leaves open; NaN where there are none.

    The quartet distance of Estabrook, McMorris & Meacham 1985, https://doi.org/10.1093/sysbio/34.2.193, normalised; a random tree without polytomies is at 2/3.

    >>> quartet_distance(np.array([0, 1, -1, 2]), np.array([0, 2, 2, -1]))
    0.6666666666666666
    """
    asked = (reference >= 0) * (1.0 if weights is None else weights)
    total = float(asked.sum())
    return float(asked @ (own != reference)) / total if total else float("nan")
