"""Whether two classifiers or encoders differ on the same pictures: p-values; intervals are `accuracy.paired_difference`."""

import numpy as np
from jaxtyping import Bool, Num
from scipy import stats

from cladescope.errors import InputError

_BATCH_BYTES = 1 << 26


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
    and wrong. scipy's `permutation_test`; it adds one to both counts, so that p is never 0 (Phipson & Smyth 2010,
    https://arxiv.org/abs/1603.05766).

    Raises InputError for no pair, and values that are not finite.

    >>> a, b = np.array([0.9, 0.8, 0.7] * 5), np.array([0.5, 0.4, 0.6] * 5)
    >>> permutation_test(a, b) < 0.001
    True
    """
    difference = a.astype(np.float64) - b.astype(np.float64)
    if not len(difference) or not np.isfinite(difference).all():
        raise InputError(f"{len(difference)} pairs: expected at least one, all of finite values")
    batch = max(1, _BATCH_BYTES // (8 * len(difference)))
    found = stats.permutation_test(
        (difference,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=n_resamples,
        batch=batch,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)
