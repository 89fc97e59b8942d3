"""Auditing the data: near-duplicates, leaks between splits, outliers and likely label errors of a store's pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from cladescope.analysis.audit import duplicates, label_errors, local_outliers, outliers
from cladescope.analysis.audit.leaks import leaks_against, split_leaks
from cladescope.analysis.audit.near_pairs import UNSEEN, addresses, seen
from cladescope.analysis.audit.rows import Row, named
from cladescope.analysis.numbers import check_at_least
from cladescope.analysis.pictures import COLUMNS, Pictures
from cladescope.analysis.shares import TOO_FEW, percent
from cladescope.errors import InputError
from cladescope.index import neighbour_graph
from cladescope.index.clusters import cluster, groups
from cladescope.index.fitting_vectors import fitting_vectors
from cladescope.index.near_duplicates import NearDuplicates, near_duplicates
from cladescope.index.neighbour_graph import nearest_others
from cladescope.index.notebook import page_cell
from cladescope.index.store import Store
from cladescope.schema import LABEL, LEVELS
from cladescope.steps import step

K = 10
TABLES = ("duplicates", "leaks", "outliers", "label_errors")
"""What may be looked for."""
MOST_LOF = 0.5
"""The largest share of the pictures that may be outliers by their local outlier factor."""


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found; each table is a list of rows, the gravest first."""

    summary: dict[str, Any]
    duplicates: list[Row] = field(default_factory=list)
    leaks: list[Row] = field(default_factory=list)
    outliers: list[Row] = field(default_factory=list)
    label_errors: list[Row] = field(default_factory=list)

    def _repr_html_(self) -> str:
        """What a notebook shows: the page of the audit, which needs no other file."""
        from cladescope.analysis.audit.page import audit_page  # stands above the audit, and reads pictures

        return page_cell(audit_page(self))


def audit_store(
    store: Store,
    *,
    split: str | None = None,
    against: Store | None = None,
    rank: str = "species",
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    limit: int | None = None,
    only: Sequence[str] | None = None,
    threshold: float | None = None,
    lof: float | None = None,
    seed: int = 0,
) -> Audit:
    """Audit the pictures of a store, of a clade or under a condition, or `limit` of them drawn at random; see `audit`.

    `split` names a column between whose values leaks are sought; `against` is a store whose pictures should not be here.
    Vectors stay float16, half the memory, where neither outliers nor label errors are sought.

    Raises InputError for a column that is not there, StoreError where `against` holds vectors of another encoder.

        found = audit_store(Store.open("photos.store"), split="part")
        found.summary["label_errors"], found.label_errors[:10]
    """
    other, told = None, list[str]()
    if against is not None:
        against = fitting_vectors(against, store.card)
        against.check(store.card)
        other = Pictures.of_store(against)
        told = [f"{against.label}: {note}" for note in other.vector_notes]
    columns = COLUMNS if split is None else (*COLUMNS, split)
    pictures = Pictures.of_store(
        store, within=within, where=where, limit=limit, seed=seed, columns=columns,
        as_stored=not {"outliers", "label_errors"} & set(_sought(only)),
    )  # fmt: skip
    found = audit(pictures, split=split, against=other, rank=rank, only=only, threshold=threshold, lof=lof, seed=seed)
    about = {"vectors": store.vectors_name, "encoder": store.card.to_dict()}
    return replace(found, summary={**about, **found.summary, "notes": [*found.summary["notes"], *told]})


