"""Near-duplicates: pictures whose vectors lie far nearer to each other than pictures of a set usually do."""

import numpy as np
from jaxtyping import Float, Int

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
