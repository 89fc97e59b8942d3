"""What a classifier may choose from: files of taxa, plain labels, bins and priors, and the taxa of a store."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float32
from pyarrow import parquet

from cladescope.analysis.classify.zipped import zipped_table
from cladescope.delimited import DelimitedText, local_opener, read_text
from cladescope.delimited.headers import spelled, squash
from cladescope.embedding.columns import LABEL_NAMES, plan_columns
from cladescope.embedding.labels import HELPERS, MISSING, clean_labels
from cladescope.embedding.table_rules import written_missing
from cladescope.errors import InputError, TaxonError
from cladescope.index.asked_names import CommonNames, meant
from cladescope.index.store import Store
from cladescope.taxonomy import Taxonomy
from cladescope.taxonomy.rank_table import rank_codes, spelt_alike
from cladescope.taxonomy.spelling import tidy
from cladescope.taxonomy.taxon import RANKS, Taxon

logger = logging.getLogger(__name__)

REST = "*"
"""In a prior: every taxon that no other line names."""


@dataclass(frozen=True)
class LabelList:
    """Plain labels, in the file's order, and what each counts towards."""

    labels: tuple[str, ...]
    bins: tuple[str, ...] | None = None
    """Where given, the probabilities of labels of one bin are summed."""

    def __post_init__(self) -> None:
        """Raises InputError for no label, one that is there twice, and a label without a bin."""
        if not self.labels:
            raise InputError("the list holds no label: expected one a line")
        if len(set(self.labels)) < len(self.labels):
            twice = next(label for label in self.labels if self.labels.count(label) > 1)
            raise InputError(f"the label {twice!r} is there twice: leave one out")
        if self.bins is not None and "" in self.bins:
            raise InputError(f"the label {self.labels[self.bins.index('')]!r} has no bin: give it one")


def taxa_table(table: pa.Table) -> pa.Table:
    """The distinct taxa of a table, sorted by path: a column for each rank and `common_name`, null where unknown.

    Rows without any rank are left out. Of several common names of one taxon the most frequent stays, then the first by
    letter. Peak memory is about 400 bytes a row.

    Raises InputError where no row names a taxon.

    >>> taxa_table(pa.table({"class": ["Aves", "Aves", ""], "common_name": ["birds", None, None]})).num_rows
    1
    """
    columns = {name: _text(table, name) for name in (*RANKS, "common_name")}
    counted = spelt_alike(pa.table(columns)).append_column("n", pa.array(np.ones(table.num_rows, np.int64)))
    counted = counted.group_by(list(columns)).aggregate([("n", "sum")])
    names, codes = rank_codes(counted)
    del names
    unnamed = pc.is_null(counted["common_name"]).to_numpy()
    by_common = np.empty(counted.num_rows, np.int64)
    by_common[pc.sort_indices(pc.fill_null(counted["common_name"], "")).to_numpy()] = np.arange(counted.num_rows)
    order = np.lexsort((by_common, -counted["n_sum"].to_numpy(), unnamed, *codes.T[::-1]))
    ordered = codes[order]
    kept = np.ones(len(order), bool)
    kept[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    kept &= ordered.any(axis=1)
    if not kept.any():
        raise InputError(f"none of {table.num_rows} rows names a taxon: expected some of {', '.join(RANKS)}")
    return counted.take(pa.array(order[kept])).select(list(columns))


def _text(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.large_string())])
    try:
        column = table[name].cast(pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"column {name!r} holds {table[name].type}, expected text: convert it") from error
    encoded = column.combine_chunks().dictionary_encode()
    names = pa.array([tidy(name) or None for name in encoded.dictionary.to_pylist()], pa.large_string())
    return pa.chunked_array([names.take(encoded.indices)])


def taxa_of(table: pa.Table) -> list[Taxon]:
    """The taxon of each row of a table of ranks, each of which names one.

    >>> taxa_of(pa.table({rank: ["Aves" if rank == "class" else None] for rank in RANKS}))[0].name
    'Aves'
    """
    found = [Taxon.from_ranks(row) for row in table.select(list(RANKS)).to_pylist()]
    return [taxon for taxon in found if taxon is not None]


def store_taxa(store: Store) -> pa.Table:
    """The taxa of a store's pictures, each as deep as it is recorded; memory grows with taxa, not pictures.

    Raises InputError where no picture has a taxon.
    """
    wanted = [*RANKS, "common_name"]
    found: pa.Table | None = None
    for batch in store.scan(wanted):
        part = pa.table(batch)
        found = (part if found is None else pa.concat_tables([found, part])).group_by(wanted).aggregate([])
    if found is None:
        raise InputError(f"{store.path} is empty: embed pictures into it")
    try:
        return taxa_table(found)
    except InputError as error:
        raise InputError(f"no picture in {store.path} has a taxon: give taxa or labels to choose from") from error


