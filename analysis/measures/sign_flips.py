"""Whether paired differences are more than chance: exactly, for as few species as there are."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.analysis.measures.bootstrap import LEVEL
from cladescope.arrays import blocks

FEWEST = 6
"""Groups from which on there is a p-value: with fewer none is below 0.05, whatever the differences."""
ALL_OF = 14
"""Groups of which all flips are tried; of more, so many flips as these have are drawn."""
_TIE = 1e-9


class SignFlips(NamedTuple):
    """What flipping the differences of whole groups tells of their mean."""

    p_value: float | None
    """Two-sided; None for fewer than `FEWEST` groups."""
    low: float | None
    """Ends of the interval of all means that the test would not refuse at 0.05."""
    high: float | None
    n_groups: int


def sign_flips(differences: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"], *, seed: int = 0) -> SignFlips:
    """The test of a mean difference of 0 by flipping the signs of whole groups, and the interval of the means that it does not refuse.

    If neither of two encoders were better, each group's differences were as likely with the other sign. The p-value is the share of all ways to
    flip groups that give a mean at least as far from 0 (Fisher 1935, The Design of Experiments, section 21); beyond `ALL_OF` groups ways are drawn,
    the one at hand counted among them. It is exact for groups that are independent of each other. The interval asks the same of the differences less
    any constant. Memory: 16 bytes for each of at most 16,384 ways, and a block of `BLOCK_BYTES`.

    >>> found = sign_flips(np.array([0.1, 0.2, 0.1, 0.3, 0.2, 0.1]), np.arange(6))
    >>> found.p_value, round(found.low, 3), round(found.high, 3), found.n_groups
    (0.03125, 0.1, 0.3, 6)
    """
    _, group = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(group, weights=differences), np.bincount(group).astype(float)
    n_groups = len(sums)
    if n_groups < FEWEST:
        return SignFlips(None, None, None, n_groups)
    # Less a constant c, the flipped sums are `flipped` - c `sizes`; the first are those of the way at hand.
    flipped, sizes = _flipped(np.stack([sums, counts], axis=1), seed).T

    def p_value(constant: float) -> float:
        moved = np.abs(flipped - constant * sizes)
        near = _TIE * max(float(np.abs(sums - constant * counts).sum()), 1e-30)
        return float((moved >= moved[0] - near).mean())

    centre = float(flipped[0] / sizes[0])
    farthest = 1.001 * float(np.abs(sums / counts - centre).max()) + 1e-12  # from there on all have one sign
    ends = [_last_kept(p_value, centre, centre + side * farthest) for side in (-1, 1)]
    return SignFlips(p_value(0.0), ends[0], ends[1], n_groups)


def _flipped(sums: Float[np.ndarray, "groups 2"], seed: int) -> Float[np.ndarray, "ways 2"]:
    """Sums over groups under each way to flip them; the first flips none."""
    n_groups, n_ways = len(sums), 1 << min(len(sums), ALL_OF)
    rng = np.random.default_rng([seed, 7])
    found = np.empty((n_ways, 2))
    for start, stop in blocks(n_ways, size=max(1, BLOCK_BYTES // (8 * n_groups))):
        if n_groups <= ALL_OF:
            is_flipped = (np.arange(start, stop)[:, None] >> np.arange(n_groups)) & 1
        else:
            is_flipped = rng.integers(0, 2, size=(stop - start, n_groups), dtype=np.int8)
        found[start:stop] = (1.0 - 2.0 * is_flipped) @ sums
    found[0] = sums.sum(axis=0)
    return found


def _last_kept(p_value: Callable[[float], float], kept: float, refused: float) -> float:
    """Between a constant that the test keeps and one that it refuses, the farthest that it keeps."""
    for _ in range(60):
        middle = (kept + refused) / 2
        if p_value(middle) > 1 - LEVEL:
            kept = middle
        else:
            refused = middle
    return kept
