"""What filters cost and find, from a few rows to half of all: where the structure beats comparing every row that is left."""

import time
from collections.abc import Callable
from dataclasses import replace
from math import isqrt
from statistics import median
from typing import Any

import numpy as np
from jaxtyping import Int64

from cladescope.index.ann.queries import PICTURE, STORED, Queries
from cladescope.index.ann.recall import recalled
from cladescope.index.ann.tuned import TunedIndex
from cladescope.index.resident.selection import Selection, selected
from cladescope.taxonomy import RANKS

PARTS = (0.00001, 0.0001, 0.001, 0.01, 0.1, 0.5)
FEWEST_ROWS = 10
N_QUERIES = 60
N_TIMED = 12
"""Queries that are asked one by one, for a time."""
K = 10
RANDOM = "random rows"


def sweep(
    index: TunedIndex, choosing: Queries, measuring: Queries, target: float, *, seed: int = 0
) -> tuple[int, tuple[dict[str, Any], ...]]:
    """The number of rows up to which a filter is best answered exactly, and the table that says so.

    That number is chosen with the recall and the times of one half of the queries; the table gives those of the other.

    Rows are drawn at random and, where clades of a like size are there, taken as a clade: a filter by rows leaves the query's
    neighbours here and there, one by a clade all or none. Queries are left-out pictures, or stored ones, most of them from outside
    the clade; these are answered exactly in the end, so that a clade's time says little of its members'.
    """
    if index.engine.is_flat:
        return len(index), ()
    chosen_by, asked = _asked(choosing), _asked(measuring)
    if not len(chosen_by) or not len(asked):
        return len(index), ()
    generator = np.random.default_rng(seed)
    unbound = TunedIndex(replace(index.card, exact_below=0), index.rows, index.engine)
    sizes = [size for size in (round(part * len(index)) for part in PARTS) if size >= FEWEST_ROWS]
    rows, exact_below = [], 0
    for place, size in enumerate(sizes):
        mask = np.zeros(len(index), bool)
        mask[generator.choice(len(index), size, replace=False)] = True
        for name, selection in ((RANDOM, selected(mask)), *_clade(index, size)):
            tried, row = _measured(unbound, chosen_by, selection), _measured(unbound, asked, selection)
            if name == RANDOM and tried["index_ms"] >= tried["exact_ms"]:
                # The index overtakes somewhere between this size and the next.
                exact_below = max(exact_below, isqrt(size * sizes[place + 1]) if place + 1 < len(sizes) else len(index))
            if tried["recall"] < target:
                exact_below = max(exact_below, selection.n)
            rows.append({"of": name, "rows": selection.n, "share": round(selection.n / len(index), 6), **row})
    for row in rows:
        row["answered"] = "exactly" if row["rows"] <= exact_below else "by the index"
    return exact_below, tuple(rows)


def _asked(queries: Queries) -> np.ndarray:
    """The left-out pictures, or else the stored ones, that are asked."""
    kinds = queries.kinds
    return queries.where(kinds.get(PICTURE, kinds.get(STORED, np.zeros(len(queries), bool)))).vectors[:N_QUERIES]


def _measured(index: TunedIndex, queries: np.ndarray, selection: Selection) -> dict[str, Any]:
    k = min(K, selection.n)
    exact = index.exact(queries, k, selection=selection)[1]
    found = index.search(queries, k, selection=selection)[1]
    return {
        "recall": round(float(recalled(index.flat.vectors, queries, exact, found, k).mean()), 4),
        "index_ms": _milliseconds(lambda query: index.search(query, k, selection=selection), queries),
        "exact_ms": _milliseconds(lambda query: index.exact(query, k, selection=selection), queries),
    }


def _milliseconds(ask: Callable[[np.ndarray], object], queries: np.ndarray) -> float:
    """Median time of queries that come one by one."""
    times = []
    for query in queries[:N_TIMED]:
        started = time.perf_counter()
        ask(query[None])
        times.append(time.perf_counter() - started)
    return round(1000 * median(times), 3)


def _clade(index: TunedIndex, size: int) -> list[tuple[str, Selection]]:
    """The clade whose size is nearest, within a factor of three."""
    counts = np.bincount(index.rows.codes[: len(index)], minlength=len(index.rows.lineages))
    best: tuple[float, str, Int64[np.ndarray, " c"]] | None = None
    names = [index.rows.lineages.table.column(rank).to_pylist() for rank in RANKS]
    for depth in range(1, len(RANKS) + 1):
        paths = list(zip(*names[:depth], strict=True))
        numbers: dict[tuple[str | None, ...], int] = {}
        place = np.array([numbers.setdefault(path, len(numbers)) for path in paths], np.int64)
        sizes = np.bincount(place, counts, len(numbers))
        for path, number in numbers.items():
            away = abs(np.log(max(sizes[number], 1) / size))
            if path[-1] is not None and sizes[number] and away < np.log(3) and (best is None or away < best[0]):
                best = (float(away), f"{RANKS[depth - 1]} {path[-1]}", np.flatnonzero(place == number))
    if best is None:
        return []
    return [(best[1], selected(np.isin(index.rows.codes[: len(index)], best[2])))]
