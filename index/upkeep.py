"""What a job that writes does for the store beside its work: it compacts what has become many small fragments, and lets old versions expire."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cladescope.errors import StoreError
from cladescope.index import compaction, old_versions
from cladescope.index.compaction import Compacted
from cladescope.index.old_versions import Pruned

logger = logging.getLogger(__name__)


class Upkeep:
    """Of one job, on a store that it holds. What stands in its way is told, and is no fault of the job, which goes on without."""

    def __init__(self, store_path: Path, tables: Mapping[str, Any]) -> None:
        """Nothing is done yet."""
        self._path, self._tables, self._goes_on = store_path, tables, True
        self.compacted: dict[str, Compacted] = {}
        self.expired: dict[str, Pruned] = {}

    def compact(self) -> None:
        """Compact the tables that are due (`compaction.compact_where_due`); after every commit."""
        if not self._goes_on:
            return
        try:
            for name, done in compaction.compact_where_due(self._path, self._tables):
                before = self.compacted.get(name)
                self.compacted[name] = done if before is None else before.and_then(done)
        except StoreError as error:
            self._goes_on = False
            logger.warning("%s was not compacted: %s", self._path, error)

    def expire(self, ends: Callable[[], Collection[int]]) -> None:
        """Remove versions that are old (`old_versions.expire`); `ends` tells those of the pictures at which jobs ended."""
        try:
            self.expired = old_versions.expire(self._path, self._tables, ends())
        except (StoreError, ValueError) as error:
            logger.warning("old versions of %s were not removed: %s", self._path, error)

    def told(self, *, asked: bool) -> dict[str, Any] | None:
        """What was done, for a run of its own; None where that was nothing, or `runs` alone, which would make the next one due.

        What nobody `asked` for is logged, too.
        """
        compacted = {name: one for name, one in self.compacted.items() if one.slices}
        if compacted and not asked:
            logger.info("compacted: %s", ", ".join(f"{name} {one}" for name, one in compacted.items()))
        if self.expired and not asked:
            told = (f"{name} {one.versions:,} versions" for name, one in self.expired.items())
            logger.info("expired: %s", ", ".join(told))
        if not (compacted.keys() | self.expired.keys()) - {"runs"}:
            return None
        return {
            "asked": asked,
            "tables": {name: asdict(one) for name, one in compacted.items()},
            "expired": {name: asdict(one) for name, one in self.expired.items()},
        }
