"""A manifest: a table, as delimited text or Parquet, with a row a picture: its path, its URL or the picture itself."""

import logging
import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count

import pyarrow as pa
import pyarrow.parquet as pq

from cladescope.embedding.columns import ColumnPlan, is_url, plan_columns
from cladescope.embedding.locations import open_location, suffix_of, without_query
from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.regions import box_columns, read_box, region_address
from cladescope.embedding.schemes import refusal, resolved, with_slashes
from cladescope.embedding.sources.delimited import TypedText, open_delimited
from cladescope.embedding.sources.rows import Row, read_rows
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError, PictureError

logger = logging.getLogger(__name__)

_BATCH_ROWS = 4096
_PICTURE_BATCH_ROWS = 256
_BATCH_BYTES = 8 * 2**20
"""Pictures of a table that are read at a time: so many, or of so many bytes by their mean size, but always one."""


class ManifestSource:
    """Records of a table, in its order (`cladescope.embedding.columns` says which columns are understood).

    Relative paths start at the manifest's own folder. A row without a path becomes a record with a `problem`,
    whose address is its row. A row with a box (`cladescope.embedding.regions`) is a region of its picture, whose address holds
    the box. Memory is a few batches of rows; with pictures in the table, twice `_BATCH_BYTES` or twice a
    picture, whichever is more.
    """

    def __init__(self, uri: str, *, name: str, rules: TableRules | None = None, allowed: Collection[str] = ()) -> None:
        """Reads the columns; a delimited file is read whole, to learn its types.

        `uri` is an absolute path or a URL. `allowed` are schemes that rows may have beside the usual ones
        (`cladescope.embedding.schemes`). Raises InputError if the table cannot be used, and says why.
        """
        self.name = name
        self._uri = uri
        self._elsewhere = is_url(uri)
        self._allowed = frozenset(allowed)
        self._folder = posixpath.dirname(without_query(uri))
        self._missing = (rules or TableRules()).missing
        self._text: TypedText | None = None
        if _is_parquet(uri):
            self._plan, self._n_rows = _plan_parquet(uri)
        else:
            self._text = open_delimited(uri, rules or TableRules())
            self._plan, self._n_rows = plan_columns(self._text.schema, self._text.head), self._text.n_rows
        self.extra_fields = self._plan.extra_fields
        self._boxes = box_columns(self._plan.extra)
        for stored, column in self._plan.extra.items():
            if stored != column:
                logger.info("%s: column %r is kept as %r", uri, column, stored)

    def count(self) -> int | None:
        """Number of rows."""
        return self._n_rows

    def records(self) -> Iterator[Record]:
        """A record a row, in the table's order."""
        numbers = count()
        for batch in self._batches():
            for row, number in zip(read_rows(batch, self._plan, self._missing), numbers, strict=False):
                yield self._record(number, row)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        return _read_parquet(self._uri, self._plan.picture) if self._text is None else self._text.batches()

    def _record(self, number: int, row: Row) -> Record:
        problem, slashed = None, False
        if row.data is not None or row.path is None:
            uri = f"{self._uri}#row={number}"
            if row.data is None:
                problem = f"nothing in column {self._plan.picture or self._plan.path!r}"
        else:
            path = _joined(row)
            uri = resolved(path, self._folder)
            if "\\" in path and not is_url(uri):
                uri, slashed, problem = with_slashes(path, uri, self._folder)
            problem = problem or refusal(path, uri, self._allowed, elsewhere=self._elsewhere)
            try:
                box = read_box(row.extra, self._boxes) if self._boxes else None
                uri = uri if box is None else region_address(uri, box)
            except PictureError as error:
                uri, problem = f"{uri}#row={number}", str(error)
        return Record(
            image_id=row.image_id or id_of_uri(uri),
            uri=uri,
            source=row.source or self.name,
            labels=row.labels,
            respelt=row.respelt,
            missing=row.missing,
            backslashes=slashed,
            extra=row.extra,
            data=row.data,
            public_only=self._elsewhere,
            problem=problem,
        )


def _is_parquet(uri: str) -> bool:
    return suffix_of(uri) == ".parquet"


def _plan_parquet(uri: str) -> tuple[ColumnPlan, int]:
    with open_location(uri) as stream, pq.ParquetFile(stream) as table:
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


def _read_parquet(uri: str, picture: str | None) -> Iterator[pa.RecordBatch]:
    # Without pre-buffering, pages are read as they are needed instead of a row group at a time.
    with open_location(uri) as stream, pq.ParquetFile(stream, pre_buffer=False, buffer_size=2**20) as table:
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


def _joined(row: Row) -> str:
    """A row's path as written; Timelapse and its kin write the folder in a column of its own."""
    assert row.path is not None
    folder = row.extra.get("RelativePath")
    if not isinstance(folder, str) or not folder.strip() or is_url(row.path):
        return row.path
    return f"{folder.strip().rstrip('/' + chr(92))}/{row.path}"
