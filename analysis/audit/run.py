"""Care of the data: near-duplicates, leaks between splits, outliers and likely label errors of a store's pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32

from cladescope.analysis.audit import duplicates, label_errors, outliers
from cladescope.arrays import has_direction, normalise
from cladescope.errors import InputError
from cladescope.index import exact, neighbour_graph
from cladescope.index.neighbour_graph import nearest_others
from cladescope.index.store import Store
from cladescope.taxonomy import RANK_INDEX, RANKS

K = 10
COLUMNS = ("image_id", "uri", "content_hash", "observation_id", *RANKS, "common_name")

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Rows of a store and their unit vectors: 4 n d bytes."""

    rows: list[Row]
    vectors: Float32[np.ndarray, "n d"]
    left_out: int
    """Pictures whose vector has no direction: NaN, infinite or zero."""

    @classmethod
    def of_store(
        cls,
        store: Store,
        *,
        split: str | None = None,
        where: str | None = None,
        within: str | None = None,
        limit: int | None = None,
        seed: int = 0,
    ) -> "Pictures":
        """The pictures under the conditions, or `limit` of them drawn at random.

        Raises InputError for a split that is no column of the store.
        """
        if split is not None and split not in store.schema.names:
            raise InputError(f"no column {split!r} in {store.path}: its columns are {', '.join(store.schema.names)}")
        columns = list(dict.fromkeys([*COLUMNS, *([split] if split else []), "vector"]))
        columns = [name for name in columns if name in store.schema.names]
        condition = store.condition(within=within, where=where)
        n = store.count(within=within, where=where)
        chosen = np.ones(n, bool)
        if limit is not None and limit < n:
            chosen[:] = False
            chosen[np.random.default_rng(seed).choice(n, limit, replace=False)] = True
        rows: list[Row] = []
        parts, start = [np.empty((0, store.card.dim), np.float32)], 0
        for batch in store.scan(columns, condition=condition):
            kept = np.flatnonzero(chosen[start : start + batch.num_rows])
            start += batch.num_rows
            flat = batch.column("vector").flatten().to_numpy(zero_copy_only=False)
            parts.append(flat.reshape(-1, store.card.dim)[kept].astype(np.float32))
            rows += batch.select([name for name in columns if name != "vector"]).take(kept).to_pylist()
        vectors = np.concatenate(parts)
        good = has_direction(vectors)
        rows = [row for row, ok in zip(rows, good, strict=True) if ok]
        return cls(rows, normalise(vectors[good]).astype(np.float32), int((~good).sum()))

    def values(self, column: str) -> list[str | None]:
        """A column as texts; None where a row has no value."""
        return [None if row.get(column) in (None, "") else str(row[column]) for row in self.rows]


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found; each table is a list of rows, the gravest first."""

    summary: dict[str, Any]
    duplicates: list[Row] = field(default_factory=list)
    leaks: list[Row] = field(default_factory=list)
    outliers: list[Row] = field(default_factory=list)
    label_errors: list[Row] = field(default_factory=list)


def audit(
    pictures: Pictures, *, split: str | None = None, against: Pictures | None = None, rank: str = "species", k: int = K
) -> Audit:
    """Look for every kind of trouble that the data lets us look for; `summary["notes"]` says what could not be.

    Up to 100,000 vectors each is compared with every other in blocks: 2 n^2 d operations and 4 n d + 12 n k bytes. Above,
    neighbours are those of `neighbour_graph.nearest`, which may miss some.

    Raises InputError for an unknown rank and for fewer than two pictures.
    """
    if rank not in RANK_INDEX:
        raise InputError(f"no rank {rank!r}: use one of {', '.join(RANKS)}")
    n = len(pictures.rows)
    if n < 2:
        raise InputError(f"found {n} pictures with a vector, expected two or more: widen --where, --within or --limit")
    notes = []
    if pictures.left_out:
        notes.append(f"{pictures.left_out} pictures left out: their vectors have no direction (NaN or zero)")
    if n <= k:
        notes.append(f"{n} pictures are fewer than {k} neighbours and oneself: {n - 1} are asked")
    if n * n > neighbour_graph.EXACT_PAIRS:
        notes.append(f"{n:,} pictures: neighbours are sought among the nearest cells, and a few are missed")
    scores, near = nearest_others(pictures.vectors, np.arange(n), min(k, n - 1))
    least = duplicates.threshold(scores[:, 0])
    codes, names = label_errors.encode_labels([[row.get(rank) for rank in RANKS] for row in pictures.rows])
    deepest = RANK_INDEX[rank]
    if (codes.max(axis=0) < 1)[: deepest + 1].all():
        notes.append("no label errors sought: no rank has two taxa")
    suspects = label_errors.find(pictures.vectors, near, codes, deepest=deepest)

    exact_pairs = duplicates.same_value(pictures.values("content_hash"))
    near_pairs = duplicates.linked(scores, near, least)
    doubles = _duplicates(pictures, exact_pairs, near_pairs, codes)
    leaks: list[Row] = []
    if split is not None:
        sides = {value for value in pictures.values(split) if value is not None}
        if len(sides) < 2:
            notes.append(f"no leaks sought: column {split!r} has {len(sides)} values, expected two or more")
        else:
            leaks += _split_leaks(pictures, split, exact_pairs, near_pairs)
    if against is not None:
        leaks += _leaks_against(pictures, against, least)
    far = outliers.find(pictures.vectors, codes)
    strange = [int(row) for row in np.argsort(-np.nan_to_num(far.z, nan=-np.inf)) if far.z[row] > duplicates.FENCE]
    summary = {
        "pictures": n,
        "left_out": pictures.left_out,
        "neighbours": int(near.shape[1]),
        "near_duplicate_from": least,
        "near_duplicate_pairs": len(near_pairs),
        "duplicate_groups": len({row["group"] for row in doubles}),
        "groups_of_mixed_labels": len({row["group"] for row in doubles if row["labels_differ"]}),
        "leaks": len({(row["by"], row["group"]) for row in leaks}),
        "outliers": len(strange),
        "label_errors": len(suspects),
        "label_errors_by_rank": {name: sum(one.rank == i for one in suspects) for i, name in enumerate(RANKS)},
        "notes": notes,
    }
    return Audit(
        summary,
        doubles,
        leaks,
        [
            {
                **_named(pictures.rows[row]),
                "compared_within": RANKS[far.compared[row]] if far.compared[row] >= 0 else "all",
                "distance": float(far.distance[row]),
                "z": float(far.z[row]),
            }
            for row in strange
        ],
        [_suspect(pictures, one, near, codes, names) for one in suspects],
    )


def lineage(row: Row) -> str:
    """The recorded names of a row, from the kingdom down."""
    return " > ".join(str(row[rank]) for rank in RANKS if row.get(rank))


def _named(row: Row) -> Row:
    return {"image_id": row["image_id"], "uri": row["uri"], "lineage": lineage(row)}


def _duplicates(pictures: Pictures, exact_pairs: Any, near_pairs: Any, codes: Any) -> list[Row]:
    n = len(pictures.rows)
    hashes = pictures.values("content_hash")
    table = []
    for number, group in enumerate(duplicates.groups(n, np.concatenate([exact_pairs, near_pairs]))):
        distinct = {hashes[row] for row in group}
        kind = "exact" if len(distinct) == 1 and None not in distinct else "near"
        differ = any(duplicates.mixed(group, [None if c < 0 else int(c) for c in column]) for column in codes.T)
        table += [
            {"group": number, "kind": kind, "labels_differ": differ, **_named(pictures.rows[row])} for row in group
        ]
    return sorted(table, key=lambda row: (not row["labels_differ"], row["group"]))


def _split_leaks(pictures: Pictures, split: str, exact_pairs: Any, near_pairs: Any) -> list[Row]:
    sides = pictures.values(split)
    observed = duplicates.same_value(pictures.values("observation_id"))
    table = []
    for by, pairs in (("content_hash", exact_pairs), ("near_duplicate", near_pairs), ("observation_id", observed)):
        for number, group in enumerate(duplicates.groups(len(sides), pairs)):
            if duplicates.mixed(group, sides):
                table += [
                    {"by": by, "group": number, "side": sides[row], **_named(pictures.rows[row])} for row in group
                ]
    return table


def _leaks_against(pictures: Pictures, other: Pictures, least: float) -> list[Row]:
    """Pictures of this set that the other set holds too: one group a picture and a way of knowing."""
    table = []

    def add(by: str, row: int, their: int) -> None:
        table.append({"by": by, "group": f"against-{row}", "side": "store", **_named(pictures.rows[row])})
        table.append({"by": by, "group": f"against-{row}", "side": "against", **_named(other.rows[their])})

    for by in ("content_hash", "observation_id"):
        theirs = {value: row for row, value in enumerate(other.values(by)) if value is not None}
        for row, value in enumerate(pictures.values(by)):
            if value in theirs:
                add(by, row, theirs[value])
    if len(other.rows):
        scores, found = exact.search([(np.arange(len(other.rows)), other.vectors)], pictures.vectors, 1)
        for hit in np.flatnonzero(scores[:, 0] >= least):
            add("near_duplicate", int(hit), int(found[hit, 0]))
    return table


def _suspect(pictures: Pictures, one: label_errors.Suspect, near: Any, codes: Any, names: Sequence[list[str]]) -> Row:
    """The suggested lineage ends where the supporting neighbours no longer agree by more than half."""
    supporting = [row for row in near[one.row] if codes[row, one.rank] == one.suggested]
    suggested: list[str] = []
    for rank in range(len(RANKS)):
        column = codes[supporting, rank]
        known, counts = np.unique(column[column >= 0], return_counts=True)
        if len(known) and 2 * counts.max() > len(supporting):
            suggested.append(names[rank][int(known[counts.argmax()])])
        elif rank > one.rank:
            break
    return {
        **_named(pictures.rows[one.row]),
        "suggested": " > ".join(suggested),
        "part_at": RANKS[one.rank],
        "confidence": one.confidence,
    }
