"""Time that a computation takes of the processor, whatever else the machine does meanwhile."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float32

from cladescope.index.late_faiss import faiss

FEWEST_QUERIES = 32
"""A part of the queries is no smaller, so that it is searched as many queries are."""


def processor_time(
    ask: Callable[[Float32[np.ndarray, "m d"]], tuple[np.ndarray, np.ndarray]], queries: Float32[np.ndarray, "q d"]
) -> tuple[tuple[np.ndarray, np.ndarray], float]:
    """What `ask` answers to many queries, and the seconds that processors worked on it.

    The queries are shared among threads, one a processor, and FAISS opens no others in them: they would wait for each other, and
    waiting counts as work there.

    >>> scores, seconds = processor_time(lambda some: (some, some), np.eye(2, dtype=np.float32))
    >>> scores[0].shape, seconds < 1
    ((2, 2), True)
    """

    def timed(part: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], float]:
        faiss.omp_set_num_threads(1)  # of this thread alone
        began = time.thread_time()
        return ask(part), time.thread_time() - began

    n_parts = min(os.cpu_count() or 1, max(1, len(queries) // FEWEST_QUERIES))
    with ThreadPoolExecutor(n_parts) as pool:
        found = list(pool.map(timed, np.array_split(queries, n_parts)))
    scores, positions = (np.concatenate(parts) for parts in zip(*(answer for answer, _ in found), strict=True))
    return (scores, positions), sum(seconds for _, seconds in found)
