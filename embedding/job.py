"""The stored job: which records are done already, what to write and when, and the count of it all.

Where vectors come from is the caller's affair: `embedding.pipeline` encodes pictures, `index.importing` reads vectors that
were made elsewhere. Rows are committed in the source's order, so that a job killed anywhere leaves a prefix, and running it
again does the rest and no more. The store is reached through `Sink`, because this module must import without LanceDB.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from cladescope.embedding.columns import renamed_columns
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.known import Checked, KnownPictures, PictureStore
from cladescope.embedding.pace import Pace
from cladescope.embedding.prepare import Failure
from cladescope.embedding.summary import EmbedSummary, Progress, gist, names_parsed
from cladescope.embedding.tables import failures_table
from cladescope.schema import NAME_FIELDS

logger = logging.getLogger(__name__)


@runtime_checkable
class Sink(PictureStore, Protocol):
    """What the job needs of a store."""

    card: EncoderCard

    def writing(self) -> AbstractContextManager[None]:
        """Hold the store for one writer."""

    def add_fields(self, fields: Iterable[pa.Field]) -> None:
        """Make room for a source's own columns."""

    def contents(self) -> Iterator[pa.RecordBatch]:
        """`content_hash` and `_rowid` of every stored picture."""

    def scan(self, columns: Sequence[str], *, condition: str | None = None) -> Iterator[pa.RecordBatch]:
        """Some columns of every stored picture, or of those under a condition."""

    def vectors_by_content(
        self, hashes: Iterable[str], *, row_ids: Sequence[int] | None = None
    ) -> dict[str, Float[np.ndarray, " d"]]:
        """Stored vectors of pictures of the same content, among some rows or all."""

    def write(self, images: pa.Table, failures: pa.Table) -> None:
        """Append pictures, and note failures in place of earlier notes about the same records."""


