"""Rows of a table, batch by batch, under the names that records use.

Columns are converted and cleaned whole, as Arrow arrays: a million rows take seconds, not minutes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from cladescope.embedding.columns import ColumnPlan
from cladescope.embedding.labels import (
    EMPTY,
    MISSING,
    NAME_PARTS,
    clean_labels,
    clean_text,
    is_respelt,
    missing_words,
    written_otherwise,
)
from cladescope.taxonomy import RANKS

_WHITESPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
"""What `str.strip` takes away; Arrow has its own idea of whitespace."""
KEPT_LINEAGES = 2**16
"""Lineages whose clean labels are remembered, about 2 KiB each: to clean one takes as long as to read a hundred rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowColumns:
    """Columns of a table under the store's names, cleaned, one value a row; what a row does not say is null."""

    image_id: pa.Array
    source: pa.Array
    path: pa.Array
    """Path or URL as written."""
    picture: pa.Array
    """The encoded picture."""
    labels: Mapping[str, pa.Array]
    """As `Record.labels`; only the columns that the table has."""
    extra: Mapping[str, pa.Array]
    """The table's own columns."""
    respelt: pa.Array
    """As `Record.respelt`."""
    written: pa.Array
    """As `Record.written`, maps; null where it is empty."""
    missing: pa.Array
    """As `Record.missing`, lists of words."""


class Row(NamedTuple):
    """One row as its table says it, cleaned; what the table does not say is None."""

    image_id: str | None
    source: str | None
    path: str | None
    """Path or URL as written."""
    data: bytes | None
    """The encoded picture."""
    labels: dict[str, str]
    """As `Record.labels`."""
    extra: dict[str, object]
    respelt: bool
    """As `Record.respelt`."""
    written: dict[str, str]
    """As `Record.written`."""
    missing: tuple[str, ...]
    """As `Record.missing`."""


def read_columns(batch: pa.RecordBatch, plan: ColumnPlan, missing: frozenset[str] = MISSING) -> RowColumns:
    """The columns of a batch. Takes memory for labels, ids and paths once more; what is not cleaned is not copied.

    Labels that are one of `missing`, in any case, are null.

    >>> from cladescope.embedding.columns import plan_columns
    >>> batch = pa.RecordBatch.from_pylist([{"file": " a.jpg", "Genus": "Vanessa", "species": "atalanta"}])
    >>> found = read_columns(batch, plan_columns(batch.schema))
    >>> found.path.to_pylist(), found.labels["species"].to_pylist()
    (['a.jpg'], ['Vanessa atalanta'])
    """
    picture, path = _pictures(batch, plan)
    labels, reading = _labels(batch, plan, missing)
    return RowColumns(
        image_id=_texts(batch, plan.image_id),
        source=_texts(batch, plan.source),
        path=path,
        picture=picture,
        labels=labels,
        extra={name: batch.column(column) for name, column in plan.extra.items()},
        respelt=reading.respelt,
        written=reading.written,
        missing=reading.missing,
    )


def read_rows(batch: pa.RecordBatch, plan: ColumnPlan, missing: frozenset[str] = MISSING) -> Iterator[Row]:
    """Every row of a batch, in order. Takes memory for the batch twice, for its pictures once and a picture more.

    >>> from cladescope.embedding.columns import plan_columns
    >>> row = {"file": "a.jpg", "Genus": "Vanessa", "species": "atalanta", "seen": 3}
    >>> batch = pa.RecordBatch.from_pylist([row])
    >>> next(read_rows(batch, plan_columns(batch.schema)))
    Row(image_id=None, source=None, path='a.jpg', data=None,
        labels={'genus': 'Vanessa', 'species': 'Vanessa atalanta'}, extra={'seen': 3}, respelt=False, written={}, missing=())
    """
    columns = read_columns(batch, plan, missing)
    return map(
        Row,
        columns.image_id.to_pylist(),
        columns.source.to_pylist(),
        columns.path.to_pylist(),
        repeat(None, batch.num_rows) if plan.picture is None else (value.as_py() for value in columns.picture),
        ({name: value for name, value in row.items() if value is not None} for row in _dicts(columns.labels, batch)),
        _dicts(columns.extra, batch),
        columns.respelt.to_pylist(),
        (dict(value or ()) for value in columns.written.to_pylist()),
        map(tuple, columns.missing.to_pylist()),
    )


def _dicts(columns: Mapping[str, pa.Array], batch: pa.RecordBatch) -> Iterable[dict[str, object]]:
    if not columns:
        return ({} for _ in range(batch.num_rows))
    values = (column.to_pylist() for column in columns.values())
    return (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))


