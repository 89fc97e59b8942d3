"""The k nearest of every vector by FAISS: exact for small sets, by HNSW above."""

import faiss
import numpy as np
from jaxtyping import Float32, Int64

EXACT_UP_TO = 20_000
LINKS, BUILD, SEARCH = 16, 80, 64


def nearest(
    gallery: Float32[np.ndarray, "n d"], queries: Float32[np.ndarray, "q d"], k: int
) -> tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"]]:
    """Rows of the k nearest unit vectors of the gallery and their Euclidean distances, nearest first.

    Above 20,000 vectors by HNSW (Malkov and Yashunin 2018), which may miss some. Memory: 4 n d bytes, with HNSW
    136 n more, and 12 q k for the answer. k must not exceed n.

    >>> nearest(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), 1)[0]
    array([[0],
           [1]])
    """
    if len(gallery) <= EXACT_UP_TO:
        index = faiss.IndexFlatL2(gallery.shape[1])
    else:
        index = faiss.IndexHNSWFlat(gallery.shape[1], LINKS)
        index.hnsw.efConstruction, index.hnsw.efSearch = BUILD, max(SEARCH, 2 * k)
    index.add(np.ascontiguousarray(gallery))
    squares, rows = index.search(np.ascontiguousarray(queries), k)
    missing = rows < 0
    rows[missing] = np.broadcast_to(rows[:, :1], rows.shape)[missing]
    squares[missing] = 0.0
    return rows, np.sqrt(np.maximum(squares, 0.0))
