"""Tables that lie in a folder which is opened for its pictures: what they could be, said where nobody reads them."""

from pathlib import Path

import pyarrow as pa

from cladescope.delimited import DelimitedText, local_opener
from cladescope.embedding.columns import plan_columns
from cladescope.embedding.doors import nearest_door, nearest_package
from cladescope.embedding.sources.package import TABLE_SUFFIXES, Package
from cladescope.errors import InputError

LARGEST = 2**26
"""Bytes of a table that is looked into to say what it could be."""
SHOWN = 5


def tables_in(folder: str) -> list[str]:
    """Names of the tables right in a folder, hidden ones left out."""
    names = Package(folder).names()
    return [one for one in names if one.lower().endswith((*TABLE_SUFFIXES, ".parquet")) and not one.startswith(".")]


def advice(folder: str, tables: list[str]) -> str:
    """What to do with tables in a folder without pictures, on one line: which is a source itself, or which kind comes near."""
    package = nearest_package(Package(folder).names())
    shown = ", ".join(tables[:SHOWN]) + (f" and {len(tables) - SHOWN} more" if len(tables) > SHOWN else "")
    if package is not None:
        return f"it holds the tables {shown}, nearest to {package.name}, which has {', '.join(package.marks)}"
    for table in tables[:SHOWN]:
        columns = _columns(Path(folder, table))
        if columns is None:
            continue
        try:
            plan_columns(pa.schema([(name, pa.string()) for name in columns]))
        except InputError:
            door = nearest_door(columns)
            return (
                f"it holds the tables {shown}; {table} has the columns {', '.join(columns[:10])}, nearest to {door.name}, which "
                f"has {', '.join(door.columns)}"
            )
        return f"it holds the tables {shown}: to embed the pictures that {table} names, give {Path(folder, table)}"
    return f"it holds the tables {shown}: to embed the pictures that one names, give the table itself"


def _columns(path: Path) -> tuple[str, ...] | None:
    """Columns of a table of text; None where it is large, or cannot be read."""
    try:
        if path.suffix == ".parquet" or path.stat().st_size > LARGEST:
            return None
        return DelimitedText(str(path), local_opener(path)).columns
    except (InputError, OSError):
        return None
