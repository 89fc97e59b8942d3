"""Records of a table, whatever it was read from: what a door for a kind of table ends in.

A door supplies a `RecordTable`: rows under any names that `cladescope.embedding.columns` understands, the folder that relative
paths start from, and how much it left out. The rest, which is the same for all, is here: names, ids, boxes, addresses.
"""

import logging
import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.delimited.headers import squash
from cladescope.embedding.columns import ColumnPlan, is_url, nearly
from cladescope.embedding.labels import MISSING
from cladescope.embedding.locations import without_query
from cladescope.embedding.record_columns import RecordColumns
from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.regions import box_columns, read_box, region_address
from cladescope.embedding.schemes import BACKSLASHES, Address, found, leads_elsewhere, refusal
from cladescope.embedding.sources.rows import Row, RowColumns, read_columns, read_rows
from cladescope.embedding.zips import is_outside
from cladescope.errors import PictureError

logger = logging.getLogger(__name__)

_EMPTY_ROWS = "rows without any value"
_WEB = "^(?i:https?)://"


@dataclass(frozen=True, kw_only=True)
class RecordTable:
    """Rows, one a picture or region, and where they come from."""

    place: str
    """Absolute path or URL of the table or package; a row without a path has the address `place#row=17`."""
    plan: ColumnPlan
    n_rows: int
    batches: Callable[[], Iterator[pa.RecordBatch]] = field(repr=False)
    """All rows, in the same order every time, with the columns that `plan` was made for."""
    missing: frozenset[str] = MISSING
    """Words that say that a label is not known."""
    folder: str | None = None
    """Where relative paths start: a folder, or `a.zip#` with the folder in it; by default the folder in which `place` lies."""
    closed: bool = False
    """Whether relative paths may not lead out of `folder`, as in an archive."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """What the table's records lack of what was there, in words (`occurrences without media`), and how many."""
    notes: tuple[str, ...] = ()
    """How columns were read otherwise than as they stand, a line each."""


