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

from cladescope.delimited.headers import squash
from cladescope.embedding.columns import ColumnPlan, is_url, nearly
from cladescope.embedding.labels import MISSING
from cladescope.embedding.locations import without_query
from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.regions import box_columns, read_box, region_address
from cladescope.embedding.schemes import BACKSLASHES, Address, found, leads_elsewhere, refusal
from cladescope.embedding.sources.rows import Row, read_rows
from cladescope.embedding.zips import is_outside
from cladescope.errors import PictureError

logger = logging.getLogger(__name__)

_EMPTY_ROWS = "rows without any value"


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

    def records(self) -> Iterator[Record]:
        """A record a row, in the table's order."""
        numbers = count()
        self.left_out.pop(_EMPTY_ROWS, None)
        for batch in self._table.batches():
            for row, number in zip(read_rows(batch, self._table.plan, self._table.missing), numbers, strict=False):
                if _says_nothing(row):
                    self.left_out[_EMPTY_ROWS] = self.left_out.get(_EMPTY_ROWS, 0) + 1
                else:
                    yield self._record(number, row)

    def _record(self, number: int, row: Row) -> Record:
        problem, rule = None, None
        if row.data is not None or row.path is None:
            uri = f"{self._table.place}#row={number}"
            if row.data is None:
                problem = f"nothing in column {self._table.plan.picture or self._table.plan.path!r}"
        else:
            uri, rule, problem = self._address(_joined(row))
            try:
                box = read_box(row.extra, self._boxes) if self._boxes else None
                uri = uri if box is None else region_address(uri, box)
            except PictureError as error:
                uri, problem = f"{uri}#row={number}", str(error)
        return Record(
            image_id=row.image_id or self._id_of(row, uri),
            uri=uri,
            source=row.source or self.name,
            labels=row.labels,
            respelt=row.respelt,
            missing=row.missing,
            path_rule=rule,
            extra=row.extra,
            data=row.data,
            public_only=self._elsewhere and leads_elsewhere(uri, self._table.place),
            problem=problem,
        )

    def _id_of(self, row: Row, uri: str) -> str:
        """An id for a picture that has none of its own: of its address, in tables of occurrences of the occurrence too."""
        occurrence = row.labels.get("observation_id") if self._table.plan.of_occurrences else None
        return id_of_uri(uri if occurrence is None else f"{occurrence}\n{uri}")

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


def _joined(row: Row) -> str:
    """A row's path as written; Timelapse and its kin write the folder in a column of its own."""
    assert row.path is not None
    folder = row.extra.get("RelativePath")
    if not isinstance(folder, str) or not folder.strip() or is_url(row.path):
        return row.path
    return f"{folder.strip().rstrip('/' + chr(92))}/{row.path}"
