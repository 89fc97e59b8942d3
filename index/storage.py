"""How the tables of a store lie on the disk: fragments, versions, and what earlier versions hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cladescope.index import remote
from cladescope.index.files import disk_errors


@dataclass(frozen=True, kw_only=True)
class TableStorage:
    """A table on the disk."""

    rows: int
    fragments: int
    versions: int
    n_bytes: int
    """Of the files of rows of the version that is shown."""
    earlier_bytes: int
    """Of those that only other versions name, or none, as what a killed job left."""


def storage(store_path: Path, tables: Mapping[str, Any]) -> dict[str, TableStorage]:
    """How each table lies on the disk; no file is opened for it."""
    return {name: _of_table(store_path, name, table) for name, table in tables.items()}


def _of_table(store_path: Path, name: str, table: Any) -> TableStorage:
    with disk_errors(store_path):
        known = table.stats()
        sizes = remote.sizes_in(store_path, f"lance/{name}.lance")
        there = sum(size for path, size in sizes.items() if path.startswith("data/"))
    n_bytes = int(known["total_bytes"])
    return TableStorage(
        rows=int(known["num_rows"]),
        fragments=int(known["fragment_stats"]["num_fragments"]),
        versions=sum(path.startswith("_versions/") and path.endswith(".manifest") for path in sizes),
        n_bytes=n_bytes,
        earlier_bytes=max(0, there - n_bytes),
    )
