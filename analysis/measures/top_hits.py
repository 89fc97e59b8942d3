"""How good the first k of ranked lists are: average precision, discounted gain and reciprocal rank at k, as INQUIRE counts them.

Vendrow et al. 2024, INQUIRE, https://arxiv.org/abs/2411.02537, and its `src/metrics.py` (github.com/inquire-benchmark/INQUIRE).
"""

import numpy as np
from jaxtyping import Bool, Float64, Int

from cladescope.errors import InputError


def precision_of_top(hits: Bool[np.ndarray, "q k"], n_relevant: Int[np.ndarray, " q"]) -> Float64[np.ndarray, " q"]:
    """AP@k: precision down to each hit, summed, over as many hits as k places could hold: what was missed counts.

    scikit-learn's `average_precision_score` of the k, times their hits, over min(k, `n_relevant`).

    >>> precision_of_top(np.array([[True, False, True]]), np.array([2])).round(3)
    array([0.833])
    """
    _check(hits, n_relevant)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return np.asarray((precision * hits).sum(axis=1) / np.minimum(n_relevant, hits.shape[1]))


def gain_of_top(hits: Bool[np.ndarray, "q k"], n_relevant: Int[np.ndarray, " q"]) -> Float64[np.ndarray, " q"]:
    """nDCG@k of hits that are right or wrong: each counts 1 / log2(1 + place), over the most that k places could bring.

    scikit-learn's `ndcg_score(k=k)` of the k and of what was missed, behind them. Jaervelin & Kekaelaeinen 2002.

    >>> gain_of_top(np.array([[False, True]]), np.array([1])).round(3)
    array([0.631])
    """
    _check(hits, n_relevant)
    worth = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    best = np.cumsum(worth)[np.minimum(n_relevant, hits.shape[1]) - 1]
    return np.asarray((hits * worth).sum(axis=1) / best)


def reciprocal_rank(hits: Bool[np.ndarray, "q k"]) -> Float64[np.ndarray, " q"]:
    """1 over the place of the first hit among the k; 0 without one.

    >>> reciprocal_rank(np.array([[False, True], [False, False]]))
    array([0.5, 0. ])
    """
    first = hits.argmax(axis=1) + 1 if hits.shape[1] else np.ones(len(hits))
    return np.asarray(hits.any(axis=1) / first)


def _check(hits: Bool[np.ndarray, "q k"], n_relevant: Int[np.ndarray, " q"]) -> None:
    if not hits.shape[1] or (n_relevant < np.maximum(hits.sum(axis=1), 1)).any():
        raise InputError(
            "each list needs a place, and at least as much that is relevant as it found, and one thing at least"
        )
