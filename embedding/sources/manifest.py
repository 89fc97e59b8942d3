"""A manifest: a table, as delimited text or Parquet, with a row a picture: its path, its URL or the picture itself."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from cladescope.delimited import DelimitedText
from cladescope.embedding.columns import ColumnPlan, plan_columns
from cladescope.embedding.locations import opener_of, suffix_of
from cladescope.embedding.sources.delimited import open_delimited, typed_text
from cladescope.embedding.sources.table_source import RecordTable, TableSource
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError

Opener = Callable[[], AbstractContextManager[BinaryIO]]
_BATCH_ROWS = 4096
_PICTURE_BATCH_ROWS = 256
_BATCH_BYTES = 8 * 2**20
"""Pictures of a table that are read at a time: so many, or of so many bytes by their mean size, but always one."""


class ManifestSource(TableSource):
    """Records of a table in one file. Relative paths start at the manifest's own folder.

    Memory is a few batches of rows; with pictures in the table, twice `_BATCH_BYTES` or twice a picture, whichever is more.
    """

    def __init__(
        self,
        uri: str,
        *,
        name: str,
        rules: TableRules | None = None,
        allowed: Collection[str] = (),
        text: DelimitedText | None = None,
    ) -> None:
        """Reads the columns; a delimited file is read whole, to learn its types.

        `uri` is an absolute path or a URL. `allowed` as in `TableSource`; `text` is the file, if it is open already. Raises InputError if the table cannot be used, and
        says why.
        """
        rules = rules or TableRules()
        if suffix_of(uri) == ".parquet":
            opener = opener_of(uri)
            plan, n_rows = _plan_parquet(uri, opener)
            table = RecordTable(
                place=uri,
                plan=plan,
                n_rows=n_rows,
                batches=lambda: _read_parquet(opener, plan.picture),
                missing=rules.missing,
            )
        else:
            typed = open_delimited(uri, rules) if text is None else typed_text(uri, text, rules)
            table = RecordTable(
                place=uri,
                plan=plan_columns(typed.schema, typed.head),
                n_rows=typed.n_rows,
                batches=typed.batches,
                missing=rules.missing,
                left_out={"columns without a name or a value": typed.text.n_nameless}
                if isinstance(typed.text, DelimitedText)
                else {},
                notes=typed.notes,
            )
        super().__init__(table, name=name, allowed=allowed)


def _plan_parquet(uri: str, opener: Opener) -> tuple[ColumnPlan, int]:
    with opener() as stream, pq.ParquetFile(stream) as table:
        n_rows = table.metadata.num_rows
        if n_rows == 0:
            raise InputError(f"{uri} has no rows: expected one row a picture")
        schema = table.schema_arrow
        plan_columns(schema, needs_picture=False)  # repeated names would confuse what follows
        text = [field.name for field in schema if pa.types.is_string(field.type)]
        first = next(table.iter_batches(batch_size=_BATCH_ROWS, columns=text), None) if text else None
        return plan_columns(schema, _values(first)), n_rows


def _values(batch: pa.RecordBatch | None) -> Mapping[str, Sequence[object]]:
    return {} if batch is None else batch.slice(0, _BATCH_ROWS).to_pydict()


def _read_parquet(opener: Opener, picture: str | None) -> Iterator[pa.RecordBatch]:
    # Without pre-buffering, pages are read as they are needed instead of a row group at a time.
    with opener() as stream, pq.ParquetFile(stream, pre_buffer=False, buffer_size=2**20) as table:
        n_rows = _BATCH_ROWS if picture is None else _rows_a_batch(table.metadata, picture)
        yield from table.iter_batches(batch_size=n_rows)


def _rows_a_batch(metadata: pq.FileMetaData, picture: str) -> int:
    """Rows whose pictures take `_BATCH_BYTES` together, in the row group of the largest pictures."""
    largest = 1
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(place) for place in range(group.num_columns)]
        own = (column for column in columns if column.path_in_schema.split(".")[0] == picture)
        largest = max(largest, sum(column.total_uncompressed_size for column in own) // max(group.num_rows, 1))
    return max(1, min(_PICTURE_BATCH_ROWS, _BATCH_BYTES // largest))
