"""Pictures into a store: the stored job (`embedding.job`) on top of the encode loop (`embedding.encode`).

The source is listed (`embedding.listing`), pictures are read and decoded, encoded and written in stages that run side by side,
each ahead of the next by a number of bytes. Each record ends as one row of `images` or of `failures`.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa

from cladescope.embedding.ahead import ahead
from cladescope.embedding.columns import renamed_columns
from cladescope.embedding.core_time import CoreTime
from cladescope.embedding.counting import Counting
from cladescope.embedding.decoders import DecodeIn, decoders_for
from cladescope.embedding.encode import BATCH_SIZE, PICTURE_SECONDS, READERS, WORKERS, EncodedBatch, encoded
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.in_step import InStep
from cladescope.embedding.job import Rehearsal, Sink, StoredJob, SyncSink
from cladescope.embedding.known_contents import KnownContents
from cladescope.embedding.listing import Turns, chunks, has_picture, wanted
from cladescope.embedding.picture_tags import fields_beside
from cladescope.embedding.records import Source, ignored_by, left_out_of, names_said, notes_of
from cladescope.embedding.sound import sound_records, sound_rows
from cladescope.embedding.stages import Meter, Stages
from cladescope.embedding.strict import count_tags, refuse, refuse_left_out, refuse_notes, refuse_renamed, watched
from cladescope.embedding.summary import EmbedSummary, Progress
from cladescope.embedding.web import introduce
from cladescope.errors import InputError, StoreError

__all__ = ["EmbedConfig", "EmbedSummary", "Progress", "Sink", "embed"]

WRITING_BYTES = 16 * 2**20
"""Bytes of encoded pictures, their labels included, that may wait to be written."""
LABEL_BYTES = 2048
"""What a record takes without its picture and its words, at a guess from above."""
COMMIT_BYTES = 64 * 2**20
"""Bytes of rows that wait for a commit, with which it comes early: vectors, and all that the source says of the pictures."""


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """How an embedding job runs; none of it changes what is stored."""

    batch_size: int = BATCH_SIZE
    """Pictures a forward pass."""
    workers: int = WORKERS
    """Pictures decoded at the same time."""
    readers: int = READERS
    """Pictures read at the same time, beside these."""
    picture_seconds: float = PICTURE_SECONDS
    """How long a decoder may take for a picture, or a disk to read it."""
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

    decode_on: str | None = None
    """Device of torch on which plain JPEGs are decoded; None decodes all on the processor."""
    decode_in: DecodeIn = "auto"
    """What decodes on the processor: threads of this process, or processes; see `decoders.decoders_for`."""
    exif: bool = False
    """Whether columns are made of what is written into the pictures' files; see `picture_tags.TAG_FIELDS`."""
    strict: bool = False
    """Whether it is an error when a rule touches a record: a word read as missing, a name respelt, a row refused."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "workers", "readers", "commit_rows"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least 1")
        if not self.picture_seconds > 0:
            raise InputError(f"picture_seconds is {self.picture_seconds}: it must be more than 0")
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

    Memory: that of `encode.encoded`; `WRITING_BYTES` of what is encoded and not yet taken by the job; one chunk of records
    (`listing.CHUNK_RECORDS`, `CHUNK_BYTES`) and `commit_rows` labels and vectors (6 d bytes each), or three times `COMMIT_BYTES`; and 21 bytes a stored row
    or record for ids, 8 for contents. It does not grow with what is embedded but for these. When `stop` is set,
    what is encoded is committed and the job ends early.

    Whatever a source raises is a failure, of one record or of its remaining ones: see `embedding.sound`.

    Raises InputError for a source whose columns contradict the store's, EncoderError for a device that cannot decode or processes that do not start, StoreError where the store cannot be written.
    """
    config, core_time = config or EmbedConfig(), CoreTime()
    device = None
    if config.decode_on is not None:
        from cladescope.embedding.device_decode import DeviceDecoding  # loads torch

        device = DeviceDecoding(encoder.transform, config.decode_on)
    with sink.writing():
        if config.strict:
            _rehearse(source, sink, config)
        tag_fields = fields_beside(source.extra_fields) if config.exif else ()
        fields = (*source.extra_fields, *tag_fields)
        decoders = None
        if device is None:
            seconds = float(config.picture_seconds)
            decoders = decoders_for(
                encoder, config.decode_in, workers=config.workers, with_tags=bool(tag_fields), seconds=seconds
            )
        job = StoredJob(
            sink,
            extra_fields=fields,
            total=Counting(source, config.limit),
            commit_rows=config.commit_rows,
            commit_seconds=config.commit_seconds,
            commit_bytes=COMMIT_BYTES,
            progress=progress,
        )
        job.summary.notes += notes_of(source)
        contents, web = KnownContents(sink), introduce(config.contact)
        step = None
        if config.address is not None and isinstance(sink, SyncSink):
            step = InStep(
                sink, config.address, job.summary, job.pictures, prune=config.prune, workers=config.workers,
                web=web if config.check_remote else None,
            )  # fmt: skip
            job.write = step.write
        stop, stages, turns = stop or threading.Event(), Stages(), Turns()
        records = watched(islice(sound_records(source), config.limit), job.summary, strict=config.strict)
        writing = _Writing(job, config, contents, fields, tag_fields, stages.write)
        batches = ahead(
            _noted(
                encoded(
                    wanted(records, job, step, turns, stop, stages.list),
                    encoder,
                    batch_size=config.batch_size,
                    workers=config.workers,
                    readers=config.readers,
                    picture_seconds=config.picture_seconds,
                    known=contents.vectors,
                    web=web,
                    tag_columns=[field.name for field in tag_fields],
                    stages=stages,
                    stop=stop,
                    device=device,
                    decoders=decoders,
                ),
                contents,
            ),
            size=_n_bytes,
            most_bytes=WRITING_BYTES,
            name="encode",
            meter=stages.encode,
            meanwhile=lambda: writing.rest(turns, stop),
        )
        try:
            with turns, decoders or nullcontext(), closing(batches):
                for batch in stages.write.timed(batches, "starved"):
                    with turns.turn(stages.write.starved()), stages.write.at_work():
                        writing.take(batch)
                    stages.write.done(len(batch.records))
        except StoreError:
            raise
        except Exception:
            job.commit()  # what was encoded before the encoder failed is kept
            raise
        if turns.listed_all and not stop.is_set():
            job.end_of_source()
        with stages.write.at_work():
            job.commit()
        job.summary.notes = (*encoder.notes, *job.summary.notes, *writing.notes())
        job.summary.ways = encoder.ways
        if device is not None:
            job.summary.decoded, job.summary.decode_cosine = device.counts, device.least_cosine
            job.summary.notes += (device.note(),)
        if decoders is not None:
            job.summary.decoded = decoders.counts
            job.summary.notes += decoders.notes()
        job.summary.stages = stages.profile(job.summary.seconds)
        job.summary.bottleneck = stages.bottleneck(
            job.summary.seconds, core_time.at_work, in_processes=decoders is not None
        )
        if stop.is_set():
            _count_stopped(job.summary, listed_all=turns.listed_all)
        if config.exif and job.summary.already_stored:
            job.summary.notes += (
                f"what is written into the files of {job.summary.already_stored} pictures that are stored already was not read: "
                "embed them into a new store to have it",
            )
        job.summary.left_out = dict(left_out_of(source))  # some are known only when all was read
        job.summary.ignored = dict(ignored_by(source))
        folders, folder_notes = names_said(source)
        job.summary.folders = dict(folders)
        job.summary.notes += folder_notes
        if config.strict:
            refuse_left_out(job.summary.left_out)
        if step is not None:
            step.finish(source.name, whole=config.whole and config.limit is None and not job.summary.stopped)
    return job.summary