def read_taxa(path: Path) -> pa.Table:
    """The taxa of a delimited text, Parquet or JSON file with columns of ranks, in any spelling, as `taxa_table` orders them.

    `NA`, `unknown` and the like are missing; in a delimited text a name that looks so is kept where it stands in quotes.

    Raises InputError where the file is missing, damaged or names no taxon.
    """
    return taxa_table(ranks_of(path, read_rows(path)))


def read_labels(path: Path) -> LabelList | pa.Table:
    """What a file of labels says: a list, one a line (commas belong to the label); a CSV with a column `label`, or `class`
    or pybioclip's `cls` beside `bin`; or a table of taxa by rank.

    Raises InputError where the file is missing, empty, or a label is there twice or has no bin.
    """
    if path.suffix.lower() not in (".csv", ".tsv", ".tab", ".parquet", ".json"):
        lines = [tidy(line) for line in _lines(path)]
        return _labels(path, [line for line in lines if line], None)
    table = read_rows(path)
    kept = _column(table, "bin")
    label = _column(table, "label") or (None if kept is None else _column(table, "class", "cls"))
    if label is None and table.num_columns == 2 and not {squash(name) for name in table.column_names} & _KNOWN:
        label, kept = table.column_names  # pybioclip goes by their places
    if label is None:
        return taxa_table(ranks_of(path, table))
    return _labels(path, _strings(table, label), None if kept is None else _strings(table, kept))


def _labels(path: Path, labels: Sequence[str], bins: Sequence[str] | None) -> LabelList:
    try:
        return LabelList(tuple(labels), None if bins is None else tuple(bins))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def within(table: pa.Table, name: str) -> Bool[np.ndarray, " c"]:
    """Which taxa lie in a clade, named by its scientific or common name. Raises TaxonError for an unknown one (with the nearest names) or an ambiguous one."""
    kept = np.zeros(table.num_rows, bool)
    for taxon in meant(Taxonomy.from_table(table), name, CommonNames([table])):
        kept |= inside(table, taxon)
    return kept


def inside(table: pa.Table, taxon: Taxon) -> Bool[np.ndarray, " c"]:
    """Which rows of a table of ranks lie in a taxon's clade, itself included."""
    found = np.ones(table.num_rows, bool)
    for rank, name in zip(RANKS, taxon.path, strict=False):
        same = pc.is_null(table[rank]) if name is None else pc.fill_null(pc.equal(table[rank], name), False)
        found &= same.to_numpy()
    return found


def read_prior(
    path: Path, table: pa.Table, *, accepted: Callable[[str], str] = str
) -> tuple[Float32[np.ndarray, " c"], list[str]]:
    """Log-odds of each taxon from a CSV with the columns `taxon` and `weight`, and the names that the taxa do not have.

    A weight holds for the whole clade, and a line for a taxon within it is stronger. The line `*` is for all that no other
    names; without it they have weight 1. Weight 0 rules out. `accepted` gives a name that the taxa do not have another.

    Raises InputError for a weight that is no number or below 0, and where everything is ruled out.
    """
    rows = read_rows(path)
    columns = {name: _column(rows, name) for name in ("taxon", "weight")}
    if missing := [name for name, column in columns.items() if column is None]:
        raise InputError(f"{path} lacks {', '.join(missing)}: expected the columns taxon and weight")
    taxonomy = Taxonomy.from_table(table)
    named: list[tuple[Taxon, float]] = []
    given: dict[str, float] = {}
    unknown, rest = [], 1.0
    for name, text in zip(*(_strings(rows, column or "") for column in columns.values()), strict=True):
        try:
            weight = float(text)
        except ValueError:
            weight = float("nan")
        if not 0.0 <= weight < float("inf"):
            raise InputError(f"{path} gives {name!r} the weight {text!r}: expected a number of at least 0, such as 0.5")
        if name == REST:
            rest = weight
            continue
        if given.setdefault(name, weight) != weight:
            raise InputError(f"{path} gives {name!r} the weights {given[name]:g} and {weight:g}: keep one of them")
        try:
            named += [(taxon, weight) for taxon in _resolved(taxonomy, name, accepted)]
        except TaxonError:
            unknown.append(name)
    weights = np.full(table.num_rows, rest, np.float32)
    for taxon, weight in sorted(named, key=lambda one: len(one[0].path)):
        weights[inside(table, taxon)] = weight
    if not weights.any():
        raise InputError(f"{path} rules out every class: expected a weight above 0 for at least one")
    with np.errstate(divide="ignore"):
        return np.log(weights), unknown


