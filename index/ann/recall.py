"""What part of the exact neighbours a search found, ties counting as found, with the interval that its queries allow."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float16, Float32, Float64, Int64

from cladescope.arrays import blocks
from cladescope.index.intervals import wilson

TIE = 1e-6
"""Scores that differ by no more are equal: float32 cannot tell them apart."""
_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True, slots=True)
class Share:
    """A mean of shares and its interval of 95 %."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} ({self.low:.3f}-{self.high:.3f})"


def recalled(
    vectors: Float16[np.ndarray, "n d"],
    queries: Float32[np.ndarray, "q d"],
    exact: Int64[np.ndarray, "q k"],
    found: Int64[np.ndarray, "q f"],
    k: int,
) -> Float64[np.ndarray, " q"]:
    """Each query's ann_recall@k: the part of its first k places that `found` fills as well as the exact answer does.

    A found position counts where it is among the exact k, or its score is no worse than the exact k-th, as a copy's is; none
    counts twice, and -1 counts nothing. Positions are rows of `vectors`. Memory: 8 b d bytes a block.

    >>> copies = np.array([[1, 0], [1, 0], [0, 1]], np.float16)
    >>> recalled(copies, np.array([[1, 0]], np.float32), np.array([[0]]), np.array([[1]]), 1)
    array([1.])
    """
    exact, found = exact[:, :k], found[:, :k]
    good = (found[:, :, None] == exact[:, None, :]).any(axis=2) & (found >= 0)
    ordered = np.sort(found, axis=1)
    if (repeats := (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        for row in np.flatnonzero(repeats.any(axis=1)):
            first = np.unique(found[row], return_index=True)[1]
            good[row, np.setdiff1d(np.arange(found.shape[1]), first)] = False
            found = found.copy()
            found[row, np.setdiff1d(np.arange(found.shape[1]), first)] = -1
    rows, places = np.nonzero(~good & (found >= 0))
    if len(rows):
        asked = np.unique(rows)
        worst = np.full(len(queries), np.inf)
        worst[asked] = _scores(vectors, queries[asked], exact[asked, exact.shape[1] - 1])
        good[rows, places] = _scores(vectors, queries[rows], found[rows, places]) >= worst[rows] - TIE
    shares: Float64[np.ndarray, " q"] = good.sum(axis=1) / k
    return shares


def share_of(values: Float[np.ndarray, " q"], groups: Int64[np.ndarray, " q"], *, parts: int = 1) -> Share:
    """Mean of shares of queries, each of `parts` places, and its interval where queries of one group are not independent.

    The score interval of Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953, for as many independent trials as give the
    variance that is found between groups (Dean & Pagano 2015, https://doi.org/10.1093/jssam/smv024); where all shares are 1, or
    all 0, each group is one trial, so that few queries never make a narrow interval. Without queries all three are NaN.

    >>> share_of(np.ones(30), np.arange(30), parts=10)
    Share(mean=1.0, low=0.8864..., high=1.0)
    """
    if not len(values):
        return Share(float("nan"), float("nan"), float("nan"))
    mean = float(np.mean(values))
    _, place = np.unique(groups, return_inverse=True)
    n_groups = int(place.max()) + 1
    variance = _variance_of_mean(values - mean, place, n_groups)
    spread = mean * (1 - mean)
    most = float(n_groups * parts)
    trials = float(n_groups) if spread < 1e-12 else min(most, spread / variance) if variance > 0 else most
    return Share(mean, *wilson(mean, trials))


def standard_error(values: Float[np.ndarray, " q"], groups: Int64[np.ndarray, " q"]) -> float:
    """Standard error of the mean, queries of one group going together; 0 for fewer than two groups.

    >>> standard_error(np.array([0.0, 1.0]), np.array([0, 1]))
    0.5
    """
    _, place = np.unique(groups, return_inverse=True)
    if not len(values):
        return 0.0
    return float(np.sqrt(_variance_of_mean(values - np.mean(values), place, int(place.max()) + 1)))


def _variance_of_mean(residuals: Float[np.ndarray, " q"], place: Int64[np.ndarray, " q"], n_groups: int) -> float:
    if n_groups < 2:
        return 0.0
    sums = np.bincount(place, residuals, n_groups)
    return float(n_groups / (n_groups - 1) * np.sum(sums**2) / len(residuals) ** 2)


def _scores(
    vectors: Float16[np.ndarray, "n d"], queries: Float32[np.ndarray, "m d"], positions: Int64[np.ndarray, " m"]
) -> Float64[np.ndarray, " m"]:
    found = np.empty(len(positions))
    for start, stop in blocks(len(positions), size=_BLOCK_ROWS):
        rows = vectors[positions[start:stop]].astype(np.float64)
        found[start:stop] = np.einsum("md,md->m", queries[start:stop].astype(np.float64), rows)
    return found
