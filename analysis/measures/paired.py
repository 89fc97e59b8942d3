"""Whether two encoders or classifiers differ on the same pictures: the difference, its interval, and a p-value."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Num
from scipy import stats

from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.analysis.measures.bootstrap import bootstrap_interval
from cladescope.analysis.measures.outcomes import Outcome
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
    and wrong. scipy's `permutation_test`, of the pairs that differ, since exchanging equal values changes nothing; it adds
    one to both counts, so that p is never 0 (Phipson & Smyth 2010, https://arxiv.org/abs/1603.05766). 1 where no pair
    differs. Memory: a block of `BLOCK_BYTES`.

    Raises InputError for no pair, and values that are not finite.

    >>> a, b = np.array([0.9, 0.8, 0.7] * 5), np.array([0.5, 0.4, 0.6] * 5)
    >>> permutation_test(a, b) < 0.001
    True
    """
    difference = a.astype(np.float64) - b.astype(np.float64)
    if not len(difference) or not np.isfinite(difference).all():
        raise InputError(f"{len(difference)} pairs: expected at least one, all of finite values")
    difference = difference[difference != 0]
    if not len(difference):
        return 1.0
    found = stats.permutation_test(
        (difference,),
        lambda x, axis: x.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=n_resamples,
        batch=max(1, BLOCK_BYTES // (8 * len(difference))),
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)