class TableSource:
    """Records of a table, in its order (`cladescope.embedding.columns` says which columns are understood).

    A row without a path becomes a record with a `problem`, whose address is its row. A row with a box
    (`cladescope.embedding.regions`) is a region of its picture, whose address holds the box. Memory is a few batches of rows.
    """

    def __init__(self, table: RecordTable, *, name: str, allowed: Collection[str] = ()) -> None:
        """Reads nothing. `allowed` are schemes that rows may have beside the usual ones (`cladescope.embedding.schemes`)."""
        self.name = name
        self.extra_fields = table.plan.extra_fields
        self.left_out = {words: n for words, n in table.left_out.items() if n}
        self.notes = table.notes
        self._table = table
        self._elsewhere = is_url(table.place)
        self._allowed = frozenset(allowed)
        self._folder = posixpath.dirname(without_query(table.place)) if table.folder is None else table.folder
        self._boxes = box_columns(table.plan.extra)
        for column in table.plan.extra.values():
            if (
                (meant := nearly(column)) is not None
                and meant not in table.plan.labels
                and squash(column) != squash(meant)
            ):
                logger.warning("%s: column %r is kept as it is called: did you mean %s?", table.place, column, meant)

    def count(self) -> int | None:
        """Number of rows, with those that say nothing."""
        return self._table.n_rows

    def columns(self) -> Iterator[RecordColumns] | None:
        """The records as columns, some thousand at a time; None for a table that carries its pictures, or whose rows are regions."""
        return None if self._table.plan.picture or self._boxes else self._read_columns()

    def records(self) -> Iterator[Record]:
        """A record a row, in the table's order."""
        if (found := self.columns()) is not None:
            for columns in found:
                yield from columns.records()
            return
        numbers = count()
        self.left_out.pop(_EMPTY_ROWS, None)
        for batch in self._table.batches():
            for row, number in zip(read_rows(batch, self._table.plan, self._table.missing), numbers, strict=False):
                if _says_nothing(row):
                    self._leave_out(1)
                else:
                    yield self._record(number, row)

    def _leave_out(self, n: int) -> None:
        self.left_out[_EMPTY_ROWS] = self.left_out.get(_EMPTY_ROWS, 0) + n

    def _read_columns(self) -> Iterator[RecordColumns]:
        start = 0
        self.left_out.pop(_EMPTY_ROWS, None)
        for batch in self._table.batches():
            numbers = pa.array(range(start, start + batch.num_rows), pa.int64())
            start += batch.num_rows
            rows = read_columns(batch, self._table.plan, self._table.missing)
            if (empty := _empty_rows(rows)) is not None:
                said = pc.invert(empty)
                batch, numbers = batch.filter(said), numbers.filter(said)
                self._leave_out(len(said) - batch.num_rows)
                rows = read_columns(batch, self._table.plan, self._table.missing)
            if batch.num_rows:
                yield self._columns_of(rows, numbers)

    def _columns_of(self, rows: RowColumns, numbers: pa.Array) -> RecordColumns:
        uri, rule, problem = self._addresses(rows, numbers)
        image_id = rows.image_id
        if image_id.null_count:
            own = zip(image_id.to_pylist(), self._occurrences(rows), uri.to_pylist(), strict=True)
            image_id = pa.array([found or self._id_of(occurrence, at) for found, occurrence, at in own], pa.string())
        place = self._table.place
        public = [leads_elsewhere(at, place) for at in uri.to_pylist()] if self._elsewhere else [False] * len(uri)
        return RecordColumns(
            image_id=image_id,
            uri=uri,
            source=rows.source.fill_null(self.name),
            labels=rows.labels,
            extra=rows.extra,
            respelt=rows.respelt,
            written=rows.written,
            missing=rows.missing,
            path_rule=rule,
            public_only=pa.array(public, pa.bool_()),
            problem=problem,
        )

    def _addresses(self, rows: RowColumns, numbers: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Address of each row, how its path was read, and why it is not opened; one of the web is what is written."""
        folders = rows.extra.get("RelativePath")
        if folders is None and pc.all(pc.match_substring_regex(rows.path, _WEB).fill_null(False)).as_py():
            nothing = pa.nulls(len(rows.path), pa.string())
            return rows.path, nothing, nothing
        written = zip(
            rows.path.to_pylist(), [None] * len(rows.path) if folders is None else folders.to_pylist(), strict=True
        )
        found = [
            self._address(_joined(path, folder)) if path is not None else self._without_path(number)
            for (path, folder), number in zip(written, numbers.to_pylist(), strict=True)
        ]
        uri, rule, problem = zip(*found, strict=True)
        return pa.array(uri, pa.string()), pa.array(rule, pa.string()), pa.array(problem, pa.string())

    def _without_path(self, number: int) -> Address:
        nothing = f"nothing in column {self._table.plan.picture or self._table.plan.path!r}"
        return Address(f"{self._table.place}#row={number}", problem=nothing)

    def _occurrences(self, rows: RowColumns) -> Iterator[str | None]:
        found = rows.labels.get("observation_id")
        return iter([None] * len(rows.path) if found is None else found.to_pylist())

    def _record(self, number: int, row: Row) -> Record:
        problem, rule = None, None
        if row.data is not None or row.path is None:
            uri, _, problem = self._without_path(number)
            problem = problem if row.data is None else None
        else:
            uri, rule, problem = self._address(_joined(row.path, row.extra.get("RelativePath")))
            try:
                box = read_box(row.extra, self._boxes) if self._boxes else None
                uri = uri if box is None else region_address(uri, box)
            except PictureError as error:
                uri, problem = f"{uri}#row={number}", str(error)
        return Record(
            image_id=row.image_id or self._id_of(row.labels.get("observation_id"), uri),
            uri=uri,
            source=row.source or self.name,
            labels=row.labels,
            respelt=row.respelt,
            written=row.written,
            missing=row.missing,
            path_rule=rule,
            extra=row.extra,
            data=row.data,
            public_only=self._elsewhere and leads_elsewhere(uri, self._table.place),
            problem=problem,
        )

    def _id_of(self, occurrence: str | None, uri: str) -> str:
        """An id for a picture that has none of its own: of its address, in tables of occurrences of the occurrence too."""
        of_both = self._table.plan.of_occurrences and occurrence is not None
        return id_of_uri(f"{occurrence}\n{uri}" if of_both else uri)

    def _address(self, path: str) -> Address:
        """What a written path means."""
        within = self._table.closed and not path.startswith("/") and not is_url(path)
        if within and is_outside(path):
            return Address(f"{self._folder}/{path}", problem=f"its path leads out of {self._table.place}")
        if within and ".zip#" in self._folder:
            member = posixpath.normpath(path.replace("\\", "/"))
            return Address(f"{self._folder}{member}", BACKSLASHES if "\\" in path else None)
        address = found(path, self._folder)
        refused = refusal(path, address.uri, self._allowed, elsewhere=self._elsewhere)
        return address._replace(problem=address.problem or refused)


def _says_nothing(row: Row) -> bool:
    """Whether a row has no value at all, as those that spreadsheets write behind a table."""
    if row.path or row.labels or row.data is not None or row.image_id or row.source or row.missing:
        return False
    return all(value is None or value == "" for value in row.extra.values())


def _empty_rows(rows: RowColumns) -> pa.Array | None:
    """Which rows have no value at all; None where each has one."""
    empty = pc.and_(pc.is_null(rows.path), pc.and_(pc.is_null(rows.image_id), pc.is_null(rows.source)))
    for column in (*rows.labels.values(), *rows.extra.values(), rows.missing):
        if not pc.any(empty).as_py():
            return None
        empty = pc.and_(empty, _nothing(column))
    return empty if pc.any(empty).as_py() else None


def _nothing(column: pa.Array) -> pa.Array:
    """Where a column has no value, or an empty text or list."""
    kind = column.type
    if pa.types.is_list(kind):
        return pc.equal(pc.list_value_length(column), 0).fill_null(True)
    if pa.types.is_dictionary(kind):
        return _nothing(column.cast(kind.value_type))
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return pc.equal(column, "").fill_null(True) if is_text else pc.is_null(column)


def _joined(path: str, folder: object) -> str:
    """A row's path as written; Timelapse and its kin write the folder in a column of its own."""
    if not isinstance(folder, str) or not folder.strip() or is_url(path):
        return path
    return f"{folder.strip().rstrip('/' + chr(92))}/{path}"