def _n_bytes(batch: EncodedBatch) -> int:
    """About what a batch takes while it waits to be written."""
    records = (*batch.records, *(failure.record for failure in batch.failures))
    return batch.vectors.nbytes + sum(LABEL_BYTES + record.said_bytes for record in records)


def _noted(batches: Iterable[EncodedBatch], contents: KnownContents) -> Iterator[EncodedBatch]:
    """The batches, with their contents known before the next one is encoded."""
    for batch in batches:
        contents.encoded(batch.content_hashes, batch.vectors)
        yield batch


def _count_stopped(summary: EmbedSummary, *, listed_all: bool) -> None:
    """Of a job that was asked to stop, the records that came to an end; those that were only listed are left to the next run."""
    done = summary.embedded + summary.already_stored + summary.failed
    summary.stopped = not listed_all or done < summary.records
    summary.records = done


class _Writing:
    """What is done with encoded pictures: counted, made rows, and given to the job."""

    def __init__(
        self,
        job: StoredJob,
        config: EmbedConfig,
        contents: KnownContents,
        fields: Sequence[pa.Field],
        tag_fields: Sequence[pa.Field],
        meter: Meter,
    ) -> None:
        self._meter = meter
        self._job, self._config, self._contents = job, config, contents
        self._fields, self._tag_fields = fields, tag_fields
        self._uncommitted: list[str] = []
        self._portion: int | None = None

    def notes(self) -> tuple[str, ...]:
        """What the user should know of the encoding."""
        if self._portion is None:
            return ()
        return (
            f"the device had memory for {self._portion} pictures at a time, not for a batch of {self._config.batch_size}",
        )

    def take(self, batch: EncodedBatch) -> None:
        """Raises InputError where `strict` refuses what a rule did."""
        summary, strict = self._job.summary, self._config.strict
        summary.reused += batch.n_reused
        summary.cut += batch.n_cut
        if strict and batch.n_cut:
            refuse(f"{batch.n_cut} boxes reach over the edge of their pictures")
        summary.respelt += sum(record.respelt for record in batch.records)
        summary.encode_seconds += batch.seconds
        self._portion = batch.portion
        if strict and (taken := next((one for one in batch.failures if one.stage == "identity"), None)):
            refuse(f"{taken.record.uri}: refused: {taken.reason}")
        images, unsound = sound_rows(batch, self._fields)
        if self._config.exif:
            count_tags(batch.records, self._tag_fields, summary, strict=strict)
        self._uncommitted += batch.content_hashes
        self._note(is_committed=self._job.add(images, (*batch.failures, *unsound)))

    def rest(self, turns: Turns, stop: threading.Event) -> None:
        """While no batch is ready: commit what has waited for long, or what there is where the job is to stop."""
        with turns.turn(), self._meter.at_work(out_of="starved"):
            self._note(is_committed=self._job.commit_where_due(now=stop.is_set()))

    def _note(self, *, is_committed: bool) -> None:
        if is_committed:
            self._contents.committed(self._uncommitted)
            self._uncommitted = []


def _rehearse(source: Source, sink: Sink, config: EmbedConfig) -> None:
    """Read a source through, so that one which is refused adds nothing to the store: no column, no row.

    Pictures are not decoded, and what lies in tars is read twice. Raises InputError for the first record that a rule touches.
    """
    refuse_renamed(renamed_columns(source.extra_fields))
    refuse_notes(notes_of(source))
    rehearsal, start = Rehearsal(sink), 1
    records = watched(islice(sound_records(source), config.limit), rehearsal.summary, strict=True)
    for chunk in chunks(records):
        asked = [record for record in chunk if has_picture(record)]
        ids, uris = (pa.array([getattr(one, name) for one in asked], pa.string()) for name in ("image_id", "uri"))
        checked = rehearsal.check(ids, uris, np.arange(start, start + len(asked)))
        start += len(chunk)
        for place, reason in sorted(checked.refused.items()):
            # What is stored for another address may have moved; that is decided when its content is known.
            if place not in checked.elsewhere:
                refuse(f"{asked[place].uri}: refused: {reason}")
    refuse_left_out(left_out_of(source))