def audit(
    pictures: Pictures,
    *,
    split: str | None = None,
    against: Pictures | None = None,
    rank: str = "species",
    k: int = K,
    only: Sequence[str] | None = None,
    threshold: float | None = None,
    lof: float | None = None,
    seed: int = 0,
) -> Audit:
    """Look for every kind of trouble that the data lets us look for; `summary["notes"]` says what could not be.

    `rank` is the narrowest at which labels are doubted; `label`, or pictures of which few have a taxon, looks at labels alone.

    `only` names the tables that are wanted, of `TABLES`; `threshold` is the cosine from which pictures are near-duplicates
    (`index.near_duplicates`); else pixels decide, as in `near_pairs`. `lof` is the largest share of the pictures that are outliers by their
    `local_outlier_factor` among all pictures too; none unless given.

    Up to 100,000 vectors each is compared with every other in blocks: 2 n^2 d operations and 4 n d + 12 n k bytes. Above,
    the neighbours that doubt labels are those of `neighbour_graph.nearest`,
    which may miss some. Each row of a table takes about 1 kB.

    Raises InputError for an unknown rank or table, a threshold that is no cosine, a `lof` that is no share or not of outliers, and for fewer than two pictures.
    """
    if rank not in LEVELS:
        raise InputError(f"no rank {rank!r}: use one of {', '.join(LEVELS)}")
    check_at_least(1, k=k)
    sought = _sought(only)
    if lof is not None and not 0 < lof <= MOST_LOF:
        raise InputError(f"lof is {lof}, expected a share of the pictures above 0 and at most {MOST_LOF}")
    if lof is not None and "outliers" not in sought:
        raise InputError("lof finds outliers, which are not looked for: add outliers to only, or leave lof out")
    n = len(pictures)
    if n < 2:
        raise InputError(
            f"found {n} pictures with a vector, expected two or more: widen the selection (where, within, limit)"
        )
    pictures = pictures.told_apart_by(rank)
    if rank == LABEL and pictures.ranks != (LABEL,):
        raise InputError(f"no picture has a label: choose a rank, one of {', '.join(LEVELS[:-1])}")
    notes = [] if pictures.note is None else [pictures.note]
    notes += pictures.vector_notes
    is_small = n * n <= neighbour_graph.EXACT_PAIRS
    codes = label_errors.uneven_codes(pictures.name_codes)
    suspects, near = [], np.empty((n, 0), np.int64)
    if "label_errors" in sought:
        if n <= k:
            notes.append(f"{n} pictures are fewer than {k} neighbours and oneself: {n - 1} are asked")
        if not is_small:
            notes.append(f"{n:,} pictures: neighbours are sought among the nearest cells, and a few are missed")
        with step("looking for the nearest of each picture"):
            near = nearest_others(pictures.vectors, np.arange(n), min(k, n - 1))[1]
        deepest = pictures.ranks.index(rank) if rank in pictures.ranks else len(pictures.ranks) - 1
        if (codes.max(axis=0) < 1)[: deepest + 1].all():
            notes.append(
                f"no label errors sought: no {'rank has two taxa' if pictures.note is None else 'two labels differ'}"
            )
        with step("looking for wrong labels"):
            suspects = label_errors.find(pictures.vectors, near, codes, deepest=deepest)

    doubles: list[Row] = []
    leaks: list[Row] = []
    about_near: dict[str, Any] = {}
    if {"duplicates", "leaks"} & set(sought):
        least = UNSEEN if threshold is None else threshold
        with step("looking for near vectors"):
            found = near_duplicates(pictures.vectors, least, seed=seed)
        links = found.links
        if threshold is None:
            with step("looking for near-duplicates by their pixels"):
                look = seen(addresses(pictures), pictures.vectors)
            notes += [look.note] * bool(look.note)
            links = np.concatenate([look.links, links[np.isin(links, look.unseen).any(axis=1)]])
        exact_pairs = duplicates.same_value(pictures.numbered("content_hash"))
        about_near = _about(found, least)
        if found.check is not None:
            notes.append(_how_sure(found))
        if "duplicates" in sought:
            doubles = _duplicates(pictures, exact_pairs, links, codes)
        if "leaks" in sought and split is not None:
            n_values = int(pictures.numbered(split).max()) + 1
            if n_values < 2:
                notes.append(f"no leaks sought: column {split!r} has {n_values} values, expected two or more")
            else:
                leaks += split_leaks(pictures, split, exact_pairs, links)
        if "leaks" in sought and against is not None:
            with step("looking for pictures of the other store"):
                leaks += leaks_against(pictures, against, least)
    with step("looking for outliers"):
        strange = _outliers(pictures, codes, lof) if "outliers" in sought else []
    about_lof = {} if lof is None else {"lof": lof, "outliers_by_lof": sum(row["by"] != "distance" for row in strange)}
    summary = {
        "pictures": n,
        "left_out": pictures.n_left_out,
        "neighbours": int(near.shape[1]),
        **about_near,
        "threshold": threshold,
        "duplicate_groups": len({row["group"] for row in doubles}),
        "groups_of_mixed_labels": len({row["group"] for row in doubles if row["labels_differ"]}),
        "groups_of_kin": len({row["group"] for row in doubles if row["are_kin"]}),
        "groups_beyond_threshold": len(
            {row["group"] for row in doubles if threshold is not None and row["score"] < threshold}
        ),
        "leaks": len({(row["by"], row["group"]) for row in leaks}),
        "outliers": len(strange),
        **about_lof,
        "label_errors": len(suspects),
        "label_errors_by_rank": {name: sum(one.rank == i for one in suspects) for i, name in enumerate(pictures.ranks)},
        "notes": notes,
    }
    return Audit(summary, doubles, leaks, strange, _label_errors(pictures, suspects, near, codes))


def _sought(only: Sequence[str] | None) -> tuple[str, ...]:
    if only is None:
        return TABLES
    if isinstance(only, str) or not only or set(only) - set(TABLES):
        raise InputError(f"only is {only!r}, expected a list of some of {', '.join(TABLES)}")
    return tuple(only)


def _about(found: NearDuplicates, least: float) -> dict[str, Any]:
    """What the summary says of the search for near-duplicates."""
    check = found.check
    return {
        "near_duplicate_from": least,
        "near_duplicate_pairs": found.n_pairs,
        "copies": found.n_copies,
        "pictures_cut": found.n_cut,
        "pairs_checked": None if check is None else check.pairs,
        "pairs_found": None if check is None else check.share,
        "pairs_found_interval": None if check is None else check.interval,
        "pairs_together": None if check is None or not check.pairs else check.together / check.pairs,
    }


