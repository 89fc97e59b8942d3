"""The clusters of a taxon on a map: each that is large has the taxon's name beside it."""

import numpy as np
from jaxtyping import Int, Real
from scipy.ndimage import label

LEAST_SHARE, LEAST_POINTS = 0.25, 3
MOST = 3
"""Clusters of a taxon that are named."""


def large_clusters(own: Real[np.ndarray, "m 2"], *, reach: float) -> list[Int[np.ndarray, " _"]]:
    """Rows of each cluster that has a quarter of the taxon's points, and three, the largest first; at least the largest one.

    Points belong together where their cells, squares of side `reach`, touch each other, be it at a corner.

    >>> [rows.tolist() for rows in large_clusters(np.array([[0, 0], [1, 0], [0, 1], [9, 9], [9, 8], [8, 9.0]]), reach=1.0)]
    [[0, 1, 2], [3, 4, 5]]
    """
    cells = np.floor((own - own.min(axis=0)) / reach).astype(np.int64)
    grid = np.zeros(cells.max(axis=0) + 1, bool)
    grid[tuple(cells.T)] = True
    numbered, _ = label(grid, structure=np.ones((3, 3)))
    cluster = numbered[tuple(cells.T)]
    sizes = np.bincount(cluster)
    order = np.argsort(-sizes, kind="stable")[:MOST].tolist()
    least = max(LEAST_POINTS, LEAST_SHARE * len(own))
    large = [one for one in order if sizes[one] >= least] or order[:1]
    return [np.flatnonzero(cluster == one) for one in large]
