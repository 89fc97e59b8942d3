"""Rows of a table by their `image_id`, many at a time: where they lie is kept in memory, what they hold is read there."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import UInt64

from cladescope.embedding.sorted_rows import hashed
from cladescope.index import tables
from cladescope.index.literals import is_one_of


class RowsById:
    """What a table held of some ids when this was made, or holds since of the same. Memory: 16 bytes a row.

    Rows are found by fingerprints of their ids, of 64 bits, and are those of an id only if they have it.
    """

    def __init__(self, table: Any, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """`batches` hold `image_id` and `_rowid` of the rows; where there are none, `table` may be None."""
        keys, rows = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
        for batch in batches:
            keys.append(hashed(batch.column("image_id")))
            rows.append(batch.column("_rowid").to_numpy())
        joined = np.concatenate(keys)
        order = np.argsort(joined)
        self._table, self._schema = table, schema
        self._keys, self._rows = joined[order], np.concatenate(rows)[order]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._keys)

    def read(self, image_ids: pa.Array, columns: Sequence[str], *, condition: str | None = None) -> pa.Table:
        """`image_id` and some columns of the rows of some ids, in whatever order; `condition` is that of the rows, where not all are meant."""
        asked = np.unique(hashed(image_ids))
        starts, ends = np.searchsorted(self._keys, asked), np.searchsorted(self._keys, asked, "right")
        found, names = self._at(starts, ends), ["image_id", *columns]
        if not len(found):
            return pa.schema([self._schema.field(name) for name in names]).empty_table()
        there = tables.rows_at(self._table, np.sort(found).tolist(), names).select(names)
        there = there.filter(pc.is_in(there.column("image_id"), image_ids))
        if there.num_rows < len(found):  # of other ids, or where rows move when they are compacted
            likely = image_ids.filter(pa.array(np.isin(hashed(image_ids), asked[ends > starts])))
            rest = likely.filter(pc.invert(pc.is_in(likely, there.column("image_id").combine_chunks())))
            if len(rest):
                there = pa.concat_tables([there, self._sought(rest.to_pylist(), names, condition)])
        return there

    def _at(self, starts: np.ndarray, ends: np.ndarray) -> UInt64[np.ndarray, " n"]:
        """The rows from some places on to others."""
        lengths = ends - starts
        places = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(lengths.sum())
        return self._rows[places.astype(np.int64)]

    def _sought(self, image_ids: Sequence[str], names: Sequence[str], condition: str | None) -> pa.Table:
        """The rows of some ids by looking through the table."""
        both = [is_one_of("image_id", image_ids), *([] if condition is None else [condition])]
        return self._table.search().select(list(names)).where(" AND ".join(both)).to_arrow().select(list(names))