@runtime_checkable
class SyncSink(Sink, Protocol):
    """What keeping in step needs of a store."""

    schema: pa.Schema

    def listed(self, columns: Sequence[str], address: str) -> Iterator[pa.RecordBatch]:
        """All that one source listed."""

    def note_origins(self, rows: pa.Table, *, new: bool) -> None:
        """Note what a source listed."""

    def forget_origins(self, address: str, image_ids: Sequence[str]) -> None:
        """Strike that out."""

    def rows_by_content(self, hashes: Iterable[str], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Some columns of the pictures of some contents."""

    def update(self, rows: pa.Table) -> None:
        """Put other values into some columns of stored pictures."""

    def write(self, images: pa.Table, failures: pa.Table, *, out: Sequence[str] = ()) -> None:
        """Append pictures, take others out, and note failures."""

    def clear_failures(self, source: str, address: str, failed: Collection[str]) -> None:
        """Strike out notes of what was in a source's way and is no more."""

    def take_out(self, image_ids: Sequence[str], *, source: str, began: datetime, told: Mapping[str, object]) -> None:
        """Remove rows."""


class Rehearsal:
    """What a job asks before anything is written, where no record may be touched by a rule: whether ids are free.

    Memory: that of `KnownPictures`, with the ids of all records that are not stored.
    """

    def __init__(self, sink: Sink) -> None:
        """Reads which pictures are stored."""
        self.summary = EmbedSummary()
        self._known = KnownPictures(sink)

    def check(self, image_ids: pa.Array, uris: pa.Array, numbers: Int[np.ndarray, " n"]) -> Checked:
        """What is known of records, as `StoredJob.check` says it."""
        return self._known.check(image_ids, uris, np.asarray(numbers, np.int64))


class StoredJob:
    """State of one job on a store that is held for writing.

    Memory: that of `KnownPictures`, and the rows that wait for a commit.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        extra_fields: Sequence[pa.Field],
        total: Callable[[], int | None],
        commit_rows: int,
        commit_seconds: float,
        progress: Callable[[Progress], None] | None,
        commit_bytes: int | None = None,
    ) -> None:
        """Makes room for a source's own columns, and reads which pictures are stored. `total` tells the number of records, once it is known. A commit comes after so many rows, so many bytes of them, or when the oldest has waited so long."""
        self.write: Callable[[pa.Table, Sequence[Failure]], None] = self._write
        """What writes rows and failures at a commit; `embedding.in_step` puts its own in place."""
        sink.add_fields(extra_fields)
        self.summary = EmbedSummary(renamed=renamed_columns(extra_fields))
        self._sink, self._total, self._progress = sink, total, progress
        self._commit_rows, self._commit_seconds, self._commit_bytes = commit_rows, commit_seconds, commit_bytes
        self._started, self._pace = time.monotonic(), Pace()
        self._room: set[str] = set()
        self.pictures = KnownPictures(sink)
        self._begin_chunk()

    def _begin_chunk(self) -> None:
        """Nothing waits for a commit."""
        self._images: list[pa.Table] = []
        self._failures: list[Failure] = []
        self._n_waiting, self._waiting_bytes = 0, 0
        self._chunk_started = time.monotonic()

    def check(self, image_ids: pa.Array, uris: pa.Array, numbers: Int[np.ndarray, " n"]) -> Checked:
        """What is known of records, whose `numbers` are their places in the source from 1; see `KnownPictures.check`."""
        return self.pictures.check(image_ids, uris, np.asarray(numbers, np.int64))

    def add(self, images: pa.Table, failures: Sequence[Failure]) -> bool:
        """Take new rows and failures, and commit when enough waits; whether that was done."""
        summary = self.summary
        self._make_room(images)
        summary.names.update(names_parsed(images))
        self._images.append(images)
        self._failures += failures
        self._n_waiting += images.num_rows + len(failures)
        self._waiting_bytes += images.nbytes
        summary.embedded += images.num_rows
        summary.failed += len(failures)
        summary.failures_by_reason.update(
            f"{failure.stage}: {gist(failure.reason, failure.record.uri)}" for failure in failures
        )
        self.report()
        is_full = self._n_waiting >= self._commit_rows or (
            self._commit_bytes is not None and self._waiting_bytes >= self._commit_bytes
        )
        return self.commit_where_due(now=is_full)

    def commit_where_due(self, *, now: bool = False) -> bool:
        """Commit what waits, if anything does, where its time has come, or `now`; whether that was done."""
        is_due = now or time.monotonic() - self._chunk_started >= self._commit_seconds
        if not (self._n_waiting and is_due):
            return False
        self.commit()
        return True

    def _make_room(self, images: pa.Table) -> None:
        """Columns of the store for the parts of names that a batch is the first to have."""
        new = [field for field in NAME_FIELDS if field.name in images.column_names and field.name not in self._room]
        if new:
            self._sink.add_fields(new)
            self._room |= {field.name for field in new}

    def commit(self) -> None:
        """Write what waits; after this it survives anything."""
        if self._n_waiting:
            images = pa.concat_tables(self._images, promote_options="default")
            self.write(images, self._failures)
            self.pictures.committed(images.column("image_id").to_pylist())
            logger.debug("committed %d pictures and %d failures", images.num_rows, len(self._failures))
        self._begin_chunk()
        self.report()

    def _write(self, images: pa.Table, failures: Sequence[Failure]) -> None:
        self._sink.write(images, failures_table(failures))

    def end_of_source(self) -> None:
        """All records of the source were met, so that their number is known, whatever was counted before."""
        records = self.summary.records
        self._total = lambda: records

    def report(self) -> None:
        """Tell how far the job is."""
        summary = self.summary
        summary.seconds = time.monotonic() - self._started
        if self._progress is not None:
            done = summary.embedded + summary.already_stored + summary.failed
            self._pace.note(summary.seconds, done, summary.embedded)
            lately = self._pace.records, self._pace.pictures
            self._progress(Progress(done, self._total(), summary.embedded, summary.failed, summary.seconds, *lately))
