"""Whether two encoders or classifiers differ on the same pictures: the difference, its interval, and a p-value."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Num
from scipy import stats

from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.analysis.measures.bootstrap import bootstrap_interval
from cladescope.analysis.measures.outcomes import Outcome
from cladescope.arrays import blocks
from cladescope.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What one encoder scores more than another on the same questions; shares of 1, not percent."""

    value: float
    low: float
    high: float
    """Ends of the 95 % interval of a bootstrap over pictures: they differ if it leaves out 0."""
    p: float
    """Chance of a difference at least this large, to either side, between two that are equally good."""
    test: str
    """`McNemar` or `permutation`."""


def difference(first: Outcome, other: Outcome) -> Difference:
    """`other` minus `first` on the same questions.

    Narrower than two intervals side by side, since what is hard for one is mostly hard for the other. The test is
    McNemar's, which is exact, where every picture was asked once and is right or wrong, else it exchanges the two scores of
    a picture at random. Neither knows how many measures were compared: of twenty, one is below 0.05 by chance.

    Raises InputError where they were not asked the same.

    >>> always, half, once = np.ones(20), np.repeat([1.0, 0.0], 10), np.ones(20)
    >>> found = difference(Outcome(half, once), Outcome(always, once))
    >>> found.value, round(found.p, 4), found.test
    (0.5, 0.002, 'McNemar')
    """
    if not np.array_equal(first.asked, other.asked):
        raise InputError("two encoders were not asked the same pictures: their difference means nothing")
    gained = other.scored - first.scored
    low, high = bootstrap_interval(gained, first.asked)
    asked = first.asked > 0
    a, b = first.scored[asked], other.scored[asked]
    once = bool((first.asked[asked] == 1).all() and np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all())
    return Difference(
        value=float(gained.sum() / first.asked.sum()),
        low=low,
        high=high,
        p=mcnemar(a == 1, b == 1) if once else permutation_test(a, b),
        test="McNemar" if once else "permutation",
    )


def mcnemar(a: Bool[np.ndarray, " n"], b: Bool[np.ndarray, " n"]) -> float:
    """Two-sided p-value that two classifiers are right equally often on the same pictures (McNemar 1947, exact).

    1 where they are never right apart.

    >>> mcnemar(np.array([True] * 6), np.array([False] * 6))
    0.03125
    """
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def permutation_test(
    a: Num[np.ndarray, " n"] | Bool[np.ndarray, " n"],
    b: Num[np.ndarray, " n"] | Bool[np.ndarray, " n"],
    *,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> float:
    """Two-sided p-value that a and b have one mean on the same images, by exchanging a pair's values at random.

    For scores of any kind, such as a picture's share of right answers over folds; `mcnemar` is exact for right
    and wrong. Fisher 1935, The Design of Experiments, section 21: all exchanges are tried where there are at most
    `n_resamples`, else so many are drawn, and one is added to both counts, so that p is never 0 (Phipson & Smyth 2010,
    https://arxiv.org/abs/1603.05766). The p-values are those of scipy's `permutation_test`, which draws every pair; here
    pairs of equal difference are drawn together, in a tenth of the time. 1 where no pair differs. Memory: a block of
    `BLOCK_BYTES`.

    Raises InputError for no pair, and values that are not finite.

    >>> a, b = np.array([0.9, 0.8, 0.7] * 5), np.array([0.5, 0.4, 0.6] * 5)
    >>> permutation_test(a, b) < 0.001
    True
    """
    difference = a.astype(np.float64) - b.astype(np.float64)
    if not len(difference) or not np.isfinite(difference).all():
        raise InputError(f"{len(difference)} pairs: expected at least one, all of finite values")
    sizes, counts = np.unique(np.abs(difference[difference != 0]), return_counts=True)
    n = int(counts.sum())
    if not n:
        return 1.0
    observed = float(difference.sum())
    slack = 1e-12 * float(np.abs(difference).sum())  # sums of the same numbers in another order are the same
    least = most = 0
    is_exact = n < 63 and 2**n <= n_resamples
    total = 2**n if is_exact else n_resamples
    rng = np.random.default_rng(seed)
    for start, stop in blocks(total, size=max(1, BLOCK_BYTES // (8 * n))):
        if is_exact:
            kept = (np.arange(start, stop)[:, None] >> np.arange(n)) & 1
            exchanged = (2 * kept - 1) @ np.repeat(sizes, counts)
        else:
            exchanged = (2 * rng.binomial(counts, 0.5, size=(stop - start, len(sizes))) - counts) @ sizes
        least += int((exchanged <= observed + slack).sum())
        most += int((exchanged >= observed - slack).sum())
    added = 0 if is_exact else 1
    return min(1.0, 2 * (min(least, most) + added) / (total + added))
