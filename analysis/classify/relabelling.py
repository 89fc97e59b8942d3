"""Labels that were put right elsewhere, back into a store: a table of pictures and labels against the rows.

A later `embed` keeps them: it changes a column only where the source says something else than before.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cladescope.analysis.classify.labelled import ends_among
from cladescope.embedding.columns import nearly, plan_columns
from cladescope.embedding.origins import plain
from cladescope.embedding.sources.delimited import open_delimited
from cladescope.embedding.sources.rows import Row, read_rows
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError
from cladescope.index.files import one_line
from cladescope.index.store import Store
from cladescope.schema import LABEL_FIELDS, NAME_COLUMNS, NAME_FIELDS, OPTIONAL_FIELDS
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.name_parser import parse_name

ROWS_AT_ONCE = 4096
HEAD_ROWS = 4096
SHOWN = 20


@dataclass(kw_only=True)
class Relabelled:
    """What became of the rows of a table of labels."""

    changed: int = 0
    same: int = 0
    unlabelled: int = 0
    """Rows of stored pictures that give no label, which change nothing."""
    unknown: int = 0
    """Rows that name no picture of the store."""
    ambiguous: int = 0
    """Rows whose file name is that of several pictures; none of them is changed."""
    kept_above: int = 0
    """Pictures that have another genus now, and keep ranks above it that the table does not give."""
    added: dict[str, str] = field(default_factory=dict)
    """Columns that the store did not have, and for each the known one of nearly that name, else nothing."""
    unused: list[str] = field(default_factory=list)
    """The first of the unknown and the ambiguous, as the table names them."""
    is_of_decisions: bool = False
    """Whether the table was one of decisions (`analysis.decision_table`), and these counts mean something:"""
    left: int = 0
    """Pictures whose label is to be kept."""
    undecided: int = 0
    dropped: int = 0
    new_taxa: int = 0
    """New labels that the store knew no taxon of: ranks above their genus are empty where that is new too."""
    dry_run: bool = False
    """Whether it was only counted, and nothing changed."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def relabel_store(store: Store, labels: Path, *, clear: bool = False, dry_run: bool = False) -> Relabelled:
    """Put the labels of a delimited table into a store: see the verb `relabel`. All changes of 4,096 rows are one commit.

    A dry run only counts them.

    Memory: the table's rows, and the addresses of the store where it names files.

    Raises InputError if the table cannot be used, or names one picture twice.
    """
    rows, fields, columns = _read(store, labels)
    found = Relabelled(dry_run=dry_run)
    with contextlib.nullcontext() if dry_run else store.writing():
        pairs = list(_paired(store, rows, found))
        seen: dict[str, str] = {}
        for image_id, row in pairs:
            if image_id in seen:
                raise InputError(
                    f"{labels} names the picture {image_id!r} twice, as {seen[image_id]!r} and {_name(row)!r}"
                )
            seen[image_id] = _name(row)
        if not pairs:
            some = f", such as {found.unused[0]!r}," if found.unused else ""
            raise InputError(
                f"none of the {len(rows):,} rows of {labels}{some} names one picture of {store.path}: give its image_id or uri"
            )
        new = [one.name for one in fields if one.name not in store.schema.names and one.name not in NAME_COLUMNS]
        found.added = {name: nearly(name) or "" for name in new}
        if not dry_run:
            store.add_fields(fields)
        for start in range(0, len(pairs), ROWS_AT_ONCE):
            put_labels(store, dict(pairs[start : start + ROWS_AT_ONCE]), columns, found, clear=clear)
    return found


def _read(store: Store, labels: Path) -> tuple[list[Row], list[pa.Field], tuple[str, ...]]:
    """Rows of the table, columns that the store may lack, and the columns that the table gives."""
    schema = store.schema
    rules = TableRules(stored=dict(zip(schema.names, schema.types, strict=True)))
    head, schema_, batches = _table(labels, rules)
    plan = plan_columns(schema_, head, needs_picture=False)
    if plan.image_id is None and plan.path is None:
        raise InputError(f"{labels} names no pictures: expected a column image_id, or uri, file or path")
    rows = [row for batch in batches() for row in read_rows(batch, plan)]
    own = [one.name for one in (*LABEL_FIELDS, *OPTIONAL_FIELDS)]
    given = [
        name for name in own if name in plan.labels or name in plan.optional or any(name in r.labels for r in rows)
    ]
    if not given and not plan.extra:
        raise InputError(f"{labels} has no labels: expected columns of ranks, common_name, label or of your own")
    parts = [one for one in NAME_FIELDS if any(one.name in row.labels for row in rows)]
    columns = (*given, *(one.name for one in parts), *plan.extra)
    return rows, [*parts, *plan.extra_fields], tuple(dict.fromkeys(columns))


