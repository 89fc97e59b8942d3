"""Putting the parts of a store together."""

from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from cladescope.app.verbs.arguments import checked
from cladescope.index import remote
from cladescope.index.backfill import left_without
from cladescope.index.commit import Committed, commit_source
from cladescope.index.parts import FOLDER, shards_of, whole_parts
from cladescope.index.store import Store


@dataclass(frozen=True, kw_only=True)
class CommitResult:
    """What was done for each source whose shards were embedded."""

    sources: dict[str, Committed] = field(default_factory=dict)
    """By the source's address."""
    notes: tuple[str, ...] = ()
    """What the user should know of the store then."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"sources": {address: done.to_dict() for address, done in self.sources.items()}, "notes": self.notes}


@checked
def commit(store: str | PathLike[str], *, remove_parts: bool = False) -> CommitResult:
    """Put together what jobs of many machines embedded, each a `shard` of a source: `store` then has the rows of one uninterrupted job.

    `store` is made if needed. Nothing is written unless every shard of every source is there and whole. Called again it changes nothing, or
    takes over what the shards' jobs did since. The parts stay, so that these jobs can go on from them, unless `remove_parts`.

    Raises StoreError where a part is missing, not whole or of another kind than the others, or where a job writes to one of them.

    >>> import cladescope
    >>> for shard in ("1/2", "2/2"):
    ...     _ = cladescope.embed("photos/metadata.csv", "many.store", encoder="pixels", shard=shard)
    >>> [done.added for done in cladescope.commit("many.store").sources.values()]
    [24]
    """
    path = remote.folder_of(store)
    parts = whole_parts(path)
    held = Store.open_or_create(store, parts[0].store.card)
    done = {address: commit_source(held, address, some) for address, some in shards_of(parts)}
    result = CommitResult(sources=done, notes=left_without(held))
    if remove_parts:
        remote.remove(path, FOLDER)
    return result
