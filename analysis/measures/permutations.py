"""Null models: what a statistic is where labels say nothing."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from cladescope.analysis.measures.bootstrap import percentiles


def permuted(
    statistic: Callable[[Int[np.ndarray, " n"]], float], n: int, *, n_permutations: int, seed: int
) -> tuple[float, float, float] | None:
    """Mean, 2.5 % and 97.5 % point of a statistic of n labels in random order; it is given the order. None for no order.

    >>> permuted(lambda order: float(order.mean()), 5, n_permutations=3, seed=0)
    (2.0, 2.0, 2.0)
    """
    if not n_permutations:
        return None
    rng = np.random.default_rng([seed, 1])
    found = np.array([statistic(rng.permutation(n)) for _ in range(n_permutations)])
    low, high = percentiles(found)
    return float(np.nanmean(found)), low, high
