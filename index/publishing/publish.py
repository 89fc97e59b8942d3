"""Publishing: a collection of a vector database is made to hold what a store holds, or a part of it, and nothing else.

The store is read at one version. Rows that did not change since the version published last are not read where that can be known;
of the others the digest in the collection says whether it has them already. So a run that was cut short goes on where it stopped.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import numpy as np
from jaxtyping import Shaped

from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.summary import Progress
from cladescope.errors import InputError, StoreError, TakenError
from cladescope.index import identity
from cladescope.index.files import disk_errors
from cladescope.index.publishing.points import Columns, Points, blocks, point_id
from cladescope.index.publishing.target import Held, Target
from cladescope.index.store import Store

logger = logging.getLogger(__name__)

BATCH_SIZE = 256
"""Points a request."""
BLOCK_ROWS = 1 << 12
"""Rows of the store in memory at a time."""
FORMAT = 1
"""Of records and points; another is published anew."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What was published; a dry run says what would be."""

    place: str
    version: int
    """Version of the store that the collection shows."""
    rows: int
    """Rows that were to be there."""
    added: int
    updated: int
    unchanged: int
    deleted: int
    compared: int
    """Rows that were read and compared with the collection; the others did not change since the last publication."""
    mapped: dict[str, str]
    """Fields whose type is another than that of the column."""
    lost: dict[str, int]
    """Values that have no place in the payload, by field and reason."""
    seconds: float
    dry_run: bool
    vectors: str | None = None
    """Name of the vectors, where they are not the store's own."""
    notes: tuple[str, ...] = ()
    """How many pictures have no such vector."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def publish_store(
    store: Store,
    target: Target,
    *,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    batch_size: int = BATCH_SIZE,
    overwrite: bool = False,
    compare_all: bool = False,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Publication:
    """Make a collection hold the rows of a store, of a clade or under a condition; points of other rows leave it.

    `compare_all` compares every row with the collection, also those that did not change since the last publication. `overwrite`
    takes over a collection that shows another store or another part of it. `dry_run` only counts.

    Memory: a block of rows, BLOCK_ROWS (6 d bytes + payload); where points must leave, 16 bytes for each row of the store too.

    Raises InputError where nothing meets the conditions or `batch_size` is below 1, StoreError where the collection holds other
    vectors, was filled by somebody else or cannot be reached, TakenError where it shows another store or part.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}: send at least 1 point a request")
    began = time.monotonic()
    store.refresh()
    pinned = Store.open(store.path, version=store.version, vectors=store.vectors_name)
    condition = pinned.condition(within=within, where=where)
    n_rows = pinned.count(within=within, where=where)
    if not n_rows:
        raise InputError(f"no row of {store.path} meets the conditions: nothing to publish")
    columns = Columns(pinned.schema, target.longest)
    record = _record(pinned, columns, condition)
    held = target.held()
    if held is not None:
        _check(held, target.place, record, pinned.card, overwrite=overwrite)
    since = None if held is None or compare_all else _unchanged_since(held.record, record, pinned)
    if not dry_run:
        if held is None:
            target.create(pinned.card.dim, pinned.schema)
        else:
            target.prepare()
        target.note({**record, "state": "writing"})
        if (kept := target.held()) is None or kept.record is None:
            raise StoreError(
                f"{target.place} does not keep a record of what is published: use a newer version of the database"
            )
    job = _Job(target, columns, batch_size, dry_run, progress, began, is_empty=held is None or not held.n_points)
    n_before = 0 if held is None else held.n_points
    n_there = job.send(pinned, condition, since, n_before)
    if n_there < n_rows and since is not None:
        logger.warning("%s lacks points that were published before: all rows are compared", target.place)
        n_there = job.send(pinned, condition, None, n_there)
    deleted = 0
    if n_there > n_rows:
        deleted = n_there - n_rows if dry_run else _take_out(target, _ids(pinned, condition))
    if not dry_run:
        if (n_left := target.count()) != n_rows:
            raise StoreError(
                f"{target.place} has {n_left:,} points, expected {n_rows:,}: another job writes there: run the same again"
            )
        target.note({**record, "state": "complete"})
    return Publication(
        place=target.place,
        version=pinned.version,
        rows=n_rows,
        added=job.added,
        updated=job.updated,
        unchanged=n_rows - job.added - job.updated,
        deleted=deleted,
        compared=job.compared,
        mapped=columns.changed,
        lost=dict(columns.lost),
        seconds=round(time.monotonic() - began, 3),
        dry_run=dry_run,
        vectors=pinned.vectors_name,
        notes=pinned.notes(condition),
    )


