"""The LanceDB tables of a store, opened; LanceDB is loaded here, when a store is opened, and nowhere else."""

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from cladescope import object_storage
from cladescope.errors import InputError, StoreError
from cladescope.index import remote
from cladescope.index.files import disk_errors, one_line
from cladescope.index.late_client import put_off
from cladescope.object_storage import object_url

_NOT_COMPUTED = re.compile(r"Error applying filter expression to batch: (?:\w+ error: )*(.*)")


SLICE_ROWS = 1 << 19
BLOCK_ROWS = 1 << 13
_BEING_MADE = re.compile("not found|already exists|conflict", re.IGNORECASE)
MAKING_SECONDS = (0.05, 0.1, 0.2, 0.4)
"""How long to wait, again and again, for a table that another process makes."""
FRESH_SECONDS = 1.0
"""How far a reader may lag behind a writer elsewhere. To look at every read would cost 0.1 ms each, and 0.3 ms in a table of 600
versions; to look once a second costs too little to measure."""


def connect(store_path: Path) -> Any:
    """The database of a store; its tables are looked at anew every `FRESH_SECONDS`."""
    put_off()
    import lancedb  # takes longer to load than all else that a store needs

    place, options = remote.database(store_path)
    return lancedb.connect(place, read_consistency_interval=timedelta(seconds=FRESH_SECONDS), **options)


def pin(table: Any, version: int, path: Path) -> None:
    """Show a table as it was at a version, and no other. Raises StoreError where the version is gone, or yet to come."""
    try:
        table.checkout(version)
    except (ValueError, RuntimeError, TypeError) as error:  # TypeError for a negative number
        there = [int(entry["version"]) for entry in table.list_versions()]
        listed = ", ".join(map(str, there)) if len(there) <= 10 else f"{there[0]} to {there[-1]} ({len(there)} in all)"
        raise StoreError(
            f"{path} has no version {version!r}: it has {listed}; or leave it out for the newest"
        ) from error


def open_or_make(database: Any, name: str, schema: pa.Schema) -> Any:
    """A table of a database; made empty where it is not there yet, by this process or by another that begins at the same time.

    Where a process was killed as it made the table, there is a folder without a version and without rows: the table is made then.
    """
    # Stable row ids outlive compaction: an index and a search refer to rows by them.
    options = {"new_table_enable_stable_row_ids": "true"}
    is_begun = False
    for seconds in MAKING_SECONDS:
        try:
            if not is_begun and name in database.list_tables().tables:
                return database.open_table(name)
            return database.create_table(name, schema=schema, storage_options=options, exist_ok=True)
        except (RuntimeError, ValueError, OSError) as error:
            # Another process has made its folder, and is about to put its first version there; or it was killed before it did.
            if _BEING_MADE.search(str(error)) is None:
                raise
            is_begun = _is_begun(str(database.uri), name)
            time.sleep(seconds)
    return database.open_table(name)


def in_slices(table: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of all rows of a table that nobody writes to meanwhile, in their order, in little memory.

    A slice at a time is asked for, since LanceDB reads far ahead: over 20 million rows of two texts 0.5 GB, where slices take 0.12, and less time.
    """
    for start in range(0, int(table.count_rows()), SLICE_ROWS):
        yield from table.search().select(list(columns)).offset(start).limit(SLICE_ROWS).to_batches(BLOCK_ROWS)


def rows_at(table: Any, row_ids: Sequence[int], columns: Sequence[str]) -> pa.Table:
    """Some columns of those of some rows of a table that are there, and their `_rowid`."""
    if not len(row_ids):
        schema = table.schema
        return pa.schema([*(schema.field(name) for name in columns), pa.field("_rowid", pa.uint64())]).empty_table()
    return table.take_row_ids(list(row_ids)).select(list(columns)).with_row_id().to_arrow()


def _is_begun(place: str, name: str) -> bool:
    """Whether a table's folder holds nothing that was ever committed."""
    if (url := object_url(place)) is not None:
        there = [one.partition("/")[2] for one in object_storage.names(url, f"{name}.lance")]
        return bool(there) and not any(one.endswith(".manifest") or one.startswith("data/") for one in there)
    folder = Path(place) / f"{name}.lance"
    return folder.is_dir() and not any(any(folder.glob(what)) for what in ("_versions/*.manifest", "data/*"))


@contextlib.contextmanager
def reading(path: Path, condition: str | None) -> Iterator[None]:
    """Say in one line what the disk or the database complains of, and apart from it what a condition cannot compute."""
    with disk_errors(path):
        try:
            yield
        except (RuntimeError, ValueError) as error:
            if condition is None or (found := _NOT_COMPUTED.search(one_line(error))) is None:
                raise
            reason = found.group(1)[:200]
            raise InputError(
                f"the condition {condition[:200]} cannot be computed of every row: {reason}; "
                "guard it, for instance with nullif(width, 0) or TRY_CAST"
            ) from error
