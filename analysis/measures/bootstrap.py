"""Intervals of means and of ratios by the percentile bootstrap: what other pictures, or species, like these would give.

scipy's `bootstrap` gives the same intervals and draws every picture of every resample; here kinds of pictures are drawn,
so that a million right or wrong answers take no longer than a hundred.
"""

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Num

from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.arrays import blocks
from cladescope.errors import InputError

LEVEL = 0.95
N_RESAMPLES = 2000


def bootstrap_interval(
    scored: Num[np.ndarray, " n"] | Bool[np.ndarray, " n"],
    asked: Num[np.ndarray, " n"] | None = None,
    *,
    groups: Int[np.ndarray, " n"] | None = None,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Lower and upper end of the interval of sum(scored) / sum(asked): of the mean score, where each is asked once.

    See `resampled_ratios`, which draws. Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.

    Raises InputError for no picture that was asked, scores that are not finite, or a level outside (0, 1).

    >>> low, high = bootstrap_interval(np.array([1.0] * 80 + [0.0] * 20))
    >>> round(low, 2), round(high, 2)
    (0.72, 0.88)
    """
    if not 0 < level < 1:
        raise InputError(f"level is {level}, expected a share in (0, 1)")
    return percentiles(resampled_ratios(scored, asked, groups=groups, n_resamples=n_resamples, seed=seed), level=level)


def resampled_ratios(
    scored: Num[np.ndarray, " n"] | Bool[np.ndarray, " n"],
    asked: Num[np.ndarray, " n"] | None = None,
    *,
    groups: Int[np.ndarray, " n"] | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Float64[np.ndarray, " resamples"]:
    """sum(scored) / sum(asked) in each resample; `asked` is 1 for each picture unless given, and 0 leaves one out.

    Pictures are resampled as if independent, each with all that it was asked. Where several are of one individual,
    observation or species, name it in `groups`: whole groups are then drawn (cluster bootstrap; Davison & Hinkley 1997,
    Bootstrap Methods and their Application, section 3.8), and the interval is wider. Equal seeds draw equal pictures.
    Memory: a block of `BLOCK_BYTES`, at least 8 bytes for each different picture or group.

    Raises InputError for no picture that was asked, scores that are not finite, or less than one resample.

    >>> resampled_ratios(np.array([2.0, 2.0]), np.array([4.0, 4.0]), n_resamples=3)
    array([0.5, 0.5, 0.5])
    """
    if n_resamples < 1:
        raise InputError(f"n_resamples is {n_resamples}, expected at least 1")
    each = np.ones(len(scored)) if asked is None else asked
    pictures = np.stack([scored, each], axis=1).astype(np.float64)
    there = each > 0
    if not there.any():
        raise InputError(f"none of {len(scored)} pictures was asked: there is nothing to measure")
    if not np.isfinite(pictures).all():
        raise InputError(f"{(~np.isfinite(pictures).all(axis=1)).sum()} of {len(scored)} values are not finite")
    pictures = pictures[there]
    if groups is None:
        # How often each kind of picture is drawn is multinomial: no need to draw pictures.
        kinds, counts = np.unique(pictures, axis=0, return_counts=True)
    else:
        _, group = np.unique(groups[there], return_inverse=True)
        kinds = np.stack([np.bincount(group, weights=column) for column in pictures.T], axis=1)
        counts = np.ones(len(kinds), np.int64)
    rng = np.random.default_rng(seed)
    n = int(counts.sum())
    ratios = []
    for start, stop in blocks(n_resamples, size=max(1, BLOCK_BYTES // (8 * len(kinds)))):
        drawn = rng.multinomial(n, counts / n, size=stop - start) @ kinds
        ratios.append(drawn[:, 0] / drawn[:, 1])
    return np.concatenate(ratios)


def percentiles(values: Float[np.ndarray, " n"], *, level: float = LEVEL) -> tuple[float, float]:
    """The points between which a share of the values lies, as much below as above; NaN among them do not count.

    >>> percentiles(np.arange(101.0), level=0.5)
    (25.0, 75.0)
    """
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def moved_percentiles(values: Float[np.ndarray, " n"], found: float, *, level: float = LEVEL) -> tuple[float, float]:
    """`percentiles`, moved by as much as the values are on the average below what was `found`.

    For figures that resamples have lower, or higher, than all pictures have, as those of classes that a resample may lack.

    >>> moved_percentiles(np.arange(101.0), 60.0, level=0.5)
    (35.0, 85.0)
    """
    low, high = percentiles(values, level=level)
    by = found - float(np.nanmean(values))
    return low + by, high + by
