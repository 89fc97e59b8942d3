"""A DuckDB that sorts and counts over the files of a data set, and goes on on disk where memory does not do."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import duckdb

MEMORY: Final = "2GB"
"""What it may take before it goes on on disk."""


@contextmanager
def database(spilled: Path) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A database in memory, which spills into the folder `spilled`; that is removed at the end.

    Raises OSError where the disk is full, or memory and disk do not do.
    """
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "temp_directory": str(spilled),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    try:
        with duckdb.connect(config=settings) as connection:
            connection.execute("SET enable_progress_bar = false")  # it would stand among the results
            yield connection
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise OSError(str(error).splitlines()[0]) from error
    finally:
        shutil.rmtree(spilled, ignore_errors=True)


def place_of(path: Path) -> str:
    """A file as DuckDB reads it: what would be a pattern in its name is not.

    >>> place_of(Path("/data/birds [2]/*.parquet"))
    '/data/birds [[]2]/[*].parquet'
    """
    return re.sub(r"([\[*?])", r"[\1]", str(path))
