"""What the search benchmarks share: the exact answer, the share of it that was found, and rates.

The exact answer is taken over the float16 vectors that a store keeps, with products summed in float32. A neighbour counts as found
where its score reaches that of the exact k-th, so equal scores count whichever of them came.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import faiss
import numpy as np

from cladescope.arrays import blocks
from cladescope.index import exact

TIE = 2e-6
"""Scores this far apart are equal: float32 sums in another order differ by as much."""


class Truth(NamedTuple):
    """Queries and the score that a neighbour must reach."""

    queries: np.ndarray
    """float32, (q, d)."""
    kth: np.ndarray
    """float32, (q,): the exact k-th score, or -inf where fewer than k rows are there."""
    n_due: np.ndarray
    """(q,): how many neighbours there are to find, k or fewer."""


def truth_of(vectors: np.ndarray, queries: np.ndarray, k: int, mask: np.ndarray | None = None) -> Truth:
    """The exact answer over rows of a gallery, or those that a mask lets pass; 4 b d bytes a block."""
    rows = np.arange(len(vectors)) if mask is None else np.flatnonzero(mask)
    parts = ((rows[start:stop], vectors[rows[start:stop]]) for start, stop in blocks(len(rows), size=65536))
    scores, _ = exact.search(parts, queries, k)
    n_due = np.full(len(queries), scores.shape[1])
    kth = scores[:, -1] if scores.shape[1] else np.full(len(queries), -np.inf, np.float32)
    return Truth(np.ascontiguousarray(queries, np.float32), kth, n_due)


def recalls(vectors: np.ndarray, truth: Truth, found: np.ndarray) -> np.ndarray:
    """(q,): share of each query's neighbours among the rows found, (q, k), -1 where fewer were; the same row counts once."""
    shares = np.empty(len(found))
    for number, (query, rows) in enumerate(zip(truth.queries, found, strict=True)):
        kept = np.unique(rows[rows >= 0]).astype(np.int64)
        scores = np.asarray(vectors[kept], np.float32) @ query
        due = int(truth.n_due[number])
        shares[number] = min((scores >= truth.kth[number] - TIE).sum(), due) / due if due else 1.0
    return shares


def rate(work: Callable[[], object], n: int, *, at_least: float = 0.3) -> float:
    """Queries a second of `work`, which asks n of them, repeated until it took `at_least` seconds."""
    began, rounds = time.perf_counter(), 0
    while rounds == 0 or time.perf_counter() - began < at_least:
        work()
        rounds += 1
    return n * rounds / (time.perf_counter() - began)


def ladder(start: float, stop: float, factor: float = 1.15) -> list[int]:
    """Whole numbers from start to stop, each at least `factor` times the one before.

    >>> ladder(10, 20)
    [10, 12, 14, 17, 20]
    """
    steps = [round(start)]
    while steps[-1] < stop:
        steps.append(min(round(stop), max(steps[-1] + 1, round(steps[-1] * factor))))
    return steps


def least_meeting(values: Sequence[int], recall_of: Callable[[int], float], target: float) -> tuple[int, float] | None:
    """The least value whose recall reaches the target, and that recall, by bisection; None where the last does not.

    >>> least_meeting([1, 2, 4, 8], lambda value: value / 8, 0.4)
    (4, 0.5)
    """
    low, high = 0, len(values) - 1
    best = recall_of(values[high])
    if best < target:
        return None
    while low < high:
        middle = (low + high) // 2
        if (recall := recall_of(values[middle])) >= target:
            high, best = middle, recall
        else:
            low = middle + 1
    return values[high], best


def threads(n: int) -> None:
    """Let FAISS use n threads."""
    faiss.omp_set_num_threads(n)
