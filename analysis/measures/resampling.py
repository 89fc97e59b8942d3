"""Intervals and null models that the probes share: species are resampled, labels are permuted."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int, Num

N_RESAMPLES = 500


def group_means_resampled(
    values: Num[np.ndarray, " n"], groups: Int[np.ndarray, " n"], *, seed: int, n_resamples: int = N_RESAMPLES
) -> Float[np.ndarray, " resamples"]:
    """Means of `values` where whole groups (species) are drawn with replacement; 8 resamples x groups bytes.

    Pictures of one species depend on each other, so the species are resampled: Davison & Hinkley 1997, Bootstrap Methods
    and their Application, section 3.8.
    """
    _, group = np.unique(groups, return_inverse=True)
    total, count = np.bincount(group, weights=values), np.bincount(group)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(count), np.full(len(count), 1 / len(count)), size=n_resamples)
    means: Float[np.ndarray, " resamples"] = (drawn @ total) / (drawn @ count)
    return means


def interval(resampled: Float[np.ndarray, " resamples"]) -> tuple[float, float]:
    """The 2.5 % and 97.5 % points."""
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    return float(low), float(high)


def balanced_mean(values: Num[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> float:
    """Mean over labels of the mean of each.

    >>> balanced_mean(np.array([1.0, 1.0, 1.0, 0.0]), np.array([4, 4, 4, 9]))
    0.5
    """
    _, label = np.unique(labels, return_inverse=True)
    return float((np.bincount(label, weights=values) / np.bincount(label)).mean())


def permuted(
    statistic: Callable[[Int[np.ndarray, " n"]], float], n: int, *, n_permutations: int, seed: int
) -> tuple[float, float, float] | None:
    """Mean, 2.5 % and 97.5 % point of a statistic of n labels in random order; it is given the order. None for no order."""
    if not n_permutations:
        return None
    rng = np.random.default_rng([seed, 1])
    found = np.array([statistic(rng.permutation(n)) for _ in range(n_permutations)])
    low, high = interval(found)
    return float(np.nanmean(found)), low, high
