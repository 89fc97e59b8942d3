"""Near-duplicates: pictures whose vectors lie far nearer to each other than pictures of a set usually do."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Integer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

FENCE = 3.5
"""Robust deviations beyond which a nearest neighbour is too near (Iglewicz & Hoaglin 1993)."""
ROUNDING = 1e-5
"""Distances below this are what float16 leaves of zero."""


def threshold(nearest: Float[np.ndarray, " n"], *, fence: float = FENCE) -> float:
    """The cosine from which two pictures count as near-duplicates, from the scores of nearest neighbours.

    With x = log(1 - score), it is 1 - exp(median(x) - fence * 1.4826 * MAD(x)): so long as fewer than half of the
    pictures have a duplicate, they do not move the median. The MAD counts as 0.1 at least, lest equal distances make
    everything a duplicate.

    >>> scores = 1 - np.exp(np.linspace(-1.2, -0.8, 101))
    >>> round(threshold(scores), 2)
    0.78
    """
    if not len(nearest):
        return 1.0
    x = np.log(np.maximum(1.0 - nearest.astype(np.float64), ROUNDING))
    middle = float(np.median(x))
    spread = max(1.4826 * float(np.median(np.abs(x - middle))), 0.1)
    return 1.0 - max(float(np.exp(middle - fence * spread)), ROUNDING)


def linked(
    scores: Float[np.ndarray, "n k"], neighbours: Integer[np.ndarray, "n k"], least: float
) -> Int[np.ndarray, "pairs 2"]:
    """Pairs of rows, each once and the smaller row first, whose score is `least` or more.

    Only the k neighbours given are seen: a group of more than k + 1 copies still holds together by its links.
    """
    rows, places = np.nonzero(scores >= least)
    pairs = np.sort(np.stack([rows, neighbours[rows, places]], axis=1).astype(np.int64), axis=1)
    return np.unique(pairs, axis=0) if len(pairs) else pairs


def same_value(values: Sequence[str | None]) -> Int[np.ndarray, "pairs 2"]:
    """Pairs that link the rows of one value, such as a content hash, in a chain; None is no value.

    >>> same_value(["a", None, "a", None]).tolist()
    [[0, 2]]
    """
    last: dict[str, int] = {}
    pairs = []
    for row, value in enumerate(values):
        if value is not None:
            if value in last:
                pairs.append((last[value], row))
            last[value] = row
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def groups(n: int, pairs: Int[np.ndarray, "pairs 2"]) -> list[Int[np.ndarray, " _"]]:
    """Connected components of two rows and more, the largest first."""
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    order = np.argsort(component, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
    return sorted((part.astype(np.int64) for part in parts if len(part) > 1), key=lambda part: (-len(part), part[0]))


def mixed(group: Int[np.ndarray, " m"], values: Sequence[object]) -> bool:
    """Whether the rows of a group have different values; None, an unknown one, differs from nothing."""
    return len({values[row] for row in group} - {None}) > 1
