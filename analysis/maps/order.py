"""The order in which a map's pictures are sent: every prefix shows where points lie, and where many of them do."""

import numpy as np
from jaxtyping import Float32, Int64

FINEST = 10
"""The finest grid has 2 to the power of this many cells a side."""


def bounds(points: Float32[np.ndarray, "n 2"]) -> tuple[list[float], list[float]]:
    """The least and the greatest x, and the same of y; zeros where there is no point.

    >>> bounds(np.array([[0, 5], [2, 4]], np.float32))
    ([0.0, 2.0], [4.0, 5.0])
    """
    if not len(points):
        return [0.0, 0.0], [0.0, 0.0]
    low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return [low[0], high[0]], [low[1], high[1]]


def density_aware_order(points: Float32[np.ndarray, "n 2"], *, seed: int = 0) -> Int64[np.ndarray, " n"]:
    """A permutation of the rows. Each prefix is a sample in which no outlying group is missing, and dense places are dense.

    Grids of 1, 2, 4, ... cells a side are gone over in turn: of each one point a cell that is left, and as many drawn at random of all.
    So the first 2 * 4**g rows or fewer have a point in every cell of the grid of 2**g cells a side. Some 60 bytes a point; a million take seconds.

    >>> density_aware_order(np.array([[0, 0], [0, 0.1], [9, 9]], np.float32)).tolist() in ([0, 2, 1], [1, 2, 0], [2, 0, 1], [2, 1, 0])
    True
    """
    n = len(points)
    left = np.random.default_rng(seed).permutation(n)
    if n < 3:
        return left.astype(np.int64)
    low = points.min(axis=0)
    side = max(float((points.max(axis=0) - low).max()), 1e-9)
    places = ((points - low) / np.float32(side) * (1 - 1e-6)).clip(0, 1 - 1e-6)
    taken: list[Int64[np.ndarray, " m"]] = []
    filled = np.zeros(0, np.int64)
    for level in range(FINEST + 1):
        if not len(left):
            break
        cells = _cells(places, level)
        # Cells that hold a point of the sample already have no need of one; `unique` takes the first of each, in random order.
        found, first = np.unique(cells[left], return_index=True)
        first = np.sort(first[~np.isin(found, cells[filled], assume_unique=False)])
        is_left = np.ones(len(left), bool)
        is_left[first] = False
        rest = np.flatnonzero(is_left)[: len(first)]
        is_left[rest] = False
        taken += [left[first], left[rest]]
        filled = np.concatenate([filled, left[first], left[rest]])
        left = left[is_left]
    return np.concatenate([*taken, left]).astype(np.int64)


def _cells(places: Float32[np.ndarray, "n 2"], level: int) -> Int64[np.ndarray, " n"]:
    """The number of each point's cell in a grid of 2**level cells a side."""
    columns = (places * 2**level).astype(np.int64)
    found: Int64[np.ndarray, " n"] = (columns[:, 0] << level) + columns[:, 1]
    return found
