"""How far a map keeps neighbours together: trustworthiness and continuity, on sampled points with their error."""

import numpy as np
from jaxtyping import Float, Int, Real

from cladescope.arrays import blocks
from cladescope.errors import InputError

SAMPLE = 1000
BLOCK_BYTES = 1 << 27
"""Most bytes of the distances of one block of points."""


def trustworthiness(
    vectors: Real[np.ndarray, "n d"],
    points: Real[np.ndarray, "n m"],
    *,
    k: int = 15,
    sample: int = SAMPLE,
    seed: int = 0,
) -> tuple[float, float]:
    """Share in 0..1 of a map's neighbourhoods that are true, and its standard error (0 where every point is asked).

    Venna and Kaski 2001, Neighborhood preservation in nonlinear projection methods, equation 1: a point among the k
    nearest on the map costs by how far it stands behind the k nearest of the vectors. Here over `sample` points drawn
    without replacement, with the finite population correction. Continuity is the same with the two exchanged.
    Equally far points share the better place. Memory: `BLOCK_BYTES` for each space; never n x n.

    Raises InputError where n <= 2 k, for which the measure is not defined.

    >>> line = np.arange(10.0)[:, None]
    >>> trustworthiness(line, line, k=2)
    (1.0, 0.0)
    """
    n = len(vectors)
    if n <= 2 * k:
        raise InputError(f"{n} points are too few for neighbourhoods of {k}: give more than {2 * k}, or a smaller k")
    asked = np.random.default_rng(seed).permutation(n)[:sample]
    costs = np.empty(len(asked))
    squares, lengths = _lengths(vectors), _lengths(points)
    for start, stop in blocks(len(asked), size=max(1, BLOCK_BYTES // (8 * n))):
        rows = asked[start:stop]
        far = _distances(vectors, squares, rows)
        drawn = _distances(points, lengths, rows)
        near = np.argpartition(drawn, k - 1, axis=1)[:, :k]
        for place, (own, others) in enumerate(zip(far, near, strict=True), start=start):
            ranks = (own < own[others][:, None]).sum(axis=1) + 1
            costs[place] = np.maximum(ranks - k, 0).sum()
    values = 1 - 2 * costs / (k * (2 * n - 3 * k - 1))
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return float(values.mean()), spread / len(values) ** 0.5 * (1 - len(values) / n) ** 0.5


def continuity(
    vectors: Real[np.ndarray, "n d"],
    points: Real[np.ndarray, "n m"],
    *,
    k: int = 15,
    sample: int = SAMPLE,
    seed: int = 0,
) -> tuple[float, float]:
    """Share of the vectors' neighbourhoods that the map keeps: `trustworthiness` with the spaces exchanged."""
    return trustworthiness(points, vectors, k=k, sample=sample, seed=seed)


def error_said(error: float, n: int) -> str:
    """The standard error of a measure of a map of n points: none where all were asked, and never a row of zeros.

    >>> error_said(0.0, 48), error_said(0.0021, 9000), error_said(0.00001, 9000)
    ('none: measured on all', '0.0021', 'under 0.0001')
    """
    if n <= SAMPLE:
        return "none: measured on all"
    return f"{error:.4f}" if error >= 0.00005 else "under 0.0001"


def _lengths(points: Real[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    squares: Float[np.ndarray, " n"] = np.einsum("nd,nd->n", points, points)
    return squares


def _distances(
    points: Real[np.ndarray, "n d"], lengths: Float[np.ndarray, " n"], rows: Int[np.ndarray, " b"]
) -> Float[np.ndarray, "b n"]:
    """Squared distances of some rows to all, by one product; to itself infinite."""
    found: Float[np.ndarray, "b n"] = lengths[rows, None] + lengths - 2 * (points[rows] @ points.T)
    found[np.arange(len(rows)), rows] = np.inf
    return found