def _pictures(batch: pa.RecordBatch, plan: ColumnPlan) -> tuple[pa.Array, pa.Array]:
    """Encoded pictures and paths; a struct's own path is preferred."""
    path = _texts(batch, plan.path)
    if plan.picture is None:
        return pa.nulls(batch.num_rows, pa.binary()), path
    picture = batch.column(plan.picture)
    if not pa.types.is_struct(picture.type):
        return picture, path
    if picture.type.get_field_index("path") >= 0:
        path = pc.coalesce(_blank_as_null(pc.struct_field(picture, "path").cast(pa.string())), path)
    return pc.struct_field(picture, "bytes"), path


_TEXTS = pa.list_(pa.string())
_BY_PART = pa.map_(pa.string(), pa.string())


class _Reading(NamedTuple):
    """How the names of rows were read, a value a row, as in `RowColumns`."""

    respelt: pa.Array
    written: pa.Array
    missing: pa.Array


def _labels(batch: pa.RecordBatch, plan: ColumnPlan, missing: frozenset[str]) -> tuple[dict[str, pa.Array], _Reading]:
    """Cleaned labels, what `clean_labels` gives, and how they were read; each different lineage is cleaned once."""
    labels: dict[str, pa.Array] = {}
    n = batch.num_rows
    reading = _Reading(pa.repeat(False, n), pa.nulls(n, _BY_PART), pa.repeat(pa.scalar([], _TEXTS), n))
    if plan.labels:
        columns = [batch.column(column).cast(pa.string()) for column in plan.labels.values()]
        first, place = _combinations(columns)
        names = zip(*(column.take(first).to_pylist() for column in columns), strict=True)
        lineages = [_lineage(tuple(plan.labels), row, missing) for row in names]
        for name in (*RANKS, "common_name", *NAME_PARTS):
            values = pa.array([one.labels.get(name) for one in lineages], pa.string())
            if values.null_count < len(values):
                labels[name] = values.take(place)
        reading = _Reading(
            pa.array([one.respelt for one in lineages], pa.bool_()).take(place),
            pa.array([list(one.written.items()) or None for one in lineages], _BY_PART).take(place),
            pa.array([one.missing for one in lineages], _TEXTS).take(place),
        )
    return labels | {role: _cleaned(batch.column(column)) for role, column in plan.optional.items()}, reading


class _Lineage(NamedTuple):
    """The names of a row, read."""

    labels: Mapping[str, str]
    respelt: bool
    written: Mapping[str, str]
    missing: tuple[str, ...]


@lru_cache(maxsize=KEPT_LINEAGES)
def _lineage(parts: tuple[str, ...], names: tuple[str | None, ...], missing: frozenset[str]) -> _Lineage:
    """Raw names, read; most batches name lineages of the batch before."""
    raw = dict(zip(parts, names, strict=True))
    labels = clean_labels(raw, missing)
    return _Lineage(labels, is_respelt(raw, labels), written_otherwise(raw, labels), missing_words(raw, missing))


def _combinations(columns: Sequence[pa.Array]) -> tuple[pa.Array, pa.Array]:
    """The first row of each different combination of values, and each row's place among these."""
    combination: Int[np.ndarray, " n"] = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        encoded = column.dictionary_encode()
        n_values = len(encoded.dictionary)
        codes = encoded.indices.fill_null(n_values).to_numpy().astype(np.int64)
        # numbered anew after each column, so that codes stay below rows times values
        combination = np.unique(combination * (n_values + 1) + codes, return_inverse=True)[1]
    _, first, place = np.unique(combination, return_index=True, return_inverse=True)
    return pa.array(first), pa.array(place)


def _cleaned(column: pa.Array) -> pa.Array:
    """Values of an optional column, each different one cleaned once."""
    encoded = column.cast(pa.string()).dictionary_encode()
    values = pa.array([clean_text(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return values.take(encoded.indices)


def _texts(batch: pa.RecordBatch, column: str | None) -> pa.Array:
    """Values of a column as text without space around it, blank ones as null."""
    if column is None:
        return pa.nulls(batch.num_rows, pa.string())
    return _blank_as_null(pc.utf8_trim(batch.column(column).cast(pa.string()), characters=_WHITESPACE))


def _blank_as_null(texts: pa.Array) -> pa.Array:
    says_nothing = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(sorted(EMPTY)))
    return pc.if_else(says_nothing, pa.scalar(None, pa.string()), texts)
