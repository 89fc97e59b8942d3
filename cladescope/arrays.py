"""Arithmetic on vectors that every part shares: unit length, blocks, the k best."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from cladescope.errors import InputError


def normalise(vectors: Real[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Scale every row to unit length, in float32 (float64 stays float64).

    Raises InputError for a row without direction: all zeros, NaN or infinite. Norms are taken of rows scaled by their
    largest entry, so that no finite row over- or underflows.

    >>> normalise(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    dtype = np.float64 if vectors.dtype == np.float64 else np.float32
    values = vectors.astype(dtype, copy=False)
    check_directions(values)
    scaled = values / np.abs(values).max(axis=1, keepdims=True)
    unit: Float[np.ndarray, "n d"] = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    return unit


def check_directions(vectors: Real[np.ndarray, "n d"]) -> None:
    """Raise InputError, which counts them, if rows are all zeros, NaN or infinite.

    >>> check_directions(np.eye(2))
    """
    bad = ~has_direction(vectors)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"{int(bad.sum())} of {len(vectors)} vectors have no direction (all zeros, NaN or infinite), "
            f"the first in row {row}: remove them"
        )


def has_direction(vectors: Real[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
    """Whether each row is finite and not all zeros.

    >>> has_direction(np.array([[0.0, 1.0], [0.0, 0.0], [np.nan, 1.0]]))
    array([ True, False, False])
    """
    good: Bool[np.ndarray, " n"] = np.isfinite(vectors).all(axis=1) & (vectors != 0).any(axis=1)
    return good


def blocks(n: int, *, size: int) -> Iterator[tuple[int, int]]:
    """Start and stop of consecutive blocks of at most `size` rows out of `n`.

    >>> list(blocks(5, size=2))
    [(0, 2), (2, 4), (4, 5)]
    """
    assert size > 0
    for start in range(0, n, size):
        yield start, min(start + size, n)


def merge_top_k(
    scores: Float[np.ndarray, "q m"], keys: Int[np.ndarray, "q m"], k: int
) -> tuple[Float[np.ndarray, "q k"], Int[np.ndarray, "q k"]]:
    """The k best of m candidates for each query: scores and keys, best first, ties by the smaller key.

    The order of the candidates does not matter. With fewer than k candidates all come back. A key of -1 marks a place
    that is not filled and comes last.

    >>> merge_top_k(np.array([[0.5, 0.9, 0.5]]), np.array([[7, 3, 2]]), 2)
    (array([[0.9, 0.5]]), array([[3, 2]]))
    """
    empty = keys < 0
    order = np.lexsort((keys, np.where(empty, np.inf, -scores)), axis=1)[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(keys, order, axis=1)
