"""Earlier versions of a store's tables, removed where that is asked for or they are old: nothing else takes the files that they alone need."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cladescope.errors import InputError
from cladescope.index import ledger, remote
from cladescope.index.files import disk_errors

STEP_DAYS = 1.0
"""A version from the midst of a job expires after so many days: it is nobody's but a reader's that took it then."""
END_DAYS = 30.0
"""A version of the pictures at which a job ended expires after so many."""
DAY_SECONDS = 86_400


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
    limit, old = datetime.now() - timedelta(days=days), {}  # noqa: DTZ005  Lance gives local times
    with disk_errors(store_path):
        for name in tables:
            dataset = remote.dataset(store_path, name)
            dated: list[dict[str, Any]] = [dict(one) for one in dataset.versions()]
            old[name] = [
                one["version"] for one in dated if one["timestamp"] <= limit and one["version"] != dataset.version
            ]
        return _remove(store_path, tables, old)


def expire(store_path: Path, tables: Mapping[str, Any], ends: Collection[int]) -> dict[str, Pruned]:
    """Remove the versions that are old, by the times of their files; `ends` are those of the pictures at which jobs ended.

    A clock that was put back makes versions younger, and what is younger stays; on object storage its own clock counts. Call it with
    the store's lock held. Raises as `prune`.
    """
    with disk_errors(store_path):
        now = remote.now(store_path)
        old = {
            name: expired(ledger.version_times(store_path, name), ends if name == "images" else (), now)
            for name in tables
        }
        return _remove(store_path, tables, old)


def expired(written: Mapping[int, float], ends: Collection[int], now: float) -> list[int]:
    """Versions that are older than their kind is kept, never the newest; `written` are their times, in seconds.

    >>> expired({1: 0.0, 2: 0.0, 3: 1e6, 4: 0.0}, ends=[2], now=1e6)
    [1]
    """
    newest = max(written, default=0)
    kept = {version: END_DAYS if version in ends else STEP_DAYS for version in written}
    return [
        version
        for version, seconds in written.items()
        if version != newest and now - seconds > kept[version] * DAY_SECONDS
    ]


def _remove(store_path: Path, tables: Mapping[str, Any], old: Mapping[str, Sequence[int]]) -> dict[str, Pruned]:
    if not any(old.values()):
        return {}
    remote.check(store_path)
    ledger.expect_pruning(store_path)
    done = {}
    for name, versions in old.items():
        if versions:
            dataset = remote.dataset(store_path, name)
            removed = dataset.cleanup_old_versions(versions=list(versions), error_if_tagged_old_versions=False)
            done[name] = Pruned(versions=int(removed.old_versions), n_bytes=int(removed.bytes_removed))
            tables[name].checkout_latest()
    return done