@dataclass
class _Job:
    """Sends rows and counts them."""

    target: Target
    columns: Columns
    batch_size: int
    dry_run: bool
    progress: Callable[[Progress], None] | None
    began: float
    is_empty: bool
    """Whether the collection held nothing when the job began: then there is nothing to compare with."""
    added: int = 0
    updated: int = 0
    compared: int = 0

    def send(self, store: Store, condition: str | None, since: int | None, n_before: int) -> int:
        """Send what the collection lacks, of the rows touched after the version `since`; how many points it has then."""
        self.added = self.updated = self.compared = 0
        self.columns.lost.clear()
        newer = None if since is None else f"_row_last_updated_at_version > {since}"
        both = " AND ".join(f"({part})" for part in (condition, newer) if part is not None) or None
        total = store.count_rows(both)
        for batch in store.scan(store.schema.names, condition=both, block_rows=BLOCK_ROWS):
            for points in blocks(self.columns.points(batch), self.batch_size):
                self._send(points)
                if self.progress is not None:
                    self.progress(Progress(self.compared, total, self.compared, 0, time.monotonic() - self.began))
        return n_before + self.added if self.dry_run else self.target.count()

    def _send(self, points: Points) -> None:
        there = {} if self.is_empty else self.target.digests(points.ids)
        other = [
            place
            for place, (one, digest) in enumerate(zip(points.ids, points.digests, strict=True))
            if there.get(one) != digest
        ]
        if other and not self.dry_run:
            self.target.put(points.take(other))
        n_known = sum(points.ids[place] in there for place in other)
        self.added += len(other) - n_known
        self.updated += n_known
        self.compared += len(points)


def _record(store: Store, columns: Columns, condition: str | None) -> dict[str, Any]:
    """What a collection is to say of the store that it shows."""
    return {
        "format": FORMAT,
        "store": identity.created(store.path),
        "version": store.version,
        "stamp": _stamp(store, store.version),
        "condition": condition,
        "vectors": store.vectors_name,
        "columns": columns.said,
        "encoder": store.card.to_dict(),
    }


def _stamp(store: Store, version: int) -> str | None:
    """When a version of the pictures was written; None where it is gone."""
    with disk_errors(store.path):
        versions = {int(one["version"]): one["timestamp"] for one in store.tables["images"].list_versions()}
    return None if version not in versions else str(versions[version].isoformat())


def _check(held: Held, place: str, record: dict[str, Any], card: EncoderCard, *, overwrite: bool) -> None:
    """Raise where a collection cannot become what the record says."""
    other = "name another collection, or delete this one"
    if held.dim != card.dim:
        raise StoreError(f"{place} holds vectors of {held.dim} numbers, the store's have {card.dim}: {other}")
    if held.metric != "cosine":
        raise StoreError(f"{place} compares vectors by {held.metric}, expected cosine: {other}")
    if held.record is None:
        if held.n_points:
            raise StoreError(f"{place} has {held.n_points:,} points that were not published from a store: {other}")
        return
    if (difference := EncoderCard.from_dict(held.record["encoder"]).difference(card)) is not None:
        raise StoreError(f"{place} holds vectors of another encoder: {difference}: {other}")
    if overwrite:
        return
    if held.record["store"] != record["store"]:
        raise TakenError(f"{place} shows another store, made {held.record['store']}: {other}, or overwrite it")
    if held.record["condition"] != record["condition"]:
        shown, wanted = ((one["condition"] or "all rows")[:200] for one in (held.record, record))
        raise TakenError(f"{place} shows {shown}, asked is {wanted}: {other}, or overwrite it")


def _unchanged_since(earlier: dict[str, Any] | None, record: dict[str, Any], store: Store) -> int | None:
    """The version published last, where the rows that were not touched since are sure to be the same points; else None."""
    if earlier is None or earlier.get("state") != "complete":
        return None
    same = all(earlier.get(key) == record[key] for key in ("format", "store", "condition", "columns", "encoder"))
    version = int(earlier["version"])
    # A copy of the store that went its own way has other versions under the same numbers.
    if not same or version > store.version or earlier["stamp"] != _stamp(store, version):
        return None
    return version


def _ids(store: Store, condition: str | None) -> Iterator[list[str]]:
    for batch in store.scan(["image_id"], condition=condition):
        yield batch.column(0).to_pylist()


def _take_out(target: Target, wanted: Iterator[list[str]]) -> int:
    """Delete the points of no row that is wanted; how many they were."""
    parts = [_packed([point_id(one) for one in image_ids]) for image_ids in wanted]
    kept = np.sort(np.concatenate(parts))
    n_gone = 0
    for ids in target.ids():
        packed = _packed(ids)
        places = np.minimum(np.searchsorted(kept, packed), len(kept) - 1)
        if gone := [ids[place] for place in np.flatnonzero(kept[places] != packed)]:
            target.delete(gone)
            n_gone += len(gone)
    return n_gone


def _packed(ids: Sequence[str]) -> Shaped[np.ndarray, " n"]:
    """Ids of points in 16 bytes each."""
    return np.frombuffer(b"".join(UUID(one).bytes for one in ids), "S16")
