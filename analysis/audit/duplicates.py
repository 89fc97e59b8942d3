"""Pairs and groups of the rows that share a value."""

import numpy as np
from jaxtyping import Int

FENCE = 3.5
"""Robust deviations beyond which a picture is too far from its taxon (Iglewicz & Hoaglin 1993)."""


def same_value(values: Int[np.ndarray, " n"]) -> Int[np.ndarray, "pairs 2"]:
    """Pairs that link the rows of one value, such as a number for each content hash, in a chain; -1 is no value.

    >>> same_value(np.array([0, -1, 0, -1])).tolist()
    [[0, 2]]
    """
    known = np.flatnonzero(values >= 0)
    order = known[np.argsort(values[known], kind="stable")]
    again = values[order[1:]] == values[order[:-1]]
    return np.stack([order[:-1][again], order[1:][again]], axis=1).astype(np.int64)


def is_mixed(group: Int[np.ndarray, " m"], values: Int[np.ndarray, " n"]) -> bool:
    """Whether the rows of a group have different values; -1, an unknown one, differs from nothing."""
    known = values[group]
    known = known[known >= 0]
    return bool((known != known[:1]).any())
