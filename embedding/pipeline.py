"""The job that turns a source into rows of a store: read and decode in threads, encode in batches, commit now and then.

Each record ends as one row of `images` or of `failures`. Rows are committed in the source's order, so that a job killed
anywhere leaves a prefix, and running it again does the rest and no more. The store is reached through `Sink`, because
this module must import without LanceDB.
"""

import logging
import os
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float, UInt8

from cladescope.arrays import has_direction
from cladescope.embedding.encoder import Encoder, EncoderCard
from cladescope.embedding.known import HashMap, KnownPictures, hash64
from cladescope.embedding.prepare import Failure, Prepared, prepare
from cladescope.embedding.records import Source
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import EncoderError, InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """How an embedding job runs; none of it changes what is stored."""

    batch_size: int = 64
    """Pictures a forward pass."""
    workers: int = max(2, os.cpu_count() or 1)
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
    already_stored: int = 0
    failed: int = 0
    failures_by_reason: Counter[str] = field(default_factory=Counter)
    """Failures by stage and reason, the reason without its figures."""
    seconds: float = 0.0
    encode_seconds: float = 0.0
    """Time spent inside the encoder."""
    stopped: bool = False
    """Whether the job was asked to stop before the source's end."""


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

    Memory: 3 size^2 bytes a picture for 2 batches and 4 pictures a worker, `commit_rows` vectors and labels, and 16
    bytes a row for ids and as many for contents; it does not grow with the pictures themselves. When `stop` is set,
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
        self.summary = EmbedSummary()
        self.started = time.monotonic()
        self.known = KnownPictures(sink.keys())
        self.contents = HashMap()
        for batch in sink.scan(["content_hash"]):
            self._learn(batch.column("content_hash").drop_null().to_pylist())
        self.batch: list[Prepared] = []
        self._begin_chunk()

    def _begin_chunk(self) -> None:
        """Nothing waits for a commit."""
        self.rows: list[Prepared] = []
        self.vectors: dict[str, Float[np.ndarray, " d"]] = {}
        self.failures: list[Failure] = []
        self.chunk_started = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        config, transform = self.config, self.encoder.transform
        window: deque[Future[Prepared | Failure]] = deque()
        pool = ThreadPoolExecutor(config.workers, thread_name_prefix="decode")
        try:
            for number, record in enumerate(islice(self.source.records(), config.limit), start=1):
                if stop.is_set():
                    self.summary.stopped = True
                    break
                self.summary.records = number
                if record.problem is not None:
                    window.append(_finished(Failure(record, "list", record.problem)))
                elif (reason := self.known.refuse(record.image_id, record.uri, number)) is not None:
                    window.append(_finished(Failure(record, "identity", reason)))
                elif self.known.is_stored(record.image_id):
                    self.summary.already_stored += 1
                else:
                    window.append(pool.submit(prepare, record, transform))
                if len(window) >= 2 * config.batch_size + 4 * config.workers:
                    self._take(window.popleft().result())
            while window:
                self._take(window.popleft().result())
            self._encode()
            self._commit()
        except EncoderError:
            self._commit()  # what was encoded before the encoder failed is kept
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _learn(self, contents: Iterable[str]) -> None:
        self.contents.update((hash64(content), 0) for content in contents)

    def _take(self, item: Prepared | Failure) -> None:
        """Put the next finished record where it belongs; encode and commit when enough has come."""
        if isinstance(item, Failure):
            self._fail(item)
        else:
            self.batch.append(item)
            if len(self.batch) >= self.config.batch_size:
                self._encode()
        waiting = len(self.rows) + len(self.failures)
        age = time.monotonic() - self.chunk_started
        if waiting >= self.config.commit_rows or (waiting and age >= self.config.commit_seconds):
            self._commit()

    def _fail(self, failure: Failure) -> None:
        self.failures.append(failure)
        self.summary.failed += 1
        self.summary.failures_by_reason[f"{failure.stage}: {gist(failure.reason, failure.record.uri)}"] += 1

    def _encode(self) -> None:
        """Give every picture of the batch its vector: from its twin where the content is known, else from the encoder."""
        batch, self.batch = self.batch, []
        known = {item.content_hash for item in batch if hash64(item.content_hash) in self.contents}
        if known:
            self.vectors |= self.sink.vectors_by_content(known - self.vectors.keys())
        fresh = {item.content_hash: item for item in batch if item.content_hash not in self.vectors}
        if fresh:
            began = time.monotonic()
            vectors = self.encoder.encode_pixels(np.stack([item.pixels for item in fresh.values()]))
            self.summary.encode_seconds += time.monotonic() - began
            good = has_direction(vectors)
            self.vectors |= {content: vectors[row] for row, content in enumerate(fresh) if good[row]}
        n_failed = 0
        for item in batch:
            if item.content_hash in self.vectors:
                self.rows.append(replace(item, pixels=_NO_PIXELS))
            else:
                n_failed += 1
                self._fail(Failure(item.record, "encode", "the encoder gave a vector of zeros, NaN or infinities"))
        self.summary.embedded += len(batch) - n_failed
        self.summary.reused += len(batch) - len(fresh)
        self._report()

    def _commit(self) -> None:
        """Write what waits; after this it survives anything."""
        if self.rows or self.failures:
            self.sink.write(self._images(), failures_table(self.failures))
            logger.debug("committed %d pictures and %d failures", len(self.rows), len(self.failures))
            self._learn(self.vectors)
        self._begin_chunk()
        self._report()

    def _images(self) -> pa.Table:
        rows = self.rows
        vectors = np.asarray([self.vectors[row.content_hash] for row in rows], np.float16)
        vectors = vectors.reshape(len(rows), self.encoder.card.dim)
        found: dict[str, Sequence[object]] = {
            "content_hash": [row.content_hash for row in rows],
            "width": [row.width for row in rows],
            "height": [row.height for row in rows],
        }
        return images_table([row.record for row in rows], vectors, self.source.extra_fields, found)

    def _report(self) -> None:
        summary = self.summary
        summary.seconds = time.monotonic() - self.started
        if self.progress is not None:
            done = summary.embedded + summary.already_stored + summary.failed
            self.progress(Progress(done, self.total, summary.embedded, summary.failed, summary.seconds))


_NO_PIXELS: UInt8[np.ndarray, "h w 3"] = np.empty((0, 0, 3), np.uint8)


def _finished(failure: Failure) -> Future[Prepared | Failure]:
    future: Future[Prepared | Failure] = Future()
    future.set_result(failure)
    return future


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
