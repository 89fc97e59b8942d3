"""The k nearest of every vector by FAISS: exact for small sets, among the nearest cells above."""

import numpy as np
from jaxtyping import Float, Float32, Int, Int64

from cladescope.arrays import blocks
from cladescope.index.gallery import Gallery
from cladescope.index.late_faiss import faiss

EXACT_UP_TO = 20_000
EXACT_PAIRS = 10**10
"""Pairs of rows up to which `nearest_others` compares them all: 100,000 with each other, or 5,000 with two million."""
REDUCED_DIM = 96
"""Principal components by which candidates are looked for."""
PROBES = 32
"""Cells that are searched for each vector."""
SPARE = 16
"""Candidates beyond k that are measured with the whole vectors."""

_TRAINING_PER_CELL = 40
_BLOCK_ROWS = 1 << 12


def nearest(
    gallery: Float32[np.ndarray, "n d"], queries: Float32[np.ndarray, "q d"], k: int
) -> tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"]]:
    """Rows of the k nearest unit vectors of the gallery and their Euclidean distances, nearest first.

    Above 20,000 vectors candidates come from an inverted file (Jegou et al. 2011, https://doi.org/10.1109/TPAMI.2010.57)
    over principal components, and their distances are measured in full: some of the k may be missed, none is wrong. The
    answer does not depend on the number of threads. Memory: 4 n d bytes, above 20,000 vectors 4 n `REDUCED_DIM` more, and
    12 q k for the answer. k must not exceed n.

    >>> nearest(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), 1)[0]
    array([[0],
           [1]])
    """
    n, d = gallery.shape
    if n <= EXACT_UP_TO:
        index = faiss.IndexFlatL2(d)
        index.add(np.ascontiguousarray(gallery))
        squares, rows = index.search(np.ascontiguousarray(queries), k)
        return rows, np.sqrt(np.maximum(squares, 0.0))
    axes = principal_axes(gallery)
    candidates = _candidates(gallery @ axes, queries @ axes, min(n, k + SPARE))
    found, distances = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    for start, stop in blocks(len(queries), size=_BLOCK_ROWS):
        some = candidates[start:stop]
        squares = 2 - 2 * np.einsum("qd,qkd->qk", queries[start:stop], gallery[some])
        squares[some < 0] = np.inf
        order = np.argsort(squares, axis=1, kind="stable")[:, :k]
        found[start:stop] = np.take_along_axis(some, order, axis=1)
        distances[start:stop] = np.sqrt(np.maximum(np.take_along_axis(squares, order, axis=1), 0.0))
    # Where too few lie in the cells that were searched, the nearest stands again.
    missing = found < 0
    found[missing] = np.broadcast_to(found[:, :1], found.shape)[missing]
    distances[missing] = np.broadcast_to(distances[:, :1], distances.shape)[missing]
    return found, distances


def nearest_others(
    vectors: Float[np.ndarray, "n d"], queries: Int[np.ndarray, " q"], k: int
) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
    """Cosines and rows of the k nearest other vectors of some rows, best first; vectors have unit length, k is less than n.

    Exact (2 q n d operations, 24 q k bytes) up to `EXACT_PAIRS` pairs, above by `nearest`. A row is left out by its number,
    not by its score: a copy of it is a neighbour.

    >>> nearest_others(np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32), np.arange(3), 1)[1].T
    array([[2, 2, 1]])
    """
    asked = vectors[queries].astype(np.float32, copy=False)
    if len(queries) * len(vectors) > EXACT_PAIRS:
        rows, distances = nearest(vectors.astype(np.float32, copy=False), asked, k + 1)
        scores = 1 - distances**2 / 2
    else:
        scores, rows = Gallery(np.arange(len(vectors)), vectors).search(asked, k + 1)
    other = rows != queries[:, None]
    other[other.all(axis=1), -1] = False  # more copies of it than k + 1, or a miss
    # Where the nearest stands for those that were not found it may be the row itself, more than once.
    other[np.cumsum(~other, axis=1) > 1] = True
    return scores[other].reshape(-1, k), rows[other].reshape(-1, k)


def principal_axes(vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "d m"]:
    """The directions of greatest spread; all of them where there are no more than `REDUCED_DIM`."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(axes[:, ::-1][:, :REDUCED_DIM])


def _candidates(
    gallery: Float32[np.ndarray, "n m"], queries: Float32[np.ndarray, "q m"], k: int
) -> Int64[np.ndarray, "q k"]:
    """Rows of nearly the k nearest, -1 where fewer were found."""
    n, m = gallery.shape
    n_cells = min(int(4 * n**0.5), n // _TRAINING_PER_CELL)
    cells = faiss.IndexFlatL2(m)
    index = faiss.IndexIVFFlat(cells, m, n_cells)
    index.cp.niter, index.cp.max_points_per_centroid = 8, _TRAINING_PER_CELL
    index.train(np.ascontiguousarray(gallery))
    index.add(np.ascontiguousarray(gallery))
    index.nprobe = PROBES
    rows: Int64[np.ndarray, "q k"] = index.search(np.ascontiguousarray(queries), k)[1]
    return rows
