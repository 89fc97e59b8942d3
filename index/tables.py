"""The LanceDB tables of a store, opened; LanceDB is loaded here, when a store is opened, and nowhere else."""

from pathlib import Path
from typing import Any

import pyarrow as pa


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
