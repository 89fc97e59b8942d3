"""The stored job on top of the encode loop: skip what is stored, refuse ids that are taken, commit now and then.

Each record ends as one row of `images` or of `failures`. Rows are committed in the source's order, so that a job killed
anywhere leaves a prefix, and running it again does the rest and no more. The store is reached through `Sink`, because
this module must import without LanceDB.
"""

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from cladescope.embedding.columns import renamed_columns
from cladescope.embedding.encode import BATCH_SIZE, WORKERS, EncodedBatch, encoded
from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.known import HashMap, KnownPictures, hash64
from cladescope.embedding.prepare import Failure
from cladescope.embedding.records import Record, Source
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import EncoderError, InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """How an embedding job runs; none of it changes what is stored."""

    batch_size: int = BATCH_SIZE
    """Pictures a forward pass."""
    workers: int = WORKERS
    """Threads that read and decode."""
    limit: int | None = None
    """Only the first so many records of the source."""
    commit_rows: int = 4096
    """Commit when so many rows wait: each commit is a new version and a new file of the store."""
    commit_seconds: float = 30.0
    """Commit when the oldest waiting row is so old."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "workers", "commit_rows"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least 1")
        if self.limit is not None and self.limit < 0:
            raise InputError(f"limit is {self.limit}: it must not be negative")


@runtime_checkable
class Sink(Protocol):
    """What the job needs of a store."""

    card: EncoderCard

    def writing(self) -> AbstractContextManager[None]:
        """Hold the store for one writer."""

    def add_fields(self, fields: Iterable[pa.Field]) -> None:
        """Make room for a source's own columns."""

    def keys(self) -> Iterator[pa.RecordBatch]:
        """`image_id` and `uri` of every stored picture."""

    def scan(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of every stored picture."""

    def vectors_by_content(self, hashes: Iterable[str]) -> dict[str, Float[np.ndarray, " d"]]:
        """Stored vectors of pictures of the same content."""

    def write(self, images: pa.Table, failures: pa.Table) -> None:
        """Append pictures, and note failures in place of earlier notes about the same records."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is."""

    done: int
    """Records that came to an end: embedded, already stored or failed."""
    total: int | None
    """Records of the source, where known."""
    embedded: int
    failed: int
    seconds: float

    @property
    def rate(self) -> float:
        """Pictures embedded a second."""
        return self.embedded / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds still to go at the rate so far; None where the total is unknown or nothing came yet."""
        if self.total is None or not self.done or not self.seconds:
            return None
        return (self.total - self.done) * self.seconds / self.done


@dataclass(kw_only=True)
class EmbedSummary:
    """What a job did."""

    records: int = 0
    embedded: int = 0
    """New rows in `images`."""
    reused: int = 0
    """Of these, rows whose content was known, so that it was not encoded again."""
    respelt: int = 0
    """Of the new rows, those in which the name of a taxon is spelt otherwise than in the source."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Columns of the source whose name is taken, or cannot stand, and the name under which the store keeps each."""
    already_stored: int = 0
    failed: int = 0
    failures_by_reason: Counter[str] = field(default_factory=Counter)
    """Failures by stage and reason, the reason without its figures."""
    seconds: float = 0.0
    encode_seconds: float = 0.0
    """Time spent inside the encoder."""
    stopped: bool = False
    """Whether the job was asked to stop before the source's end."""

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values for JSON, with the speed."""
        rate = self.embedded / self.seconds if self.seconds else 0.0
        return {
            "records": self.records,
            "embedded": self.embedded,
            "reused": self.reused,
            "respelt": self.respelt,
            "renamed": self.renamed,
            "already_stored": self.already_stored,
            "failed": self.failed,
            "failures": dict(self.failures_by_reason.most_common()),
            "seconds": round(self.seconds, 3),
            "encode_seconds": round(self.encode_seconds, 3),
            "pictures_per_second": round(rate, 1),
        }


def embed(
    source: Source,
    encoder: Encoder,
    sink: Sink,
    config: EmbedConfig | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> EmbedSummary:
    """Embed every record of `source` that `sink` does not hold yet.

    Memory: that of `encode.encoded`, `commit_rows` vectors in float32 and labels, and 16 bytes a row for ids and as many
    for contents. When `stop` is set,
    what is encoded is committed and the job ends early.

    Raises InputError for a source whose columns contradict the store's, StoreError where the store cannot be written.
    """
    with sink.writing():
        sink.add_fields(source.extra_fields)
        job = _Job(source, encoder, sink, config or EmbedConfig(), progress)
        job.run(stop or threading.Event())
    return job.summary


class _Job:
    """State of one job; `run` is the loop."""

    def __init__(
        self,
        source: Source,
        encoder: Encoder,
        sink: Sink,
        config: EmbedConfig,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.source, self.encoder, self.sink, self.config, self.progress = (
            source,
            encoder,
            sink,
            config,
            progress,
        )
        total = source.count()
        self.total = total if config.limit is None or total is None else min(total, config.limit)
        self.summary = EmbedSummary(renamed=renamed_columns(source.extra_fields))
        self.started = time.monotonic()
        self.known = KnownPictures(sink.keys())
        self.contents = HashMap()
        for batch in sink.scan(["content_hash"]):
            self._learn(batch.column("content_hash").drop_null().to_pylist())
        self._begin_chunk()

    def _begin_chunk(self) -> None:
        """Nothing waits for a commit."""
        self.waiting: list[EncodedBatch] = []
        self.vectors: dict[str, Float[np.ndarray, " d"]] = {}
        self.chunk_started = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        config = self.config
        batches = encoded(
            self._wanted(stop),
            self.encoder,
            batch_size=config.batch_size,
            workers=config.workers,
            known=self._known_vectors,
        )
        try:
            for batch in batches:
                self._take(batch)
        except EncoderError:
            self._commit()  # what was encoded before the encoder failed is kept
            raise
        self._commit()

    def _wanted(self, stop: threading.Event) -> Iterator[Record | Failure]:
        """The source's records without those that are stored; one whose id is taken is a failure."""
        for number, record in enumerate(islice(self.source.records(), self.config.limit), start=1):
            if stop.is_set():
                self.summary.stopped = True
                return
            self.summary.records = number
            if record.problem is not None:
                yield record
            elif (reason := self.known.refuse(record.image_id, record.uri, number)) is not None:
                yield Failure(replace(record, data=None), "identity", reason)
            elif self.known.is_stored(record.image_id):
                self.summary.already_stored += 1
            else:
                yield record

    def _known_vectors(self, contents: Set[str]) -> Mapping[str, Float[np.ndarray, " d"]]:
        stored = {content for content in contents if hash64(content) in self.contents}
        if stored:
            self.vectors |= self.sink.vectors_by_content(stored - self.vectors.keys())
        return {content: self.vectors[content] for content in contents & self.vectors.keys()}

    def _learn(self, contents: Iterable[str]) -> None:
        self.contents.update((hash64(content), 0) for content in contents)

    def _take(self, batch: EncodedBatch) -> None:
        """Count a batch, and commit when enough waits."""
        summary = self.summary
        self.waiting.append(batch)
        self.vectors |= dict(zip(batch.content_hashes, batch.vectors, strict=True))
        summary.embedded += len(batch.records)
        summary.reused += batch.n_reused
        summary.respelt += sum(record.respelt for record in batch.records)
        summary.encode_seconds += batch.seconds
        summary.failed += len(batch.failures)
        summary.failures_by_reason.update(
            f"{failure.stage}: {gist(failure.reason, failure.record.uri)}" for failure in batch.failures
        )
        self._report()
        n_waiting = sum(len(batch.records) + len(batch.failures) for batch in self.waiting)
        age = time.monotonic() - self.chunk_started
        if n_waiting >= self.config.commit_rows or age >= self.config.commit_seconds:
            self._commit()

    def _commit(self) -> None:
        """Write what waits; after this it survives anything."""
        if self.waiting:
            failures = [failure for batch in self.waiting for failure in batch.failures]
            self.sink.write(self._images(), failures_table(failures))
            logger.debug("committed %d batches, %d failures among them", len(self.waiting), len(failures))
            self._learn(self.vectors)
        self._begin_chunk()
        self._report()

    def _images(self) -> pa.Table:
        vectors = np.concatenate([batch.vectors for batch in self.waiting]).astype(np.float16)
        records = [record for batch in self.waiting for record in batch.records]
        sizes = [size for batch in self.waiting for size in batch.sizes]
        found: dict[str, Sequence[object]] = {
            "content_hash": [content for batch in self.waiting for content in batch.content_hashes],
            "width": [width for width, _ in sizes],
            "height": [height for _, height in sizes],
        }
        return images_table(records, vectors, self.source.extra_fields, found)

    def _report(self) -> None:
        summary = self.summary
        summary.seconds = time.monotonic() - self.started
        if self.progress is not None:
            done = summary.embedded + summary.already_stored + summary.failed
            self.progress(Progress(done, self.total, summary.embedded, summary.failed, summary.seconds))


def gist(reason: str, uri: str) -> str:
    """A reason without its particulars, so that equal reasons can be counted.

    >>> gist("no permission to read /a.jpg", "/a.jpg"), gist("empty file: 0 bytes", "/a.jpg")
    ('no permission to read', 'empty file')
    >>> gist("1 x 9000 pixels: too thin (one side is over 50 times the other)", "/a.png")
    'too thin'
    """
    found, _, judgement = reason.replace(uri, "").partition(":")
    if judgement and found[0].isdigit():
        found = judgement.partition("(")[0]
    return re.sub(r"'[^']*'|(?<![\w-])\d+", "…", found).strip()