def _resolved(taxonomy: Taxonomy, name: str, accepted: Callable[[str], str]) -> tuple[Taxon, ...]:
    try:
        return taxonomy.resolve(name)
    except TaxonError:
        if (other := accepted(name)) == name:
            raise
        return taxonomy.resolve(other)


def _strings(table: pa.Table, name: str) -> list[str]:
    return [text or "" for text in _text(table, name).to_pylist()]


def _lines(path: Path) -> list[str]:
    return read_text(str(path), local_opener(path)).splitlines()


def _json(path: Path) -> list[Any]:
    try:
        rows = json.loads("\n".join(_lines(path)))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is no JSON ({error}): expected a list of objects") from error
    if not isinstance(rows, list):
        raise InputError(f"{path} holds no list: expected a list of objects with ranks")
    return rows


def read_rows(path: Path) -> pa.Table:
    """A small table, or the only one in a zip, as text columns; words that say that a value is missing are null, those in a CSV's quotes are not."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        objects = _json(path)
        if not objects or not all(isinstance(row, dict) for row in objects):
            raise InputError(f"{path} holds no objects: expected a list of objects with ranks")
        return pa.Table.from_pylist(objects)
    if suffix == ".parquet":
        try:
            known = [name for name in parquet.read_schema(path).names if squash(name) in _KNOWN]
            return parquet.read_table(path, columns=known)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path} cannot be read as Parquet ({error}): name a file that is there") from error
    text = zipped_table(path) if suffix == ".zip" else DelimitedText(str(path), local_opener(path))
    return text.table(missing=written_missing(), keep_quoted=True)


def _column(table: pa.Table, *spellings: str) -> str | None:
    """The table's name of a column, whatever its case and spelling."""
    return next(iter(spelled(table.column_names, spellings, order=table.column_names)), None)


def without_label(table: pa.Table) -> pa.Table:
    """A table in which `class` is the rank: beside `cls`, `class` is a label, as in BioCLIP's rare species, where it names the species."""
    rank, label = _column(table, "cls"), _column(table, "class")
    genus, species = _column(table, "genus"), _column(table, "species")
    if rank is None or label is None or genus is None or species is None:
        return table
    whole = pc.binary_join_element_wise(table[genus], table[species], " ")
    is_label = pc.or_(pc.equal(table[label], whole), pc.equal(table[label], table[species]))
    return table.drop_columns([label]) if pc.all(is_label).as_py() else table


def ranks_of(path: Path, table: pa.Table) -> pa.Table:
    """Clean ranks and common names of a table's rows, by columns in any spelling; those that it lacks are left out."""
    table = without_label(table)
    plan = plan_columns(table.schema, needs_picture=False)
    if not {*RANKS, "scientific_name"} & set(plan.labels):
        raise InputError(f"{path} has the columns {', '.join(table.column_names)}, expected some of {', '.join(RANKS)}")
    whole = pa.table({role: _text(table, column) for role, column in plan.labels.items()})
    if path.suffix.lower() == ".parquet":
        whole = pa.table({role: _present(column) for role, column in zip(plan.labels, whole.columns, strict=True)})
    helpers = [whole[role] for role in HELPERS if role in plan.labels]
    species = (
        whole["species"] if "species" in plan.labels else pa.chunked_array([pa.nulls(len(whole), pa.large_string())])
    )
    plain = pc.fill_null(pc.match_substring_regex(species, r"^[A-Z][a-z-]+ [a-z-]{4,}$"), not helpers)
    odd = pc.invert(plain)
    rows = [clean_labels(row, frozenset()) for row in whole.filter(odd).to_pylist()]
    written = species.filter(odd).to_pylist()
    lost = [
        row for row, name in zip(rows, written, strict=True) if "species" not in row and (name or "qualifier" in row)
    ]
    if lost:
        nothing = sum(not any(rank in row for rank in RANKS) for row in lost)
        logger.info(
            "%s: %d of %d names say no species (cf., sp., hybrids, several, ...) and stand for their genus%s",
            *(path, len(lost), table.num_rows, f", {nothing} that name none for nothing" if nothing else ""),
        )
    columns = (*RANKS, "common_name")
    clean = pa.table({name: pa.array([row.get(name) for row in rows], pa.large_string()) for name in columns})
    kept = whole.filter(plain)
    both = pa.concat_tables([pa.table({name: _text(kept, name) for name in columns}), clean])
    return both.take(pa.array(np.argsort(np.argsort(odd.to_numpy(), kind="stable"))))  # in the file's order again


def _present(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Names without those that say that one is missing."""
    absent = pc.is_in(pc.utf8_lower(column), value_set=pa.array(sorted(MISSING), column.type))
    return pc.if_else(absent, pa.scalar(None, column.type), column)


_KNOWN = {squash(name) for names in LABEL_NAMES.values() for name in names} | {"label", "bin", "taxon", "weight"}
