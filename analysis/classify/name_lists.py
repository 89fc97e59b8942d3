"""Lists that name taxa of any rank: a region's checklist, one name a line, a family that stands for all its members.

A file of lineages by rank is `taxon_lists`; here names are found among the taxa that are known (of a store, an encoder or a
backbone), and what is not found is told.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from jaxtyping import Bool

from cladescope.analysis.classify import taxon_lists
from cladescope.analysis.classify.taxon_lists import inside, read_rows, without_label
from cladescope.delimited import local_opener, read_text
from cladescope.delimited.headers import spelled, squash
from cladescope.embedding.backboned import BackboneLabels
from cladescope.embedding.columns import plan_columns
from cladescope.errors import InputError, TaxonError
from cladescope.taxonomy import RANK_INDEX, RANKS, Taxon, Taxonomy
from cladescope.taxonomy.backbone_match import one_class
from cladescope.taxonomy.name_parser import parse_name
from cladescope.taxonomy.rank_table import rank_table
from cladescope.taxonomy.spelling import tidy

NAME_COLUMNS: Final = (
    "scientific_name",
    "accepted_scientific_name",
    "canonical_name",
    "taxon",
    "taxon_name",
    "name",
    "taxa",
)
"""Columns of names whose rank is not said by the column, the preferred first."""
SUFFIXES: Final = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".json", ".zip")
"""Endings of files that may be lists."""
SHOWN: Final = 5
_HEADERS: Final = {squash(name) for name in (*RANKS, *NAME_COLUMNS, "cls", "common_name", "taxon_rank", "taxon_key")}


@dataclass(frozen=True, eq=False)
class Listed:
    """What a list names."""

    table: pa.Table
    """The rows that say their ranks, as `taxon_lists.taxa_table` has them; it may have none."""
    names: tuple[str, ...]
    """Names whose rank the list does not say."""


def is_list(place: object) -> bool:
    """Whether a text or path is that of a file of taxa, and no name."""
    return isinstance(place, str | Path) and Path(place).suffix.lower() in SUFFIXES and Path(place).is_file()


def read_listed(path: Path) -> Listed:
    """The taxa of a file: of rows with ranks, of rows that say the rank of a name (`taxonRank`), and names a line.

    Raises InputError where it is missing, damaged, or names no taxon.
    """
    if (names := _lines(path)) is not None:
        return Listed(_none(), _taxon_names(path, names))
    rows = without_label(read_rows(path))
    header = rows.column_names
    plan = plan_columns(rows.schema, needs_picture=False)
    column = next(iter(spelled(header, NAME_COLUMNS, order=header)), None)
    has_ranks = bool(set(RANKS) & set(plan.labels))
    if not has_ranks and column is None:
        raise InputError(
            f"{path} has the columns {', '.join(header)}, expected some of {', '.join(RANKS)}, or one of names"
        )
    ranks = taxon_lists.ranks_of(path, rows) if has_ranks or "scientific_name" in plan.labels else _none(rows.num_rows)
    if column is None:
        return Listed(taxon_lists.taxa_table(ranks), ())
    ranks, names = _with_names(ranks, rows, column)
    told = ranks.filter(pa.array(_has_rank(ranks)))
    return Listed(
        taxon_lists.taxa_table(told) if told.num_rows else _none(), _taxon_names(path, names, some=told.num_rows)
    )


def find_names(
    asked: Sequence[str | Taxon], known: pa.Table | None, backbone: BackboneLabels | None
) -> tuple[Bool[np.ndarray, " c"], list[Taxon], list[str]]:
    """Which of the known taxa some names or taxa mean, with all below them; those that only the backbone knows; those not found.

    A taxon whose ranks in between are others in the known taxa is the same where neither kingdom, phylum nor class contradicts.
    """
    mask = np.zeros(0 if known is None else known.num_rows, bool)
    taxonomy = None if known is None else Taxonomy.from_table(known)
    others: list[Taxon] = []
    missing = []
    for one in asked:
        found = _meant(taxonomy, one)
        if not found and backbone is not None:
            taxon = backbone.taxon(one if isinstance(one, str) else " > ".join(each.name for each in one.lineage))
            found = [] if taxon is None else _meant(taxonomy, taxon)
            if taxon is not None and not found:
                others.append(taxon)
                continue
        if not found:
            missing.append(one if isinstance(one, str) else one.name)
        for taxon in found:
            mask |= inside(known, taxon)
    return mask, others, missing


def with_members(
    table: pa.Table, rank: str, known: Callable[[], pa.Table | None], backbone: BackboneLabels | None
) -> tuple[pa.Table, str | None]:
    """A list in which each taxon above a rank, with none below it in the list, stands for its members; and what was done.

    The members are those of the known taxa, else the backbone's. A taxon without known members stays: it takes its share of
    the probability and is no answer at that rank.
    """
    kept = np.ones(table.num_rows, bool)
    alone: list[str] = []
    members: list[pa.Table] = []
    there: pa.Table | None = None
    for row in np.flatnonzero(_depth(table) < RANK_INDEX[rank]).tolist():
        taxon = Taxon.from_ranks(table.slice(row, 1).to_pylist()[0])
        if taxon is None or inside(table, taxon).sum() > 1:
            continue
        there = known() if there is None else there
        found = None if there is None else _members(there, taxon)
        if (found is None or not found.num_rows) and backbone is not None:
            found = backbone.members(taxon)
        if found is not None and found.num_rows:
            kept[row] = False
            members.append(found)
        else:
            alone.append(taxon.name)
    some = ", ".join(alone[:SHOWN]) + ", ..." * (len(alone) > SHOWN)
    without = (
        f"{len(alone):,} taxa above the {rank} have no known members and are no answers: {some}" if alone else None
    )
    if not members:
        return table, without
    whole = taxon_lists.taxa_table(pa.concat_tables([table.filter(pa.array(kept)), *members]))
    n = int((~kept).sum())
    note = (
        f"{n:,} taxa above the {rank} stand for their {sum(one.num_rows for one in members):,} members that are known"
    )
    return whole, f"{note}; {without}" if without else note


def not_found(path: str | Path, missing: Sequence[str], n: int) -> str:
    """What to say of names that are not found.

    >>> not_found("list.txt", ["Nemo"], 3)
    '1 of 3 names of list.txt are unknown or ambiguous here: Nemo'
    """
    some = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
    return f"{len(missing):,} of {n:,} names of {path} are unknown or ambiguous here: {some}"


def _meant(taxonomy: Taxonomy | None, asked: str | Taxon) -> list[Taxon]:
    """The taxa of a taxonomy that a name or a taxon means; none where it is unknown or ambiguous."""
    if taxonomy is None:
        return []
    if isinstance(asked, str):
        return _resolved(taxonomy, asked)
    if found := _resolved(taxonomy, " > ".join(one.name for one in asked.lineage)):
        return found
    alike = _resolved(taxonomy, f"{asked.rank}:{asked.name}")
    return [taxon for taxon in alike if one_class(asked.path, taxon.path)]


def _resolved(taxonomy: Taxonomy, text: str) -> list[Taxon]:
    try:
        return list(taxonomy.resolve(text))
    except TaxonError:
        return []


def _members(known: pa.Table, taxon: Taxon) -> pa.Table:
    """Known taxa below a taxon."""
    masks = [inside(known, one) for one in _meant(Taxonomy.from_table(known), taxon)]
    found = known.filter(pa.array(np.logical_or.reduce(masks))) if masks else known.slice(0, 0)
    return found.filter(pa.array(_depth(found) > RANK_INDEX[taxon.rank]))


def _depth(table: pa.Table) -> np.ndarray:
    """Position of each row's deepest rank."""
    there = np.stack([table[rank].is_valid().to_numpy() for rank in RANKS], axis=1)
    depth: np.ndarray = np.where(there, np.arange(len(RANKS)), -1).max(axis=1, initial=-1)
    return depth