def _how_sure(found: NearDuplicates) -> str:
    """The note on what a search among cells has missed."""
    check = found.check
    assert check is not None
    if check.share is None or check.interval is None:
        said = f"{check.rows:,} pictures at random have no near-duplicate, so that none could be missed"
    else:
        low, high = map(percent, check.interval)
        span = f"95 %: {low} to {high}" if low != high else TOO_FEW
        said = f"of {check.pairs:,} pairs that {check.rows:,} pictures at random have, {percent(check.share)} were found ({span})"
    cut = f"; {found.n_cut:,} pictures had more cells to be compared with than allowed" if found.n_cut else ""
    return f"near-duplicates are sought among the cells that can hold them: {said}{cut}"


def _duplicates(
    pictures: Pictures,
    exact_pairs: Int[np.ndarray, "pairs 2"],
    links: Int[np.ndarray, "others 2"],
    codes: Int[np.ndarray, "n ranks"],
) -> list[Row]:
    contents, kin = pictures.numbered("content_hash"), pictures.kin
    found = groups(len(pictures), np.concatenate([exact_pairs, links]))
    names = iter(named(pictures, np.concatenate([*found, np.empty(0, np.int64)])))
    table: list[Row] = []
    for number, group in enumerate(found):
        first = contents[group[0]]
        about = {
            "group": number,
            "kind": "exact" if first >= 0 and (contents[group] == first).all() else "near",
            "labels_differ": any(duplicates.is_mixed(group, column) for column in codes.T),
            "are_kin": not duplicates.is_mixed(group, kin),
        }
        one = cluster(pictures.vectors, group)
        table += [
            {**about, **next(names), "score": score, "is_representative": row == one.representative}
            for row, score in zip(group.tolist(), one.scores.tolist(), strict=True)
        ]
    return sorted(table, key=lambda row: (not row["labels_differ"], row["group"]))


def _outliers(pictures: Pictures, codes: Int[np.ndarray, "n ranks"], lof: float | None) -> list[Row]:
    """Pictures beyond the fence, the farthest first, then those by the local outlier factor alone; each once."""
    far = outliers.find(pictures.vectors, codes)
    z = np.nan_to_num(far.z, nan=-np.inf)
    beyond = z > duplicates.FENCE
    apart, factors = np.zeros(len(z), bool), np.zeros(len(z))
    if lof is not None:
        factors = local_outliers.local_outlier_factor(pictures.vectors)
        apart = local_outliers.sparsest(factors, lof)
    order = np.lexsort((-factors, np.where(beyond, -z, np.inf)))
    rows = order[(beyond | apart)[order]]
    table = []
    for row, about in zip(rows.tolist(), named(pictures, rows), strict=True):
        compared = pictures.ranks[far.compared[row]] if far.compared[row] >= 0 else "all"
        how: Row = {} if lof is None else {"lof": float(factors[row]), "by": _by(bool(beyond[row]), bool(apart[row]))}
        there = bool(np.isfinite(far.z[row]))
        table.append({
            **about,
            "compared_within": compared,
            "distance": float(far.distance[row]) if there else None,
            "z": float(far.z[row]) if there else None,
            **how,
        })  # fmt: skip
    return table


def _by(beyond: bool, apart: bool) -> str:
    """What an outlier was found by."""
    return "both" if beyond and apart else "lof" if apart else "distance"


def _label_errors(
    pictures: Pictures,
    suspects: list[label_errors.Suspect],
    near: Int[np.ndarray, "n k"],
    codes: Int[np.ndarray, "n ranks"],
) -> list[Row]:
    about = named(pictures, np.array([one.row for one in suspects], np.int64))
    return [
        {
            **row,
            "suggested": " > ".join(_suggested(pictures, one, near[one.row], codes)),
            "part_at": pictures.ranks[one.rank],
            "confidence": one.confidence,
        }
        for one, row in zip(suspects, about, strict=True)
    ]


def _suggested(
    pictures: Pictures,
    suspect: label_errors.Suspect,
    near: Int[np.ndarray, " k"],
    codes: Int[np.ndarray, "n ranks"],
) -> list[str]:
    """The names that more than half of the supporting neighbours agree on, down to where they no longer do."""
    supporting = near[codes[near, suspect.rank] == suspect.suggested]
    names: list[str] = []
    for rank in range(len(pictures.ranks)):
        own = codes[supporting, rank]
        known, counts = np.unique(own[own >= 0], return_counts=True)
        if len(known) and 2 * counts.max() > len(supporting):
            one = supporting[own == known[counts.argmax()]][0]
            names.append(pictures.names[pictures.name_codes[one, rank] - 1])
        elif rank > suspect.rank:
            break
    return names
