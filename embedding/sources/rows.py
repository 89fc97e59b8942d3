"""Rows of a table, batch by batch, under the names that records use.

Columns are converted and cleaned whole: a million rows take seconds, not minutes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from cladescope.embedding.columns import ColumnPlan, clean_labels, clean_text, is_respelt


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


def read_rows(batch: pa.RecordBatch, plan: ColumnPlan) -> Iterator[Row]:
    """Every row of a batch, in order. Takes memory for the batch twice: as it came and as Python values.

    >>> from cladescope.embedding.columns import plan_columns
    >>> row = {"file": "a.jpg", "Genus": "Vanessa", "species": "atalanta", "seen": 3}
    >>> batch = pa.RecordBatch.from_pylist([row])
    >>> next(read_rows(batch, plan_columns(batch.schema)))
    Row(image_id=None, source=None, path='a.jpg', data=None,
        labels={'genus': 'Vanessa', 'species': 'Vanessa atalanta'}, extra={'seen': 3}, respelt=False)
    """
    data, path = _pictures(batch, plan)
    labels, respelt = zip(*_labels(batch, plan), strict=True) if batch.num_rows else ((), ())
    extra: Iterator[dict[str, object]] = ({} for _ in range(batch.num_rows))
    if plan.extra:
        names = tuple(plan.extra)
        columns = [batch.column(column).to_pylist() for column in plan.extra.values()]
        extra = (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))
    return map(Row, _texts(batch, plan.image_id), _texts(batch, plan.source), path, data, labels, extra, respelt)


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


def _labels(batch: pa.RecordBatch, plan: ColumnPlan) -> Iterator[tuple[dict[str, str], bool]]:
    """Cleaned labels of each row, what `clean_labels` gives, and whether a name changed; each lineage is cleaned once."""
    raw = [batch.column(column).cast(pa.string()).to_pylist() for column in plan.labels.values()]
    optional = [_cleaned(batch, column, clean_text) for column in plan.optional.values()]
    known: dict[tuple[str | None, ...], tuple[dict[str, str], bool]] = {}
    for number in range(batch.num_rows):
        names = tuple(column[number] for column in raw)
        if names not in known:
            written = dict(zip(plan.labels, names, strict=True))
            labels = clean_labels(written)
            known[names] = labels, is_respelt(written, labels)
        labels, respelt = known[names]
        own = {role: value for role, column in zip(plan.optional, optional, strict=True) if (value := column[number])}
        yield labels | own, respelt


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