def _table(
    labels: Path, rules: TableRules
) -> tuple[Mapping[str, Sequence[str | None]], pa.Schema, Callable[[], Iterator[pa.RecordBatch]]]:
    """First values, columns and rows of a delimited table, or of a Parquet table without its columns of vectors and other lists.

    Raises InputError where it cannot be read.
    """
    if labels.suffix.lower() != ".parquet":
        text = open_delimited(str(labels), rules, needs_picture=False)
        return text.head, text.schema, text.batches
    try:
        file = pq.ParquetFile(labels)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{labels} cannot be read as Parquet: {one_line(error)[:200]}") from error
    schema = pa.schema([field for field in file.schema_arrow if not pa.types.is_nested(field.type)])
    head = next(file.iter_batches(HEAD_ROWS, columns=schema.names), None)
    texts = [] if head is None else [name for name in schema.names if pa.types.is_string(schema.field(name).type)]
    first = {name: head.column(name).to_pylist() for name in texts} if head is not None else {}
    return first, schema, lambda: file.iter_batches(ROWS_AT_ONCE, columns=schema.names)


def _paired(store: Store, rows: list[Row], found: Relabelled) -> Iterator[tuple[str, Row]]:
    """The stored picture of each row, and the row; those without are counted."""
    ids = [row.image_id for row in rows if row.image_id is not None]
    known = {
        one
        for start in range(0, len(ids), ROWS_AT_ONCE)
        for one in store.rows_by_id(ids[start : start + ROWS_AT_ONCE], [])
    }
    by_name = _by_name(store, [row.path for row in rows if row.image_id is None and row.path is not None])
    for row in rows:
        pictures = by_name.get(row.path or "", []) if row.image_id is None else [row.image_id] * (row.image_id in known)
        if len(pictures) == 1:
            yield pictures[0], row
            continue
        found.ambiguous += len(pictures) > 1
        found.unknown += not pictures
        if len(found.unused) < SHOWN:
            found.unused.append(_name(row))


def _by_name(store: Store, names: list[str]) -> dict[str, list[str]]:
    """Pictures by address, or by the end of it: a file name, with folders or without."""
    found: dict[str, list[str]] = {}
    if not names:
        return found
    wanted = pa.array(list(dict.fromkeys(names)), pa.large_string())
    for batch in store.scan(["image_id", "uri"]):
        places = ends_among(pa.chunked_array([batch.column("uri")]), wanted)
        for image_id, place in zip(batch.column("image_id").to_pylist(), places.tolist(), strict=True):
            if place >= 0:
                found.setdefault(wanted[place].as_py(), []).append(image_id)
    return found


def put_labels(
    store: Store, pairs: dict[str, Row], columns: tuple[str, ...], found: Relabelled, *, clear: bool
) -> None:
    """Write what differs, in one commit, or count it in a dry run; what stood beside an earlier name goes with it."""
    there = store.schema.names
    beside = [name for name in there if name in NAME_COLUMNS]
    written = list(dict.fromkeys((*RANKS, *beside, *columns)))
    lacking = dict.fromkeys(name for name in written if name not in there)
    stored = store.rows_by_id(list(pairs), [name for name in written if name in there])
    changed, unlabelled = [], 0
    for image_id, row in pairs.items():
        before = {**lacking, **stored[image_id]}
        said = {name: row.labels.get(name, row.extra.get(name)) for name in columns}
        values = {name: value for name, value in said.items() if value is not None or clear}
        unlabelled += not values
        if any(plain(value) != plain(before[name]) for name, value in values.items()):
            after = {**before, **values}
            if after["species"] != before["species"] and before["genus"] and "genus" not in values:
                after["genus"] = _genus_of(after["species"]) or before["genus"]
            renamed = before["genus"] is not None and after["genus"] != before["genus"]
            if renamed or after["species"] != before["species"]:
                after |= {name: row.labels.get(name) for name in beside}
            genera = [one["genus"] or _genus_of(one["species"]) for one in (before, after)]
            moved = None not in genera and genera[0] != genera[1]
            found.kept_above += moved and any(before[rank] and not values.get(rank) for rank in RANKS[3:5])
            changed.append(after)
    found.changed += len(changed)
    found.unlabelled += unlabelled
    found.same += len(pairs) - len(changed) - unlabelled
    if changed and not found.dry_run:
        schema = store.schema
        store.update(pa.Table.from_pylist(changed, schema=pa.schema([schema.field(n) for n in ("image_id", *written)])))


def _genus_of(species: str | None) -> str | None:
    return parse_name(species).genus if species else None


def _name(row: Row) -> str:
    """A row's picture as the table names it."""
    return row.image_id or row.path or "(no picture)"
