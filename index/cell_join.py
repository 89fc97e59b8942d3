"""The comparison of vectors with those of neighbouring cells: pairs whose cosine is a threshold or more."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, Integer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cladescope.arrays import blocks
from cladescope.index.cells import ROUNDING, Cells, unit_rows

Links = tuple[Integer[np.ndarray, " l"], Integer[np.ndarray, " l"], Float32[np.ndarray, " l"]]
"""The two rows of each link, and their cosine."""

_BLOCK_SCORES = 1 << 22
_DENSE = 16
"""Candidates a row from which a block is measured as a whole."""
_WAITING = 1 << 16
"""Candidates that are measured together."""


def join(vectors: Float[np.ndarray, "n d"], cells: Cells, threshold: float) -> Iterator[tuple[int, Links]]:
    """Links between rows that `cells` compares, block by block, each with the number of pairs that they stand for.

    Where few rows of a block are near, every pair is a link. Where many are, as among frames of one scene, links are those
    that join what the pairs of the block join, by the strongest chains: fewer than the block has rows and columns.

    Memory: 5 bytes for each of `_BLOCK_SCORES` scores, 12 d for each of 2^13 candidates; in a dense block 30 bytes a score.
    """
    waiting: list[tuple[Int64[np.ndarray, " _"], Int64[np.ndarray, " _"]]] = []
    n_waiting = 0
    limit = threshold - 1 - ROUNDING  # minus half the squared distance
    for cell in range(cells.n_cells):
        mine = cells.members_of(cell)
        if not len(mine):
            continue
        gallery = cells.coordinates[mine]
        gallery[:, [-2, -1]] = gallery[:, [-1, -2]]
        queries = np.concatenate([mine, cells.askers_of(cell)])
        for start, stop in blocks(len(queries), size=max(1, _BLOCK_SCORES // len(mine))):
            rows = queries[start:stop]
            near = cells.coordinates[rows] @ gallery.T >= limit
            if np.count_nonzero(near) > _DENSE * len(rows):
                yield _dense(vectors, cells, threshold, rows, cell, near)
                continue
            row, place = np.nonzero(near)
            first, second = rows[row], mine[place]
            once = _once(cells, first, second)
            waiting.append((first[once], second[once]))
            n_waiting += len(waiting[-1][0])
            if n_waiting > _WAITING:
                yield _measured(vectors, threshold, waiting)
                waiting, n_waiting = [], 0
    if waiting:
        yield _measured(vectors, threshold, waiting)


def _once(cells: Cells, first: Int64[np.ndarray, " c"], second: Int64[np.ndarray, " c"]) -> Bool[np.ndarray, " c"]:
    """False for a row and itself, and for a pair that is met the other way round too, if the first row is the larger."""
    again = (cells.cell[first] == cells.cell[second]) | cells.asked(second, cells.cell[first])
    once: Bool[np.ndarray, " c"] = (first < second) | ~again
    return once


def _measured(
    vectors: Float[np.ndarray, "n d"],
    threshold: float,
    candidates: list[tuple[Int64[np.ndarray, " _"], Int64[np.ndarray, " _"]]],
) -> tuple[int, Links]:
    first, second = (np.concatenate(part) for part in zip(*candidates, strict=True))
    scores = np.empty(len(first), np.float32)
    for start, stop in blocks(len(first), size=1 << 13):
        one, other = unit_rows(vectors[first[start:stop]]), unit_rows(vectors[second[start:stop]])
        scores[start:stop] = np.einsum("cd,cd->c", one, other)
    good = scores >= threshold
    return int(good.sum()), (first[good], second[good], scores[good])


def _dense(
    vectors: Float[np.ndarray, "n d"],
    cells: Cells,
    threshold: float,
    rows: Int64[np.ndarray, " q"],
    cell: int,
    near: Bool[np.ndarray, "q g"],
) -> tuple[int, Links]:
    """All scores of a block; `near` is overwritten."""
    mine = cells.members_of(cell)
    scores = unit_rows(vectors[rows]) @ unit_rows(vectors[mine]).T
    near &= scores >= threshold
    others, which = np.unique(cells.cell[rows], return_inverse=True)
    again = cells.asked(*np.broadcast_arrays(mine, others[:, None])) | (others == cell)[:, None]
    near &= (rows[:, None] < mine) | ~again[which]
    number = int(np.count_nonzero(near))
    return number, _strongest(scores, near, rows, mine)


def _strongest(
    scores: Float32[np.ndarray, "q g"],
    near: Bool[np.ndarray, "q g"],
    rows: Int64[np.ndarray, " q"],
    columns: Int64[np.ndarray, " g"],
) -> Links:
    """A maximum spanning forest of the pairs that are `near`, of different rows (Boruvka 1926, on a matrix).

    In each round every part takes its best link to another; parts are then what the links join. `near` is overwritten.
    """
    names, number = np.unique(np.concatenate([rows, columns]), return_inverse=True)
    row, column = number[: len(rows)], number[len(rows) :]
    part = np.arange(len(names))
    taken = np.empty((0, 2), np.int64)
    while True:
        near &= part[row][:, None] != part[column]
        if not near.any():
            return rows[taken[:, 0]], columns[taken[:, 1]], scores[taken[:, 0], taken[:, 1]]
        open_scores = np.where(near, scores, -np.inf)
        some, others = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
        by_row = np.stack([some, open_scores[some].argmax(axis=1)], axis=1)
        by_column = np.stack([open_scores[:, others].argmax(axis=0), others], axis=1)
        best = np.concatenate([by_row, by_column])
        best = best[np.argsort(-scores[best[:, 0], best[:, 1]], kind="stable")]
        ends = np.stack([part[row[best[:, 0]]], part[column[best[:, 1]]]], axis=1)
        _, first = np.unique(ends.ravel(), return_index=True)
        taken = np.concatenate([taken, best[np.unique(first // 2)]])
        graph = coo_array((np.ones(len(taken)), (row[taken[:, 0]], column[taken[:, 1]])), shape=(len(names),) * 2)
        part = connected_components(graph, directed=False)[1]
