"""Null models: what a statistic is where labels say nothing, and how often it is then as good as what was found."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cladescope.analysis.measures.bootstrap import LEVEL

_TIE = 1e-9
"""Values that differ by less, in parts of the larger, are as good as each other."""


class Null(NamedTuple):
    """A statistic where labels were given out at random."""

    mean: float
    low: float
    """2.5 % point, by order statistics: of so many random values and the one that was found, were it random too, 95 % lie between."""
    high: float
    p_value: float
    """Share of the random values, and of the found one among them, that are at least as good as that: one-sided, never 0."""

    @property
    def span(self) -> tuple[float, float, float]:
        """Mean and both points."""
        return self[:3]


def permuted(
    statistic: Callable[[np.random.Generator], float],
    found: float,
    *,
    n_permutations: int,
    seed: int,
    higher_is_better: bool = True,
) -> Null | None:
    """A statistic of labels in random order, which it draws itself, beside the value that was `found`. None for no order.

    The test is exact at every level if under the null the found order is one of those that are drawn (Phipson & Smyth 2010,
    Permutation P-values Should Never Be Zero, https://doi.org/10.2202/1544-6115.1585). A value that cannot be measured (NaN) counts as
    better.

    >>> permuted(lambda rng: float(rng.permutation(5).mean()), 2.0, n_permutations=3, seed=0)
    Null(mean=2.0, low=2.0, high=2.0, p_value=1.0)
    """
    if not n_permutations:
        return None
    rng = np.random.default_rng([seed, 1])
    drawn = np.array([statistic(rng) for _ in range(n_permutations)], float)
    there = drawn[np.isfinite(drawn)]
    if not len(there):
        return None
    near = _TIE * max(abs(found), 1e-30)
    as_good = drawn >= found - near if higher_is_better else drawn <= found + near
    p_value = (1 + int((as_good | np.isnan(drawn)).sum())) / (1 + n_permutations)
    low, high = np.quantile(there, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="weibull")
    return Null(float(there.mean()), float(low), float(high), p_value)
