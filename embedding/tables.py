"""Records and what was found of them as rows of a store's tables."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float16

from cladescope.embedding.prepare import Failure
from cladescope.embedding.records import Record
from cladescope.schema import FAILURE_SCHEMA, images_schema


def images_table(
    records: Sequence[Record],
    vectors: Float16[np.ndarray, "n d"],
    extra_fields: Sequence[pa.Field],
    found: Mapping[str, Sequence[object]],
) -> pa.Table:
    """Rows of `images`: what each record says, its vector, and columns that were `found` of the pictures themselves.

    Columns that nothing fills are null.
    """
    n = len(records)
    dim = vectors.shape[1] if n else 1
    own: dict[str, Sequence[object]] = {
        "image_id": [record.image_id for record in records],
        "uri": [record.uri for record in records],
        "source": [record.source for record in records],
        **found,
    }
    extra = {field.name for field in extra_fields}
    schema = images_schema(dim, extra_fields)
    columns = []
    for field in schema:
        if field.name == "vector":
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float16()), dim))
        elif field.name in own:
            columns.append(pa.array(own[field.name], field.type))
        elif field.name in extra:
            columns.append(pa.array([record.extra.get(field.name) for record in records], field.type))
        else:
            columns.append(pa.array([record.labels.get(field.name) for record in records], field.type))
    return pa.Table.from_arrays(columns, schema=schema)


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
