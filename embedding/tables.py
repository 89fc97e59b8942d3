"""Records and what was found of them as rows of a store's tables."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float16

from cladescope.embedding.prepare import Failure
from cladescope.embedding.records import Record
from cladescope.schema import FAILURE_SCHEMA, LABEL_FIELDS, NAME_FIELDS, OPTIONAL_FIELDS, images_schema

_LABELS = (*LABEL_FIELDS, *OPTIONAL_FIELDS, *NAME_FIELDS)


def images_table(
    records: Sequence[Record],
    vectors: Float16[np.ndarray, "n d"],
    extra_fields: Sequence[pa.Field],
    found: Mapping[str, Sequence[object]],
) -> pa.Table:
    """Rows of `images`: what each record says, its vector, and columns that were `found` of the pictures themselves.

    Columns that nothing fills are null.
    """
    values: dict[str, Sequence[object]] = {
        **{name: [getattr(record, name) for record in records] for name in ("image_id", "uri", "source")},
        **{name: [record.labels.get(name) for record in records] for name in _labels_of(records)},
        **{field.name: [record.extra.get(field.name) for record in records] for field in extra_fields},
        **found,
    }
    types = {field.name: field.type for field in (*images_schema(1, extra_fields), *NAME_FIELDS)}
    columns = {name: pa.array(column, types[name]) for name, column in values.items()}
    return table_of_columns(columns, vectors, extra_fields)


def _labels_of(records: Sequence[Record]) -> list[str]:
    """The labels that every store has, and those parts of names that a record has."""
    said = set().union(*(record.labels.keys() for record in records))
    return [field.name for field in _LABELS if field not in NAME_FIELDS or field.name in said]


def table_of_columns(
    columns: Mapping[str, pa.Array], vectors: Float16[np.ndarray, "n d"], extra_fields: Sequence[pa.Field]
) -> pa.Table:
    """Rows of `images`: a vector each, and columns under the store's names; those that nobody gives are null.

    Parts of names (`NAME_FIELDS`) have a column where they are given.

    >>> texts = pa.array(["a"])
    >>> table = table_of_columns({"image_id": texts, "uri": texts, "source": texts}, np.zeros((1, 2), np.float16), [])
    >>> table.num_rows, table["genus"].null_count
    (1, 1)
    """
    n, dim = len(vectors), max(vectors.shape[1], 1)
    schema = images_schema(dim, [*extra_fields, *(field for field in NAME_FIELDS if field.name in columns)])
    made = []
    for field in schema:
        if field.name == "vector":
            made.append(pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float16()), dim))
        elif field.name in columns:
            made.append(columns[field.name].cast(field.type))
        else:
            made.append(pa.nulls(n, field.type))
    return pa.Table.from_arrays(made, schema=schema)


def failures_table(failures: Sequence[Failure]) -> pa.Table:
    """Rows of `failures`."""
    rows = [
        {
            "uri": failure.record.uri,
            "image_id": failure.record.image_id,
            "stage": failure.stage,
            "reason": failure.reason,
        }
        for failure in failures
    ]
    return pa.Table.from_pylist(rows, schema=FAILURE_SCHEMA)
