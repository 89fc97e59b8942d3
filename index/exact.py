"""Exact search: every vector is compared, block by block. The oracle for everything approximate."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Float32, Int64, Integer

from cladescope.arrays import merge_top_k
from cladescope.index.late_faiss import faiss


def search(
    blocks: Iterable[tuple[Integer[np.ndarray, " _"], Float[np.ndarray, "_ d"]]],
    queries: Float[np.ndarray, "q d"],
    k: int,
) -> tuple[Float32[np.ndarray, "q m"], Int64[np.ndarray, "q m"]]:
    """Scores and keys of the k best for each query, best first, m = min(k, n); equal scores in the order of the keys.

    A block is the keys of some vectors and the vectors, float16 or float32. The score is the scalar product, which for
    unit vectors is the cosine; products are summed in float32. Memory: 4 b d bytes for a float16 block's copy, and
    24 q k bytes.

    >>> gallery = np.eye(3, dtype=np.float32)
    >>> scores, keys = search([(np.array([7, 8, 9]), gallery)], gallery[1:2], 2)
    >>> keys[:, 0], scores[:, 0]
    (array([8]), array([1.], dtype=float32))
    """
    assert k > 0
    wanted = np.ascontiguousarray(queries, dtype=np.float32)
    best_scores = np.empty((len(wanted), 0), np.float32)
    best_keys = np.empty((len(wanted), 0), np.int64)
    for keys, vectors in blocks:
        if not len(vectors):
            continue
        block = np.ascontiguousarray(vectors, dtype=np.float32)
        scores, rows = faiss.knn(wanted, block, min(k, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        best_scores, best_keys = merge_top_k(
            np.concatenate([best_scores, scores], axis=1),
            np.concatenate([best_keys, keys.astype(np.int64)[rows]], axis=1),
            k,
        )
    return best_scores, best_keys
