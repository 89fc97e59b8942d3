"""Arithmetic on vectors that every part shares: unit length, blocks, the k best."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Real

from cladescope.errors import InputError

SMALLEST = float(np.finfo(np.float32).tiny)
LARGEST = float(np.finfo(np.float32).max)
"""Bounds of the largest entry, as a magnitude, of a vector that has a direction."""
NO_DIRECTION = "all zeros, NaN, infinite or beyond float32"
"""What is wrong with a row that `has_direction` refuses, for messages."""


def has_direction(vectors: Real[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
    """Whether each row is finite and float32 can hold it: its largest entry, rounded to float32, lies between the bounds.

    The bounds are `SMALLEST` and `LARGEST`; `SMALLEST` (1.2e-38) is the smallest number that float32 keeps with all its
    digits. The one answer holds for a row before and after it is made float32, whatever its type; every row of float16
    that is finite and not all zeros has a direction. A row of unit length keeps its direction as float16, whose smallest
    number is 6e-8.

    Peak memory: two copies of the rows, as booleans or in their own type.

    >>> has_direction(np.array([[0.0, 1.0], [0.0, 0.0], [np.nan, 1.0], [1e-60, 0.0]]))
    array([ True, False, False, False])
    """
    values = vectors if np.issubdtype(vectors.dtype, np.floating) else vectors.astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        largest = np.abs(values).max(axis=1, initial=0).astype(np.float32)  # NaN where there is one
    good: Bool[np.ndarray, " n"] = (largest >= SMALLEST) & (largest <= LARGEST)
    return good


def check_directions(vectors: Real[np.ndarray, "n d"]) -> None:
    """Raise InputError, which counts them, if rows have no direction, as `has_direction` has it.

    >>> check_directions(np.eye(2))
    """
    bad = ~has_direction(vectors)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"{int(bad.sum())} of {len(vectors)} vectors have no direction ({NO_DIRECTION}), "
            f"the first in row {row}: remove them"
        )


def normalise(vectors: Real[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Scale every row to unit length, in float32 (float64 stays float64).

    Norms are taken of rows scaled by their largest entry, so that no square over- or underflows.

    Raises InputError for a row without direction, as `has_direction` has it.

    >>> normalise(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    check_directions(vectors)
    values = vectors.astype(np.float64 if vectors.dtype == np.float64 else np.float32, copy=False)
    scaled = values / np.abs(values).max(axis=1, keepdims=True)
    unit: Float[np.ndarray, "n d"] = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    return unit


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


def middle_of(sums: Float64[np.ndarray, "l d"]) -> Float64[np.ndarray, " d"] | None:
    """The normalised mean of the directions of some sums, one a lineage; None where nothing but rounding is left.

    >>> middle_of(np.array([[9.0, 0.0], [0.0, 1.0]]))
    array([0.70710678, 0.70710678])
    """
    means = normalise(sums[has_direction(sums)])
    middle = means.mean(axis=0, keepdims=True) if len(means) else np.zeros((1, sums.shape[1]))
    if not has_direction(middle).all():
        return None
    unit: Float64[np.ndarray, " d"] = normalise(middle)[0]
    return unit
