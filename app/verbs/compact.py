"""Compacting a store."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened
from cladescope.index import compaction
from cladescope.index.compaction import Compacted
from cladescope.index.old_versions import Pruned, check_days
from cladescope.index.storage import TableStorage, storage


@dataclass(frozen=True, kw_only=True)
class CompactResult:
    """What was compacted and removed, and how the tables lie on the disk now."""

    tables: Mapping[str, Compacted]
    pruned: Mapping[str, Pruned]
    storage: Mapping[str, TableStorage]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "tables": {name: asdict(one) for name, one in self.tables.items()},
            "pruned": {name: asdict(one) for name, one in self.pruned.items()},
            "storage": {name: asdict(one) for name, one in self.storage.items()},
        }


@checked
def compact(store: AnyStore, *, prune_older_than: int | float | None = None, dry_run: bool = False) -> CompactResult:
    """Write the small fragments of a store's tables together, so that it is read faster; `dry_run` only says what there is to do.

    Jobs do so by themselves where they make many fragments of few rows; this does all that is left. Rows, their ids and the answers stay. Earlier
    versions stay, too, and hold their files, unless `prune_older_than` gives a number of days: versions written so long ago
    or earlier are removed. With 0 that is all but the newest, which fails whoever reads one of them at that time.

    Raises InputError for a number of days below 0, StoreError if there is no store, another job writes to it or the disk is full.

    >>> import cladescope
    >>> cladescope.compact("photos.store").tables["images"].fragments_after
    1
    """
    if prune_older_than is not None:
        check_days(prune_older_than)
    held = opened(store)
    if dry_run:
        planned = compaction.planned(held.path, held.tables)
        return CompactResult(tables=planned, pruned={}, storage=storage(held.path, held.tables))
    tables, pruned = held.compact(prune_older_than=prune_older_than)
    return CompactResult(tables=tables, pruned=pruned, storage=storage(held.path, held.tables))
