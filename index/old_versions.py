"""Earlier versions of a store's tables, removed where that is asked for: nothing else takes the files that they alone need."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cladescope.errors import InputError
from cladescope.index import ledger
from cladescope.index.files import disk_errors


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What was removed of a table."""

    versions: int
    n_bytes: int
    """Of the files that only these versions needed."""


def check_days(days: int | float) -> None:
    """Raise InputError for what is no number of days."""
    if not 0 <= days < 36_525:
        raise InputError(f"prune_older_than is {days}: give a number of days, 0 for all versions but the newest")


def prune(store_path: Path, tables: Mapping[str, Any], days: int | float) -> dict[str, Pruned]:
    """Remove versions that were written so many days ago or earlier, never the newest. Call it with the store's lock held.

    Who reads one of them meanwhile fails, for instance a store that is open at that version. Killed, it leaves the newest whole.

    Raises StoreError where the disk cannot be written.
    """
    import lance

    limit, done = datetime.now() - timedelta(days=days), {}  # noqa: DTZ005  Lance gives local times
    with disk_errors(store_path):
        ledger.expect_pruning(store_path)
        for name, table in tables.items():
            dataset = lance.dataset(store_path / "lance" / f"{name}.lance")
            dated: list[dict[str, Any]] = [dict(one) for one in dataset.versions()]
            old = [one["version"] for one in dated if one["timestamp"] <= limit and one["version"] != dataset.version]
            if old:
                removed = dataset.cleanup_old_versions(versions=old, error_if_tagged_old_versions=False)
                done[name] = Pruned(versions=int(removed.old_versions), n_bytes=int(removed.bytes_removed))
                table.checkout_latest()
    return done
