"""The one encode loop: records in, batches of unit vectors out, in the records' order.

Records are listed in a thread of their own, pictures read and decoded in others, while the encoder computes in the caller's.
What becomes of the vectors is the caller's affair: `embedding.pipeline` stores them, a query is searched with them, a
classifier answers from them.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8

from cladescope.arrays import NO_DIRECTION, has_direction, normalise
from cladescope.embedding.portions import Portions
from cladescope.embedding.prepare import DecodesApart, Entering, Failure, Prepared, Whole, prepare
from cladescope.embedding.records import Record
from cladescope.embedding.regions import Parents, split_region
from cladescope.embedding.stages import Meter, Stages
from cladescope.embedding.transform import ImageTransform
from cladescope.embedding.workers import Limits, Outcome, Preparing, listed, prepared_ahead
from cladescope.errors import InputError, PictureError

if TYPE_CHECKING:
    from cladescope.embedding.device_decode import DeviceDecoding
    from cladescope.embedding.web import Web

BATCH_SIZE = 64
WORKERS = max(2, os.cpu_count() or 1)
READERS = 8
WAITING_BYTES = 128 * 2**20
"""Bytes of carried pictures that may wait to be decoded; one picture may always."""
AHEAD_BYTES = 64 * 2**20
"""Bytes of decoded pictures that may wait for the encoder; two batches and a picture for each thread may always."""
PICTURE_SECONDS = 120.0
"""How long a decoder may take for a picture, or a disk to read it, before it is a failure."""
UNIT_TOLERANCE = 1e-5

KnownVectors = Callable[[Set[str]], Mapping[str, Float[np.ndarray, " d"]]]
"""Vectors, of unit length but for rounding, of those content hashes that have one already."""


@runtime_checkable
class PixelEncoder(Protocol):
    """What the loop needs of an encoder."""

    @property
    def dim(self) -> int:
        """Length of its vectors."""

    @property
    def transform(self) -> ImageTransform:
        """How a picture becomes the encoder's input."""

    def encode_pixels(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """Vectors of pictures that `transform.apply` made."""


@runtime_checkable
class _HasParts(Protocol):
    dims: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedBatch:
    """What became of some consecutive records; a record stands in `records` or in `failures`, each in their order."""

    records: tuple[Record, ...]
    """Those that have a vector, without the pictures that they carried."""
    vectors: Float32[np.ndarray, "n d"]
    """One row a record of `records`; unit length."""
    content_hashes: tuple[str, ...]
    """One a record, as `prepare.content_hash` has it."""
    sizes: tuple[tuple[int, int], ...]
    """Width and height of each upright original, in pixels."""
    failures: tuple[Failure, ...] = ()
    n_reused: int = 0
    """How many of `records` have the vector of known or equal content, and were not encoded."""
    n_cut: int = 0
    """How many of `records` are boxes that were cut at the edge of their picture."""
    seconds: float = 0.0
    """Time inside the encoder."""
    portion: int | None = None
    """Pictures that its device had memory for at a time, where that were fewer than a batch."""


def encoded(
    records: Iterable[Record | Failure],
    encoder: PixelEncoder,
    *,
    batch_size: int = BATCH_SIZE,
    workers: int = WORKERS,
    readers: int = READERS,
    waiting_bytes: int = WAITING_BYTES,
    picture_seconds: float = PICTURE_SECONDS,
    known: KnownVectors | None = None,
    web: "Web | None" = None,
    tag_columns: Collection[str] = (),
    stages: Stages | None = None,
    stop: threading.Event | None = None,
    device: "DeviceDecoding | None" = None,
    decoders: DecodesApart | None = None,
) -> Iterator[EncodedBatch]:
    """Encode every picture; nothing that is wrong with one of them stops the rest.

    A record's `problem` becomes a failure of the stage `list`, and a `Failure` among the records stays one, in its place.
    The other stages are `read`, `decode`, and `encode` for a vector without direction (`cladescope.arrays`). Equal content
    in a batch is encoded once; content for which `known` has a vector is not encoded and gets that vector as it is. Pictures of
    the web are fetched by `web`. Records get the columns `tag_columns` of what is written into their files
    (`picture_tags.TAG_FIELDS`).

    `records` is read in another thread, ahead of what is yielded, `readers` and `workers` more threads read and decode, and the
    encoder computes in the caller's; a single record is done in the caller's alone. A picture that hangs for `picture_seconds`
    is a failure (`embedding.workers`). `stages` counts what each stage does. Once `stop` is set, the batch that the encoder
    computes is the last one, and the records listed meanwhile are let go.

    Memory: for pixels `AHEAD_BYTES`, or 3 size^2 (2 batch_size + workers + readers) bytes if that is more, and 6 size^2 batch_size
    beside these; `waiting_bytes` for pictures that records carry, or one picture if that is larger; for each reader and worker
    one encoded file and 4 bytes a decoded pixel (a JPEG is decoded at a reduced scale): only workers decode at a time, but the C library
    keeps what a thread once needed. What `records` itself
    holds comes on top.

    With a `device`, pictures are decoded there that it takes, once it has shown on some that their vectors are right; with `decoders` files are
    decoded in processes, `workers` at a time, for which `decoders` says what a picture may take (of `picture_seconds`) and what memory.

    A batch that the encoder's device has no memory for is halved until it fits, and so are those behind it.

    Raises InputError for sizes below 1, and whatever the encoder raises (EncoderError).

    >>> from PIL import Image
    >>> from cladescope.embedding.encoder import Encoder
    >>> from cladescope.embedding.given import as_records
    >>> given = [Image.new("RGB", (64, 48), "teal"), b"no picture"]
    >>> (batch,) = encoded(as_records(given), Encoder.load("pixels"))
    >>> batch.vectors.shape, [failure.stage for failure in batch.failures]
    ((1, 960), ['decode'])
    """
    for name, value in {"batch_size": batch_size, "workers": workers, "readers": readers}.items():
        if value < 1:
            raise InputError(f"{name} is {value}: it must be at least 1")
    if web is None:
        from cladescope.embedding.web import current  # loads the HTTP client, which a search by id does without

        web = current()
    stages, stop = stages or Stages(), stop or threading.Event()
    parents: Parents[Whole] = Parents()
    encoding = _Encoding(encoder, known, stages.encode)

    def prepared(record: Record, entering: Entering) -> Prepared | Failure:
        if device is not None:
            device.check(encoding.least_cosine)
        return prepare(
            record,
            encoder.transform,
            web=web,
            parents=parents,
            tag_columns=tag_columns,
            entering=entering,
            device=device,
            decoders=decoders,
        )

    pixel_bytes = 3 * encoder.transform.size**2
    limits = Limits(
        workers=workers,
        readers=readers,
        carried_bytes=waiting_bytes,
        pixel_bytes=pixel_bytes,
        ahead_bytes=max(AHEAD_BYTES, pixel_bytes * (2 * batch_size + workers + readers)),
        picture_seconds=picture_seconds,
    )
    waiting: list[Prepared | Failure] = []
    n_pictures = 0
    for item in stages.encode.timed(_outcomes(records, prepared, limits, stages, stop, parents), "starved"):
        if stop.is_set():
            waiting = []
            break
        waiting.append(item)
        n_pictures += isinstance(item, Prepared)
        if n_pictures >= batch_size or len(waiting) >= 2 * batch_size:
            yield from encoding.add(waiting)
            waiting, n_pictures = [], 0
    if waiting and not stop.is_set():
        yield from encoding.add(waiting)
    yield from encoding.rest()


def _outcomes(
    records: Iterable[Record | Failure],
    prepared: Preparing,
    limits: Limits,
    stages: Stages,
    stop: threading.Event,
    parents: Parents[Whole],
) -> Iterator[Outcome]:
    """What becomes of each record, in order; a single one, as of a query, is not worth a thread."""
    given = iter(records)
    with stages.list.at_work():
        first = deque(islice(given, 2))
    if len(first) > 1:
        yield from prepared_ahead(
            _rest(first, given),
            prepared,
            limits,
            stages,
            stop=stop,
            given_up=lambda record, reason: parents.give_up(split_region(record.uri)[0], PictureError(reason)),
        )
    elif first:
        record = listed(first.pop())
        stages.list.done()
        yield record if isinstance(record, Failure) else prepared(record, stages.counting)


def _rest(first: deque[Record | Failure], given: Iterator[Record | Failure]) -> Iterator[Record | Failure]:
    """All records, of which some were taken already; only the consumer holds what they carry."""
    while first:
        yield first.popleft()
    yield from given


@dataclass(frozen=True, slots=True)
class _Begun:
    """A batch that the encoder has begun with."""

    waiting: Sequence[Outcome]
    n_pictures: int
    known: Mapping[str, Float[np.ndarray, " d"]]
    fresh: Sequence[str]
    """Contents that are encoded, in the order of their pixels."""
    vectors: Callable[[], Float32[np.ndarray, "n d"]]
    seconds: float


class _Encoding:
    """Gives every picture its vector: that of known content, else the encoder's.

    Where the encoder computes on a device of its own, one batch is made ready and sent there while another is computed.
    """

    def __init__(self, encoder: PixelEncoder, known: KnownVectors | None, meter: Meter) -> None:
        self._dims = encoder.dims if isinstance(encoder, _HasParts) else (encoder.dim,)
        self._dim, self._known, self._meter, self._portions = sum(self._dims), known, meter, Portions(encoder)
        self._computing = threading.Lock()
        self._begun: deque[_Begun] = deque()
        self._made: dict[str, Float[np.ndarray, " d"]] = {}
        """Vectors of the batch that was finished last, for the one that was begun meanwhile."""

    def add(self, waiting: Sequence[Outcome]) -> Iterator[EncodedBatch]:
        """Begin with a batch; those that are finished come back."""
        with self._meter.at_work():
            self._begun.append(self._begin(waiting))
        if len(self._begun) > self._portions.computes_apart:
            yield self._finish()

    def rest(self) -> Iterator[EncodedBatch]:
        """The batch that is still computed, if there is one."""
        while self._begun:
            yield self._finish()

    def least_cosine(self, some: UInt8[np.ndarray, "n h w 3"], same: UInt8[np.ndarray, "n h w 3"]) -> float:
        """The lowest cosine between vectors of the same pictures; -1 where only one of the two has a direction. Any thread may ask."""
        with self._computing:
            one, other = self._portions.encode(some), self._portions.encode(same)
        good = has_direction(one)
        if not np.array_equal(good, has_direction(other)):
            return -1.0
        cosines = np.einsum("nd,nd->n", _unit(one[good]), _unit(other[good]))
        return float(cosines.min(initial=1.0))

    def _begin(self, waiting: Sequence[Outcome]) -> _Begun:
        began = time.perf_counter()
        pictures = [item for item in waiting if isinstance(item, Prepared)]
        known: Mapping[str, Float[np.ndarray, " d"]] = {}
        if self._known is not None and pictures:
            known = self._known({item.content_hash for item in pictures})
        computed = {content for batch in self._begun for content in batch.fresh}
        fresh = {one.content_hash: one for one in pictures if one.content_hash not in known.keys() | computed}
        with self._computing:
            vectors = self._portions.begin(np.stack([one.pixels for one in fresh.values()])) if fresh else self._none
        return _Begun(waiting, len(pictures), known, tuple(fresh), vectors, time.perf_counter() - began)

    def _none(self) -> Float32[np.ndarray, "n d"]:
        return np.empty((0, self._dim), np.float32)

    def _finish(self) -> EncodedBatch:
        began = time.perf_counter()
        batch = self._begun.popleft()
        with self._computing:
            made = batch.vectors()
        seconds = batch.seconds + time.perf_counter() - began
        good = has_direction(made)
        contents = [content for content, usable in zip(batch.fresh, good, strict=True) if usable]
        before, self._made = self._made, dict(zip(contents, _unit_parts(made[good], self._dims), strict=True))
        vectors = before | dict(batch.known) | self._made
        done: list[Prepared] = []
        failures: list[Failure] = []
        for item in batch.waiting:
            if isinstance(item, Failure):
                failures.append(item)
            elif item.content_hash in vectors:
                done.append(item)
            else:
                failures.append(Failure(item.record, "encode", f"the encoder gave no direction: {NO_DIRECTION}"))
        rows = np.empty((len(done), self._dim), np.float32)
        for row, item in zip(rows, done, strict=True):
            row[:] = vectors[item.content_hash]
        self._meter.done(batch.n_pictures)
        self._meter.add("at work", time.perf_counter() - began)
        return EncodedBatch(
            records=tuple(item.record for item in done),
            vectors=rows,
            content_hashes=tuple(item.content_hash for item in done),
            sizes=tuple((item.width, item.height) for item in done),
            failures=tuple(failures),
            n_reused=batch.n_pictures - len(batch.fresh),
            n_cut=sum(item.is_cut for item in done),
            seconds=seconds,
            portion=self._portions.most,
        )


def _unit_parts(vectors: Float[np.ndarray, "n d"], dims: Sequence[int]) -> Float32[np.ndarray, "n d"]:
    """Rows whose parts of so many numbers have unit length: a part for each of several encoders (`embedding.several`)."""
    parts = np.split(vectors, np.cumsum(dims)[:-1], axis=1)
    return np.concatenate([_unit(part) for part in parts], axis=1)


def _unit(vectors: Float[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    """Rows of unit length in float32; those that have it already, but for rounding, stay as they are, bit by bit.

    Every row must have a direction.

    >>> _unit(np.array([[0.6, 0.8], [3.0, 4.0]]))
    array([[0.6, 0.8],
           [0.6, 0.8]], dtype=float32)
    """
    rows = vectors.astype(np.float32)
    with np.errstate(over="ignore"):
        off = ~(np.abs(np.einsum("nd,nd->n", rows, rows) - 1) < UNIT_TOLERANCE)
    if off.any():
        rows[off] = normalise(vectors[off])
    return rows