def _with_names(ranks: pa.Table, rows: pa.Table, column: str) -> tuple[pa.Table, list[str]]:
    """Ranks of rows whose rank columns say nothing of the name, by their `taxonRank`, and the names of rows that have none."""
    depth = _depth(ranks)
    rank_column = next(iter(spelled(rows.column_names, ("taxon_rank", "rank"), order=rows.column_names)), None)
    words = [""] * rows.num_rows if rank_column is None else _texts(rows, rank_column)
    columns = {rank: ranks[rank].to_pylist() for rank in RANKS}
    names = []
    for row, (name, word) in enumerate(zip(_texts(rows, column), words, strict=True)):
        parsed = parse_name(name).name if name else None
        rank = squash(word)
        if parsed is None or columns["species"][row] is not None:
            continue
        if rank in RANK_INDEX and depth[row] < RANK_INDEX[rank]:
            columns[rank][row] = parsed
        elif depth[row] < 0:
            names.append(name)
    made = {rank: pa.array(values, pa.large_string()) for rank, values in columns.items()}
    return pa.table({**made, "common_name": ranks["common_name"]}), names


def _has_rank(table: pa.Table) -> np.ndarray:
    return _depth(table) >= 0


def _lines(path: Path) -> list[str] | None:
    """The lines of a text without columns, a name each; None for a table."""
    if path.suffix.lower() in (".parquet", ".json", ".zip"):
        return None
    lines = read_text(str(path), local_opener(path)).splitlines()
    first = next((line for line in lines if line.strip()), "")
    cells = {squash(cell.strip('"')) for cell in re.split(r"[\t,;|]", first)}
    is_table = cells & _HEADERS or "\t" in first or (path.suffix.lower() != ".txt" and re.search("[,;|]", first))
    return None if is_table else [tidy(line.strip().strip('"')) for line in lines]


def _taxon_names(path: Path, names: Sequence[str], *, some: int = 0) -> tuple[str, ...]:
    """Distinct names without their header. Raises InputError where there is none, unless `some` rows have ranks."""
    told = list(dict.fromkeys(name for name in names if name))
    if told and squash(told[0]) in map(squash, NAME_COLUMNS):
        told = told[1:]
    if not told and not some:
        raise InputError(f"{path} names no taxon: expected one a line, or columns with ranks")
    return tuple(told)


def _texts(table: pa.Table, column: str) -> list[str]:
    return [(text or "").strip() for text in table[column].cast(pa.large_string()).to_pylist()]


def _none(n_rows: int = 0) -> pa.Table:
    empty = rank_table([])
    if n_rows:
        empty = pa.table({rank: pa.nulls(n_rows, pa.large_string()) for rank in RANKS})
    return empty.append_column("common_name", pa.nulls(n_rows, pa.large_string()))
