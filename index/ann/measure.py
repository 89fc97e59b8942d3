"""Figures of an index over queries that chose nothing: recall by kind, class and source, and what it does to the consensus."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from cladescope.embedding.kin import vote_weights
from cladescope.index.ann.card import Measured
from cladescope.index.ann.queries import PICTURE, RARE, Queries
from cladescope.index.ann.recall import recalled, share_of
from cladescope.index.ann.tune import answers, exact_answers
from cladescope.index.ann.tuned import TunedIndex
from cladescope.index.consensus import consensus
from cladescope.index.resident.rows import Rows

RECALL_AT = (1, 10, 100)
CONSENSUS_HITS = 10
FEWEST = 5
"""Queries that a class or a source must have to be named."""
TIMED = 500
"""Queries of a kind that are timed, at most."""
SHOWN = 20
"""Classes and sources that are named, the worst first."""


class Figures:
    """Recall of each query, and whether its consensus changed."""

    def __init__(self, index: TunedIndex, queries: Queries) -> None:
        """Ask all queries; k is 1, 10 and 100, as far as the index has others to be found."""
        self.index, self.queries = index, queries
        self.ks = [k for k in RECALL_AT if k < len(index)]
        truth = exact_answers(index.engine, queries, max(self.ks))
        vectors = index.flat.vectors
        self.shares: dict[str, Float64[np.ndarray, " q"]] = {}
        found_ten = truth.positions[:, :0]
        for k in self.ks:
            found = _asked(index, queries, k)
            self.shares[str(k)] = recalled(vectors, queries.vectors, truth.positions, found, k)
            found_ten = found if k <= CONSENSUS_HITS else found_ten
        self.changed = _changed(index, queries, truth.positions[:, : found_ten.shape[1]], found_ten)

    def of(self, some: Bool[np.ndarray, " q"], *, timed: bool = False) -> Measured:
        """The figures over some of the queries."""
        groups = self.queries.groups[some]
        return Measured(
            n=int(some.sum()),
            recall={k: share_of(shares[some], groups, parts=int(k)) for k, shares in self.shares.items()},
            consensus_changed=None if self.changed is None else share_of(self.changed[some], groups),
            per_second=_rate(self.index, self.queries.where(some)) if timed else None,
        )

    def by_kind(self) -> dict[str, Measured]:
        """Figures of each kind of query."""
        return {name: self.of(some, timed=name != RARE) for name, some in self.queries.kinds.items()}

    def as_vectors(self, k: int) -> dict[str, Measured]:
        """Recall at k of the kinds that are composed, each asked as one vector, without word of what it is made of: `search` learns
        that from its parts, never from a vector.
        """
        index, asked = self.index, self.queries.where(self.queries.composed)
        if not len(asked):
            return {}
        plain = replace(asked, composed=np.zeros(len(asked), bool))
        truth = exact_answers(index.engine, plain, k)
        shares = recalled(index.flat.vectors, plain.vectors, truth.positions, _asked(index, plain, k), k)
        return {
            name: Measured(n=int(some.sum()), recall={str(k): share_of(shares[some], plain.groups[some], parts=k)})
            for name, some in plain.kinds.items()
        }

    def by_value(self, values: Sequence[str | None]) -> dict[str, Measured]:
        """Figures of left-out pictures by a value of each query, where at least two values have enough of them; worst first."""
        pictures = self.queries.kinds.get(PICTURE)
        if pictures is None:
            return {}
        all_values = np.array([value or "" for value in values], dtype=object)
        found = {value: pictures & (all_values == value) for value in sorted({*all_values[pictures]} - {""})}
        measured = {value: self.of(some) for value, some in found.items() if some.sum() >= FEWEST}
        k = str([k for k in self.ks if k <= CONSENSUS_HITS][-1])
        worst = sorted(measured.items(), key=lambda item: (item[1].recall[k].mean, item[0]))
        return dict(worst[:SHOWN]) if len(worst) > 1 else {}


def values_of(rows: Rows, queries: Queries, column: str) -> list[str | None]:
    """A rank or column of the picture that each query is; None where it is none."""
    there = np.maximum(queries.rows, 0)
    if column in rows.lineages.table.column_names:
        names = rows.lineages.table.column(column).to_pylist()
        found = [names[code] for code in rows.codes[there]]
    else:
        found = rows.values(there, [column])[column]
    return [value if row >= 0 else None for value, row in zip(found, queries.rows, strict=True)]


def failing(queries: dict[str, Measured], target: float, k: int) -> tuple[str, ...]:
    """Kinds whose mean recall falls short of a target."""
    return tuple(name for name, measured in queries.items() if measured.recall[str(k)].mean < target)


def _changed(
    index: TunedIndex, queries: Queries, exact: Int64[np.ndarray, "q k"], found: Int64[np.ndarray, "q k"]
) -> Float64[np.ndarray, " q"] | None:
    """1 for each query whose consensus taxon is another than by exact search, 0 for others; None where no row has a taxon."""
    if not any(index.rows.taxon(int(row)) is not None for row in exact[:, 0] if row >= 0):
        return None
    changed = np.zeros(len(queries))
    for place in np.flatnonzero((exact != found).any(axis=1)):
        agreed = [_agreed(index, queries, int(place), positions) for positions in (exact[place], found[place])]
        changed[place] = agreed[0] != agreed[1]
    return changed


def _agreed(index: TunedIndex, queries: Queries, place: int, positions: Int64[np.ndarray, " k"]) -> object:
    positions = positions[positions >= 0]
    scores = index.flat.vectors[positions].astype(np.float32) @ queries.vectors[place]
    weights = vote_weights(range(len(positions)), scores.tolist())
    return consensus([index.rows.taxon(int(row)) for row in positions], weights).taxon


def _asked(index: TunedIndex, queries: Queries, k: int) -> Int64[np.ndarray, "q k"]:
    """Answers to all queries, each asked as a search asks it: for k hits, and those that are composed as what they are."""
    found = np.empty((len(queries), k), np.int64)
    for composed, some in ((False, ~queries.composed), (True, queries.composed)):
        if some.any():

            def ask(vectors: np.ndarray, k: int, composed: bool = composed) -> tuple[np.ndarray, np.ndarray]:
                return index.search(vectors, k, composed=composed)

            (found[some], _), _ = answers(ask, queries.where(some), k)
    return found


def _rate(index: TunedIndex, queries: Queries) -> float:
    queries = queries.where(np.arange(len(queries)) < TIMED)
    started = time.perf_counter()
    _asked(index, queries, min(CONSENSUS_HITS, len(index)))
    return round(len(queries) / max(time.perf_counter() - started, 1e-9), 1)
