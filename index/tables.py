"""The LanceDB tables of a store, opened; LanceDB is loaded here, when a store is opened, and nowhere else."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from cladescope.errors import InputError
from cladescope.index.files import disk_errors, one_line

_NOT_COMPUTED = re.compile(r"Error applying filter expression to batch: (?:\w+ error: )*(.*)")


def connect(folder: Path) -> Any:
    """The database in a folder."""
    import lancedb  # takes longer to load than all else that a store needs

    return lancedb.connect(folder)


def open_or_make(database: Any, name: str, schema: pa.Schema) -> Any:
    """A table of a database; made empty where it is not there yet."""
    if name in database.list_tables().tables:
        return database.open_table(name)
    # Stable row ids outlive compaction: an index and a search refer to rows by them.
    options = {"new_table_enable_stable_row_ids": "true"}
    return database.create_table(name, schema=schema, storage_options=options, exist_ok=True)


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
            raise InputError(f"the condition {condition[:200]} cannot be computed of every row: {reason}") from error
