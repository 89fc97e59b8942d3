"""Pictures into a store: the stored job (`embedding.job`) on top of the encode loop (`embedding.encode`).

Each record ends as one row of `images` or of `failures`.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import TypeGuard

import numpy as np
import pyarrow as pa

from cladescope.embedding.columns import renamed_columns
from cladescope.embedding.counting import Counting
from cladescope.embedding.encode import BATCH_SIZE, WORKERS, encoded
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.in_step import InStep
from cladescope.embedding.job import Rehearsal, Sink, StoredJob, SyncSink
from cladescope.embedding.known_contents import KnownContents
from cladescope.embedding.picture_tags import fields_beside
from cladescope.embedding.prepare import Failure
from cladescope.embedding.records import Record, Source, ignored_by, left_out_of, notes_of
from cladescope.embedding.sound import sound_records, sound_rows
from cladescope.embedding.strict import count_tags, refuse, refuse_left_out, refuse_notes, refuse_renamed, watched
from cladescope.embedding.summary import EmbedSummary, Progress
from cladescope.embedding.web import introduce
from cladescope.errors import InputError, StoreError

__all__ = ["EmbedConfig", "EmbedSummary", "Progress", "Sink", "embed"]

CHUNK_RECORDS = 8192
CHUNK_BYTES = 4 * 2**20
"""Records whose ids are looked up together: so many, or fewer where they carry so many bytes of pictures."""


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """How an embedding job runs; none of it changes what is stored."""

    batch_size: int = BATCH_SIZE
    """Pictures a forward pass."""
    workers: int = WORKERS
    """Threads that read and decode."""
    limit: int | None = None
    """Only the first so many records of the source."""
    contact: str | None = None
    """An e-mail or web address that requests name beside the program, so that a server's owner can reach you."""
    commit_rows: int = 4096
    """Commit when so many rows wait: each commit is a new version and a new file of the store."""
    commit_seconds: float = 30.0
    """Commit when the oldest waiting row is so old."""
    address: str | None = None
    """What the source is known by from run to run, so that the store is kept in step with it; None compares nothing."""
    prune: bool = False
    """Delete rows of what is gone from the source."""
    check_remote: bool = False
    """Fetch pictures of URLs that are stored already, to see whether they changed there."""
    whole: bool = True
    """Whether the source gives all its records; where not, nothing is gone."""

    exif: bool = False
    """Whether columns are made of what is written into the pictures' files; see `picture_tags.TAG_FIELDS`."""
    strict: bool = False
    """Whether it is an error when a rule touches a record: a word read as missing, a name respelt, a row refused."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "workers", "commit_rows"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least 1")
        if self.limit is not None and self.limit < 0:
            raise InputError(f"limit is {self.limit}: it must not be negative")
        if self.prune and self.address is None:
            raise InputError("prune needs a source with an address, as a folder or a table has: these have none")
        if self.prune and self.limit is not None:
            raise InputError("prune looks at the whole source, and limit at a part of it: leave one of them out")


def embed(
    source: Source,
    encoder: Encoder,
    sink: Sink,
    config: EmbedConfig | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> EmbedSummary:
    """Embed every record of `source` that `sink` does not hold yet, and keep what it holds in step (`embedding.in_step`).

    Memory: that of `encode.encoded`, of one chunk of records (`CHUNK_RECORDS`, `CHUNK_BYTES`) and of `commit_rows` labels
    and vectors (6 d bytes each); and 21 bytes a stored row or record for ids, 8 for contents. When `stop` is
    set, what is encoded is committed and the job ends early.

    Whatever a source raises is a failure, of one record or of its remaining ones: see `embedding.sound`.

    Raises InputError for a source whose columns contradict the store's, StoreError where the store cannot be written.
    """
    config = config or EmbedConfig()
    with sink.writing():
        if config.strict:
            _rehearse(source, sink, config)
        tag_fields = fields_beside(source.extra_fields) if config.exif else ()
        fields = (*source.extra_fields, *tag_fields)
        job = StoredJob(
            sink,
            extra_fields=fields,
            total=Counting(source, config.limit),
            commit_rows=config.commit_rows,
            commit_seconds=config.commit_seconds,
            progress=progress,
        )
        job.summary.notes += (*encoder.notes, *notes_of(source))
        contents, web = KnownContents(sink), introduce(config.contact)
        step = None
        if config.address is not None and isinstance(sink, SyncSink):
            step = InStep(
                sink, config.address, job.summary, job.pictures, prune=config.prune, workers=config.workers,
                web=web if config.check_remote else None,
            )  # fmt: skip
            job.write = step.write
        batches = encoded(
            _wanted(
                watched(islice(sound_records(source), config.limit), job.summary, strict=config.strict),
                job,
                step,
                stop or threading.Event(),
            ),
            encoder,
            batch_size=config.batch_size,
            workers=config.workers,
            known=contents.vectors,
            web=web,
            tag_columns=[field.name for field in tag_fields],
        )
        try:
            for batch in batches:
                contents.encoded(batch.content_hashes, batch.vectors)
                job.summary.reused += batch.n_reused
                job.summary.cut += batch.n_cut
                if config.strict and batch.n_cut:
                    refuse(f"{batch.n_cut} boxes reach over the edge of their pictures")
                job.summary.respelt += sum(record.respelt for record in batch.records)
                job.summary.encode_seconds += batch.seconds
                if config.strict and (taken := next((one for one in batch.failures if one.stage == "identity"), None)):
                    refuse(f"{taken.record.uri}: refused: {taken.reason}")
                images, unsound = sound_rows(batch, fields)
                if config.exif:
                    count_tags(batch.records, tag_fields, job.summary, strict=config.strict)
                if job.add(images, (*batch.failures, *unsound)):
                    contents.committed()
        except StoreError:
            raise
        except Exception:
            job.commit()  # what was encoded before the encoder failed is kept
            raise
        job.commit()
        if config.exif and job.summary.already_stored:
            job.summary.notes += (
                f"what is written into the files of {job.summary.already_stored} pictures that are stored already was not read: "
                "embed them into a new store to have it",
            )
        job.summary.left_out = dict(left_out_of(source))  # some are known only when all was read
        job.summary.ignored = dict(ignored_by(source))
        if config.strict:
            refuse_left_out(job.summary.left_out)
        if step is not None:
            step.finish(source.name, whole=config.whole and config.limit is None and not job.summary.stopped)
    return job.summary


def _rehearse(source: Source, sink: Sink, config: EmbedConfig) -> None:
    """Read a source through, so that one which is refused adds nothing to the store: no column, no row.

    Pictures are not decoded, and what lies in tars is read twice. Raises InputError for the first record that a rule touches.
    """
    refuse_renamed(renamed_columns(source.extra_fields))
    refuse_notes(notes_of(source))
    rehearsal, start = Rehearsal(sink), 1
    records = watched(islice(sound_records(source), config.limit), rehearsal.summary, strict=True)
    for chunk in _chunks(records):
        asked = [record for record in chunk if _has_picture(record)]
        ids, uris = (pa.array([getattr(one, name) for one in asked], pa.string()) for name in ("image_id", "uri"))
        checked = rehearsal.check(ids, uris, np.arange(start, start + len(asked)))
        start += len(chunk)
        for place, reason in sorted(checked.refused.items()):
            # What is stored for another address may have moved; that is decided when its content is known.
            if place not in checked.elsewhere:
                refuse(f"{asked[place].uri}: refused: {reason}")
    refuse_left_out(left_out_of(source))


def _wanted(
    records: Iterable[Record | Failure], job: StoredJob, step: InStep | None, stop: threading.Event
) -> Iterator[Record | Failure]:
    """The records without those that are stored as they are; one whose id is taken is a failure."""
    numbers = count(1)
    for chunk in _chunks(records):
        asked = [(record, number) for record, number in zip(chunk, numbers, strict=False) if _has_picture(record)]
        checked = job.check(
            pa.array([record.image_id for record, _ in asked], pa.string()),
            pa.array([record.uri for record, _ in asked], pa.string()),
            np.array([number for _, number in asked], np.int64),
        )
        new, held = (None, set()) if step is None else step.choose([record for record, _ in asked], checked)
        del asked  # a picture that is carried must be let go when it is decoded
        places = count()
        n_stored = job.summary.already_stored
        while chunk:
            if stop.is_set():
                job.summary.stopped = True
                return
            record = chunk.popleft()
            job.summary.records += 1
            if isinstance(record, Failure) or record.problem is not None:
                if step is not None and isinstance(record, Failure):
                    step.is_whole = False
                yield record
                continue
            place = next(places)
            if place in held or (new is None and checked.is_stored[place]):
                job.summary.already_stored += 1
            elif place in checked.refused and (new is None or place not in new):
                yield Failure(replace(record, data=None), "identity", checked.refused[place])
            else:
                yield record
            del record
        if job.summary.already_stored > n_stored:
            job.report()


def _has_picture(record: Record | Failure) -> TypeGuard[Record]:
    return isinstance(record, Record) and record.problem is None


def _chunks(records: Iterable[Record | Failure]) -> Iterator[deque[Record | Failure]]:
    chunk: deque[Record | Failure] = deque()
    carried = 0
    for record in records:
        chunk.append(record)
        carried += record.carried_bytes if isinstance(record, Record) else 0
        if len(chunk) >= CHUNK_RECORDS or carried >= CHUNK_BYTES:
            yield chunk
            chunk, carried = deque(), 0
        del record
    if chunk:
        yield chunk
