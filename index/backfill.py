"""Vectors of further encoders for pictures that a store holds already: each is read again where it lies, and encoded once.

Interrupted anywhere it goes on where it stopped: what lacks a vector is what is left to do.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from cladescope.embedding.decoders import decoders_for
from cladescope.embedding.encode import EncodedBatch, encoded
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.given import MEMORY
from cladescope.embedding.known_contents import KnownContents
from cladescope.embedding.pace import Pace
from cladescope.embedding.pipeline import EmbedConfig
from cladescope.embedding.records import Record
from cladescope.embedding.several import SeveralEncoders
from cladescope.embedding.stages import StageProfile, Stages
from cladescope.embedding.summary import Progress, gist
from cladescope.index.named_vectors import lacking
from cladescope.index.several_sink import SeveralSink
from cladescope.index.store import Store

COMMIT_ROWS, COMMIT_SECONDS = 4096, 30.0
_COLUMNS = ("image_id", "uri", "source", "content_hash")
NO_PICTURE = "vectors that were imported, without a picture"
NOT_KEPT = "pictures that were given in memory, and are not kept"
FILLED_BY = "embed with all encoders of the store"
CHANGED = "the picture has changed since it was stored"


@dataclass(kw_only=True)
class Backfilled:
    """What became of the pictures that lacked a vector."""

    filled: int = 0
    """Pictures that have all vectors now."""
    left: Counter[str] = field(default_factory=Counter)
    """Why others have not, and how many."""
    decoded: Counter[str] = field(default_factory=Counter)
    """How many were decoded in threads and in processes, of a job that uses these."""
    notes: tuple[str, ...] = ()
    """What the user should know beside this."""
    seconds: float = 0.0
    encode_seconds: float = 0.0
    """Time spent inside the encoders."""
    stages: tuple[StageProfile, ...] = ()
    """How busy each stage was."""
    stopped: bool = False
    """Whether the job was asked to stop before the end."""


def backfill(
    store: Store,
    encoders: Mapping[str, Encoder],
    *,
    config: EmbedConfig,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Backfilled:
    """Give every stored picture that lacks one the vectors of these names; of `config` counts how pictures are read and decoded.

    Content that has them already is not encoded again. A picture whose file is gone, or has another content than the row, is left
    without, and counted. Memory: that of `encode.encoded`, 8 bytes a stored picture, and `COMMIT_ROWS` vectors.

    Raises InUseError where another job writes, StoreError where the store cannot be written, EncoderError as the encoders do.
    """
    done, condition, stop, stages = Backfilled(), lacking(encoders), stop or threading.Event(), Stages()
    with store.writing():
        n = store.count_rows(condition)
        if not n:
            return done
        job, together = _Job(store, encoders, n, progress, done), SeveralEncoders(list(encoders.values()))
        decoders = decoders_for(
            together, config.decode_in, workers=config.workers, with_tags=False, seconds=float(config.picture_seconds)
        )
        batches = encoded(
            _records(store, condition, job, stop),
            together,
            batch_size=config.batch_size,
            workers=config.workers,
            readers=config.readers,
            picture_seconds=config.picture_seconds,
            known=job.contents.vectors,
            stages=stages,
            stop=stop,
            decoders=decoders,
        )
        try:
            with decoders or nullcontext():
                for batch in stages.write.timed(batches, "starved"):
                    with stages.write.at_work():
                        job.add(batch)
                    stages.write.done(len(batch.records))
        finally:
            with stages.write.at_work():
                job.commit()
            job.tell()  # those that carry no picture came to an end without a batch
            done.stopped = stop.is_set() and done.filled + done.left.total() < n
            done.seconds = time.monotonic() - job.began
            done.stages = stages.profile(done.seconds)
            if decoders is not None:
                done.decoded, done.notes = decoders.counts, decoders.notes()
    return done


def left_without(store: Store) -> tuple[str, ...]:
    """That stored pictures have no vectors of some of the store's encoders, a sentence each."""
    counts = {name: store.count_rows(lacking([name])) for name in store.named}
    return tuple(
        f"{n:,} pictures have no vector of {name}: embed with all encoders of the store"
        for name, n in counts.items()
        if n
    )


class _Job:
    """What was encoded and waits to be written."""

    def __init__(
        self,
        store: Store,
        encoders: Mapping[str, Encoder],
        total: int,
        progress: Callable[[Progress], None] | None,
        done: Backfilled,
    ) -> None:
        self._sink = SeveralSink(store, {name: encoder.card for name, encoder in encoders.items()})
        self.contents = KnownContents(self._sink)
        self.wanted: dict[str, str] = {}
        """Content of the pictures that are under way, by their ids."""
        self.done, self._total, self._progress = done, total, progress
        self._ids: list[str] = []
        self._contents: list[str] = []
        self._vectors: list[Float[np.ndarray, "n d"]] = []
        self.began = self._written = time.monotonic()
        self._pace = Pace()

    def add(self, batch: EncodedBatch) -> None:
        self.contents.encoded(batch.content_hashes, batch.vectors)
        self.done.encode_seconds += batch.seconds
        self._contents += batch.content_hashes
        same = [
            self.wanted.pop(record.image_id) == content
            for record, content in zip(batch.records, batch.content_hashes, strict=True)
        ]
        self._ids += [record.image_id for record, right in zip(batch.records, same, strict=True) if right]
        self._vectors.append(batch.vectors[np.array(same, bool)])
        self.done.filled += sum(same)
        if not all(same):
            self.done.left[CHANGED] += len(same) - sum(same)
        for failure in batch.failures:
            self.wanted.pop(failure.record.image_id, None)
            self.done.left[f"{failure.stage}: {gist(failure.reason, failure.record.uri)}"] += 1
        if len(self._ids) >= COMMIT_ROWS or time.monotonic() - self._written >= COMMIT_SECONDS:
            self.commit()
        self.tell()

    def commit(self) -> None:
        """Write what waits."""
        if self._ids:
            self._sink.fill(self._ids, np.concatenate(self._vectors))
        self.contents.committed(self._contents)
        self._ids, self._vectors, self._contents, self._written = [], [], [], time.monotonic()

    def tell(self) -> None:
        """Say how far the job is."""
        if self._progress is None:
            return
        seconds, failed = time.monotonic() - self.began, self.done.left.total()
        self._pace.note(seconds, self.done.filled + failed, self.done.filled)
        lately = self._pace.records, self._pace.pictures
        self._progress(Progress(self.done.filled + failed, self._total, self.done.filled, failed, seconds, *lately))


def _records(store: Store, condition: str, job: _Job, stop: threading.Event) -> Iterator[Record]:
    """The pictures that lack a vector, as they were when the job began."""
    for batch in store.at(store.version).scan(_COLUMNS, condition=condition):
        for row in batch.to_pylist():
            if stop.is_set():
                return
            if row["content_hash"] is None:
                job.done.left[NO_PICTURE] += 1
            elif row["uri"].startswith(MEMORY):
                job.done.left[NOT_KEPT] += 1
            else:
                job.wanted[row["image_id"]] = row["content_hash"]
                yield Record(image_id=row["image_id"], uri=row["uri"], source=row["source"])
