"""Vectors in cells, and the cells in which whatever lies near a vector must be looked for."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, Int64, Integer

from cladescope.arrays import blocks, normalise
from cladescope.index.late_faiss import faiss
from cladescope.index.neighbour_graph import principal_axes

ONE_CELL_UP_TO = 20_000
"""Vectors that lie in one cell together, so that each is compared with every other."""
PROBES = 64
"""Cells at most that a vector is compared with, its own among them."""
ROUNDING = 1e-5
"""What float32 may do to a squared distance between unit vectors."""

_CELLS_PER_ROOT = 4
_TRAINING_PER_CELL = 40
_SAMPLE_ROWS = 20_000
_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True, eq=False)
class Cells:
    """n vectors by their nearest centroid, one of c, and what else each is to be compared with.

    Memory: 4 n (m + 3) bytes for m components (`neighbour_graph.REDUCED_DIM` at most), 13 n for cells and members, and 8 for each cell
    beyond its own that a vector is compared with.
    """

    coordinates: Float32[np.ndarray, "n e"]
    """m principal components and the length of what they leave, then half the square of all these, negative, and 1.

    Distances between them are those of the vectors, or shorter. The scalar product of one row and another whose last two
    entries are swapped is minus half the squared distance.
    """
    cell: Int32[np.ndarray, " n"]
    members: Int64[np.ndarray, " joined"]
    """The rows that are compared, by cell, and within a cell in order."""
    starts: Int64[np.ndarray, " _"]
    asks: Int64[np.ndarray, " asked"]
    """Sorted; n * cell + row for each row that is compared with the members of another cell."""
    is_joined: Bool[np.ndarray, " n"]
    """Rows that are members of their cell; the others are not compared."""
    is_cut: Bool[np.ndarray, " n"]
    """Rows that should be compared with more cells than were allowed."""

    @property
    def n_cells(self) -> int:
        """How many there are."""
        return len(self.starts) - 1

    def members_of(self, cell: int) -> Int64[np.ndarray, " _"]:
        """The rows in a cell."""
        return self.members[self.starts[cell] : self.starts[cell + 1]]

    def askers_of(self, cell: int) -> Int64[np.ndarray, " _"]:
        """Rows of other cells that are compared with those in this one."""
        n = len(self.cell)
        start, stop = np.searchsorted(self.asks, [n * cell, n * (cell + 1)])
        found: Int64[np.ndarray, " _"] = self.asks[start:stop] - n * cell
        return found

    def asked(self, rows: Integer[np.ndarray, "*p"], cells: Integer[np.ndarray, "*p"]) -> Bool[np.ndarray, "*p"]:
        """Whether rows are compared with the members of these other cells."""
        if not len(self.asks):
            return np.zeros(rows.shape, bool)
        keys = cells.astype(np.int64) * len(self.cell) + rows
        found: Bool[np.ndarray, "*p"] = self.asks[np.searchsorted(self.asks[:-1], keys)] == keys
        return found

    def compared(self, first: Integer[np.ndarray, " p"], second: Integer[np.ndarray, " p"]) -> Bool[np.ndarray, " p"]:
        """Whether two rows are compared at all: they share a cell, or one asks the cell of the other."""
        mine, theirs = self.cell[first], self.cell[second]
        found: Bool[np.ndarray, " p"] = (mine == theirs) | self.asked(first, theirs) | self.asked(second, mine)
        return found


def cells_of(
    vectors: Float[np.ndarray, "n d"],
    radius: float,
    *,
    rows: Int64[np.ndarray, " r"],
    probes: int = PROBES,
    seed: int = 0,
) -> Cells:
    """Cells such that any two of some rows within a Euclidean distance are compared, unless one of them is cut.

    Two points on either side of the plane between two centroids lie no nearer than the sum of their distances from it. So
    one of two rows within `radius` is within half of it from the plane, and it asks the other's cell: no pair is missed,
    whatever the data. That holds in any orthogonal projection too, for it only shortens distances. A row that would ask more
    than `probes` cells asks the nearest of them, and is cut: where the radius is wide, pairs may be missed.

    Centroids are k-means over a sample, 4 sqrt(n) of them above `ONE_CELL_UP_TO` rows. Rows have unit length, or nearly so,
    as in float16. Memory: that of the result, and 8 n probes bytes at most while it is made.

    Raises InputError for a row without direction.
    """
    n = len(vectors)
    generator = np.random.default_rng(seed)
    sample = unit_rows(vectors[np.sort(generator.choice(n, min(n, _SAMPLE_ROWS), replace=False))])
    mean = sample.mean(axis=0)
    axes = principal_axes(sample)
    coordinates = np.empty((n, axes.shape[1] + 3), np.float32)
    for start, stop in blocks(n, size=_BLOCK_ROWS):
        _project(unit_rows(vectors[start:stop]) - mean, axes, out=coordinates[start:stop])
    cell, is_cut, asks = np.zeros(n, np.int32), np.zeros(n, bool), np.empty(0, np.int64)
    n_cells = 1
    if n > ONE_CELL_UP_TO:
        n_cells = max(1, min(int(_CELLS_PER_ROOT * n**0.5), n // 4))
        chosen = np.sort(generator.choice(n, min(n, _TRAINING_PER_CELL * n_cells), replace=False))
        centroids = _centroids(coordinates[chosen, :-2], n_cells, seed)
        asks = _assign(coordinates, centroids, radius, min(probes, n_cells), cell, is_cut)
    is_joined = np.zeros(n, bool)
    is_joined[rows] = True
    asks = asks[is_joined[asks % n]]
    members = rows[np.argsort(cell[rows], kind="stable")]
    starts = np.searchsorted(cell[members], np.arange(n_cells + 1))
    return Cells(coordinates, cell, members, starts, asks, is_joined, is_cut & is_joined)


def unit_rows(vectors: Float[np.ndarray, "b d"]) -> Float32[np.ndarray, "b d"]:
    """Rows of unit length, or nearly so, in float32 and of unit length: `normalise`, with fewer passes over them.

    Raises InputError for a row without direction.

    >>> unit_rows(np.array([[0.6, 0.8]], np.float16)).dtype
    dtype('float32')
    """
    values = vectors.astype(np.float32)
    lengths = np.sqrt(np.einsum("bd,bd->b", values, values))
    if not ((lengths > 0.5) & (lengths < 2)).all():
        return normalise(values)
    values /= lengths[:, None]
    return values


def _project(
    centred: Float32[np.ndarray, "b d"], axes: Float32[np.ndarray, "d m"], *, out: Float32[np.ndarray, "b e"]
) -> None:
    m = axes.shape[1]
    out[:, :m] = centred @ axes
    square = np.einsum("bd,bd->b", centred, centred)
    kept = np.einsum("bm,bm->b", out[:, :m], out[:, :m])
    out[:, m] = np.sqrt(np.maximum(square - kept, 0.0))
    out[:, m + 1] = np.maximum(square, kept) / -2
    out[:, m + 2] = 1


def _centroids(sample: Float32[np.ndarray, "s f"], n_cells: int, seed: int) -> Float32[np.ndarray, "c f"]:
    means = faiss.Kmeans(sample.shape[1], n_cells, niter=8, seed=seed, max_points_per_centroid=_TRAINING_PER_CELL)
    means.cp.min_points_per_centroid = 1
    means.train(np.ascontiguousarray(sample))
    found: Float32[np.ndarray, "c f"] = means.centroids
    return found


def _assign(
    coordinates: Float32[np.ndarray, "n e"],
    centroids: Float32[np.ndarray, "c f"],
    radius: float,
    probes: int,
    cell: Int32[np.ndarray, " n"],
    is_cut: Bool[np.ndarray, " n"],
) -> Int64[np.ndarray, " asked"]:
    """Fill in `cell` and `is_cut`, and return `asks`."""
    n, n_cells = len(cell), len(centroids)
    squares = np.einsum("cm,cm->c", centroids, centroids)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * centroids @ centroids.T, 1e-12))
    found = []
    for start, stop in blocks(n, size=_BLOCK_ROWS):
        block = np.ascontiguousarray(coordinates[start:stop, :-2])
        far, near = faiss.knn(block, centroids, min(probes + 1, n_cells))
        cell[start:stop] = near[:, 0]
        # The distance from the plane is the difference of the squares over 2 `apart`.
        is_near = far - far[:, :1] <= radius * apart[near[:, :1], near] + ROUNDING
        is_cut[start:stop] = is_near[:, probes:].any(axis=1)
        row, place = np.nonzero(is_near[:, 1:probes])
        found.append(near[row, place + 1] * n + row + start)
    asks = np.concatenate(found)
    asks.sort()
    return asks
