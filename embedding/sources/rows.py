"""Rows of a table, batch by batch, under the names that records use.

Columns are converted and cleaned whole: a million rows take seconds, not minutes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from cladescope.embedding.columns import ColumnPlan, binomial, clean_name, clean_text
from cladescope.taxonomy import RANKS


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


def read_rows(batch: pa.RecordBatch, plan: ColumnPlan) -> Iterator[Row]:
    """Every row of a batch, in order. Takes memory for the batch twice: as it came and as Python values.

    >>> from cladescope.embedding.columns import plan_columns
    >>> row = {"file": "a.jpg", "Genus": "Vanessa", "species": "atalanta", "seen": 3}
    >>> batch = pa.RecordBatch.from_pylist([row])
    >>> next(read_rows(batch, plan_columns(batch.schema)))
    Row(image_id=None, source=None, path='a.jpg', data=None,
        labels={'genus': 'Vanessa', 'species': 'Vanessa atalanta'}, extra={'seen': 3})
    """
    data, path = _pictures(batch, plan)
    labels = _labels(batch, plan)
    extra: Iterator[dict[str, object]] = ({} for _ in range(batch.num_rows))
    if plan.extra:
        names = tuple(plan.extra)
        columns = [batch.column(column).to_pylist() for column in plan.extra.values()]
        extra = (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))
    return map(Row, _texts(batch, plan.image_id), _texts(batch, plan.source), path, data, labels, extra)


def _pictures(batch: pa.RecordBatch, plan: ColumnPlan) -> tuple[Sequence[bytes | None], Sequence[str | None]]:
    """Encoded pictures and paths; a struct's own path is used where it holds no picture."""
    path = _texts(batch, plan.path)
    if plan.picture is None:
        return [None] * batch.num_rows, path
    values = batch.column(plan.picture).to_pylist()
    if not pa.types.is_struct(batch.schema.field(plan.picture).type):
        return values, path
    data = [value["bytes"] if value else None for value in values]
    own = [value.get("path") if value else None for value in values]
    return data, [first or second or None for first, second in zip(own, path, strict=True)]


def _labels(batch: pa.RecordBatch, plan: ColumnPlan) -> Iterator[dict[str, str]]:
    """Cleaned labels of each row, what `clean_labels` gives, column by column."""
    columns = {role: _cleaned(batch, column, clean_name) for role, column in plan.labels.items()}
    missing = [None] * batch.num_rows
    parts = [columns.get(part, missing) for part in ("genus", "species", "epithet", "scientific_name")]
    known: dict[tuple[str | None, ...], str | None] = {}
    columns["species"] = [
        known[names] if names in known else known.setdefault(names, binomial(*names))
        for names in zip(*parts, strict=True)
    ]
    kept = {name: columns[name] for name in (*RANKS, "common_name") if name in columns}
    kept |= {role: _cleaned(batch, column, clean_text) for role, column in plan.optional.items()}
    names = tuple(kept)
    for values in zip(*kept.values(), strict=True):
        labels = dict(zip(names, values, strict=True))
        yield ({name: value for name, value in labels.items() if value is not None} if None in values else labels)


def _cleaned(batch: pa.RecordBatch, column: str, clean: Callable[[str | None], str | None]) -> list[str | None]:
    """Values of a column, each different one cleaned once."""
    encoded = batch.column(column).cast(pa.string()).dictionary_encode()
    values = [clean(value) for value in encoded.dictionary.to_pylist()]
    return [None if index is None else values[index] for index in encoded.indices.to_pylist()]


def _texts(batch: pa.RecordBatch, column: str | None) -> Sequence[str | None]:
    """Values of a column as text, blank ones as None."""
    if column is None:
        return [None] * batch.num_rows
    values = batch.column(column).cast(pa.string()).to_pylist()
    return [value.strip() or None if value else None for value in values]
