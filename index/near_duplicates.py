"""Near-duplicates of a whole store: which vectors a chain of small distances joins, for millions of them on one machine.

How vectors come to be compared is in `cells`, what is kept of the links in `link_forest`, the groups in `clusters`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64

from cladescope.arrays import blocks
from cladescope.errors import InputError
from cladescope.index.cell_join import join
from cladescope.index.cells import PROBES, Cells, cells_of, unit_rows
from cladescope.index.clusters import components
from cladescope.index.intervals import wilson
from cladescope.index.link_forest import LinkForest

CHECKED_ROWS = 1_000
"""Rows that are compared with all others to learn what the search has missed."""

_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True, slots=True)
class Check:
    """What an exact search of some rows, drawn at random, found, and how much of it the join had found."""

    rows: int
    rows_with_pairs: int
    pairs: int
    found: int
    """Pairs that were compared."""
    together: int
    """Pairs that one chain of links joins, whether they were compared or not."""

    @property
    def share(self) -> float | None:
        """The share of the pairs that was found; None where the rows have none."""
        return self.found / self.pairs if self.pairs else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Bounds of `share` at 95 % (`intervals.wilson`), as if all pairs of a row were found or missed together.

        >>> Check(rows=1000, rows_with_pairs=100, pairs=150, found=150, together=150).interval
        (0.963..., 1.0)
        """
        if self.share is None:
            return None
        return wilson(self.share, float(self.rows_with_pairs))


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """What joins the near-duplicates among n rows, and how sure it is that nothing is missing."""

    links: Int64[np.ndarray, "l 2"]
    """Fewer than n links, which join what the pairs join: by the chains whose weakest link is strongest."""
    scores: Float32[np.ndarray, " l"]
    """The cosine of each link, at least the threshold."""
    n_pairs: int
    """Pairs that were found among distinct vectors."""
    n_copies: int
    """Rows whose vector is that of an earlier row, number by number."""
    n_cut: int
    """Rows that would have had to be compared with more cells than were allowed; where it is 0, no pair is missing."""
    check: Check | None
    """None where every vector was compared with every other."""


def near_duplicates(
    vectors: Float[np.ndarray, "n d"],
    threshold: float,
    *,
    probes: int = PROBES,
    checked_rows: int = CHECKED_ROWS,
    seed: int = 0,
) -> NearDuplicates:
    """The links between unit vectors whose cosine is `threshold` or more.

    Up to `cells.ONE_CELL_UP_TO` vectors each is compared with every other. Above, a vector is compared with those in the
    cells that can hold a near-duplicate of it, of which there are few where the threshold is high: see `cells_of`. What that
    misses, if anything, is measured on `checked_rows` rows. Candidates are found by `REDUCED_DIM` principal components,
    which never lose a pair, and then measured in full. Copies of one vector are linked, and compared once.

    `vectors` may be a memory-mapped array in float16. Memory beside them: some 4 (m + 3) + 300 bytes a row for m components,
    700 bytes in all, and 300 MB for blocks; it does not depend on the number of pairs. Time: where most of a cell is near-duplicates,
    as with thousands of frames of one scene, each pair compared costs as much as d products.

    Raises InputError for a threshold that is no cosine and for a row without direction.

    >>> found = near_duplicates(np.array([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0]], np.float32), 0.9)
    >>> found.links.tolist(), found.n_pairs
    ([[1, 2]], 1)
    """
    if not -1 <= threshold <= 1:
        raise InputError(f"threshold is {threshold}, expected a cosine from -1 to 1, such as 0.95")
    n = len(vectors)
    forest = LinkForest(n)
    first = _first_of_copies(vectors)
    rows = np.flatnonzero(first == np.arange(n))
    copies = np.flatnonzero(first < np.arange(n))
    forest.add(first[copies], copies, np.ones(len(copies), np.float32))
    if len(rows) < 2:
        return NearDuplicates(*forest.links(), n_pairs=0, n_copies=len(copies), n_cut=0, check=None)
    cells = cells_of(vectors, (2 - 2 * threshold) ** 0.5, rows=rows, probes=probes, seed=seed)
    n_pairs = 0
    for number, some in join(vectors, cells, threshold):
        n_pairs += number
        forest.add(*some)
    links, scores = forest.links()
    check = None
    if cells.n_cells > 1:
        drawn = np.random.default_rng([seed, 1]).choice(rows, min(checked_rows, len(rows)), replace=False)
        check = _check(vectors, cells, threshold, np.sort(drawn), components(n, links))
    return NearDuplicates(links, scores, n_pairs, len(copies), int(cells.is_cut.sum()), check)


def _first_of_copies(vectors: Float[np.ndarray, "n d"]) -> Int64[np.ndarray, " n"]:
    """For each row the first row with the same numbers, by a hash of 64 bits and then by the numbers."""
    n, d = vectors.shape
    word = np.dtype(f"u{vectors.dtype.itemsize}")
    factors = np.random.default_rng(0).integers(1 << 63, size=d, dtype=np.uint64) * 2 + 1
    hashes = np.empty(n, np.uint64)
    for start, stop in blocks(n, size=_BLOCK_ROWS):
        words = np.ascontiguousarray(vectors[start:stop]).view(word).astype(np.uint64)
        hashes[start:stop] = (words * factors).sum(axis=1, dtype=np.uint64)
    _, first, same = np.unique(hashes, return_index=True, return_inverse=True)
    found = first[same].astype(np.int64)
    later = np.flatnonzero(found < np.arange(n))
    for start, stop in blocks(len(later), size=_BLOCK_ROWS):
        some = later[start:stop]
        other = (vectors[some] != vectors[found[some]]).any(axis=1)
        found[some[other]] = some[other]
    return found


def _check(
    vectors: Float[np.ndarray, "n d"],
    cells: Cells,
    threshold: float,
    rows: Int64[np.ndarray, " r"],
    component: Int64[np.ndarray, " n"],
) -> Check:
    """Compare some rows with all others that are joined, in full."""
    asked = unit_rows(vectors[rows])
    pairs = found = together = 0
    has_pairs = np.zeros(len(rows), bool)
    for start, stop in blocks(len(vectors), size=_BLOCK_ROWS):
        near = asked @ unit_rows(vectors[start:stop]).T >= threshold
        near &= cells.is_joined[start:stop]
        place, other = np.nonzero(near)
        other += start
        place, other = place[other != rows[place]], other[other != rows[place]]
        has_pairs[place] = True
        pairs += len(place)
        found += int(cells.compared(rows[place], other).sum())
        together += int((component[rows[place]] == component[other]).sum())
    return Check(len(rows), int(has_pairs.sum()), pairs, found, together)
