"""The one encode loop: records in, batches of unit vectors out, in the records' order.

Pictures are read and decoded in threads while the encoder computes. What becomes of the vectors is the caller's affair:
`embedding.pipeline` stores them, a query is searched with them, a classifier answers from them.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8

from cladescope.arrays import NO_DIRECTION, has_direction, normalise
from cladescope.embedding.prepare import Failure, Prepared, prepare
from cladescope.embedding.records import Record
from cladescope.embedding.regions import Parents
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import InputError

if TYPE_CHECKING:
    from cladescope.embedding.web import Web

BATCH_SIZE = 64
WORKERS = max(2, os.cpu_count() or 1)
WAITING_BYTES = 128 * 2**20
"""Bytes of carried pictures that may wait to be decoded; one picture may always."""
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


def encoded(
    records: Iterable[Record | Failure],
    encoder: PixelEncoder,
    *,
    batch_size: int = BATCH_SIZE,
    workers: int = WORKERS,
    waiting_bytes: int = WAITING_BYTES,
    known: KnownVectors | None = None,
    web: "Web | None" = None,
    tag_columns: Collection[str] = (),
) -> Iterator[EncodedBatch]:
    """Encode every picture; nothing that is wrong with one of them stops the rest.

    A record's `problem` becomes a failure of the stage `list`, and a `Failure` among the records stays one, in its place.
    The other stages are `read`, `decode`, and `encode` for a vector without direction (`cladescope.arrays`). Equal content
    in a batch is encoded once; content for which `known` has a vector is not encoded and gets that vector as it is. `records` is
    read in the caller's thread, some hundred ahead of what is yielded. Pictures of the web are fetched by `web`. Records get the
    columns `tag_columns` of what is written into their files (`picture_tags.TAG_FIELDS`).

    Memory: 3 size^2 (4 batch_size + 4 workers) bytes for pixels; `waiting_bytes` for pictures that records carry, or one
    picture if that is larger; and for each worker one encoded file with 4 bytes a decoded pixel (a JPEG is decoded at a
    reduced scale). What `records` itself holds comes on top.

    Raises InputError for sizes below 1, and whatever the encoder raises (EncoderError).

    >>> from PIL import Image
    >>> from cladescope.embedding.encoder import Encoder
    >>> from cladescope.embedding.given import as_records
    >>> given = [Image.new("RGB", (64, 48), "teal"), b"no picture"]
    >>> (batch,) = encoded(as_records(given), Encoder.load("pixels"))
    >>> batch.vectors.shape, [failure.stage for failure in batch.failures]
    ((1, 960), ['decode'])
    """
    for name, value in {"batch_size": batch_size, "workers": workers}.items():
        if value < 1:
            raise InputError(f"{name} is {value}: it must be at least 1")
    if web is None:
        from cladescope.embedding.web import current  # loads the HTTP client, which a search by id does without

        web = current()
    waiting: list[Prepared | Failure] = []
    n_pictures = 0
    for item in _prepared(
        records,
        partial(prepare, transform=encoder.transform, web=web, parents=Parents(), tag_columns=tag_columns),
        2 * batch_size,
        workers,
        waiting_bytes,
    ):
        waiting.append(item)
        n_pictures += isinstance(item, Prepared)
        if n_pictures >= batch_size or len(waiting) >= 2 * batch_size:
            yield _encode(waiting, encoder, known)
            waiting, n_pictures = [], 0
    if waiting:
        yield _encode(waiting, encoder, known)


def _prepared(
    records: Iterable[Record | Failure],
    made: Callable[[Record], Prepared | Failure],
    n_ahead: int,
    workers: int,
    waiting_bytes: int,
) -> Iterator[Prepared | Failure]:
    """Records read and decoded in threads, in order; at most `n_ahead` and four a worker are under way."""
    window: deque[tuple[int, Future[Prepared | Failure]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        for record in records:
            size = 0 if isinstance(record, Failure) else record.carried_bytes
            while window and size and _carried(window) + size > waiting_bytes:
                yield window.popleft()[1].result()
            if isinstance(record, Failure):
                window.append((0, _finished(record)))
            elif record.problem is not None:
                window.append((0, _finished(Failure(record, "list", record.problem))))
            else:
                window.append((size, pool.submit(made, record)))
            del record  # only the window may hold what it carries
            while len(window) >= n_ahead + 4 * workers:
                yield window.popleft()[1].result()
        while window:
            yield window.popleft()[1].result()
    finally:
        pool.shutdown(cancel_futures=True)


def _carried(window: Iterable[tuple[int, Future[Prepared | Failure]]]) -> int:
    """Bytes of carried pictures that are not decoded yet."""
    return sum(size for size, future in window if size and not future.done())


def _encode(waiting: Sequence[Prepared | Failure], encoder: PixelEncoder, known: KnownVectors | None) -> EncodedBatch:
    """Give every picture its vector: that of known content, else the encoder's."""
    pictures = [item for item in waiting if isinstance(item, Prepared)]
    vectors = dict(known({item.content_hash for item in pictures})) if known is not None and pictures else {}
    fresh = {item.content_hash: item for item in pictures if item.content_hash not in vectors}
    seconds = 0.0
    if fresh:
        began = time.monotonic()
        made = encoder.encode_pixels(np.stack([item.pixels for item in fresh.values()]))
        seconds = time.monotonic() - began
        good = has_direction(made)
        contents = [content for content, usable in zip(fresh, good, strict=True) if usable]
        vectors |= dict(zip(contents, _unit(made[good]), strict=True))
    done: list[Prepared] = []
    failures: list[Failure] = []
    for item in waiting:
        if isinstance(item, Failure):
            failures.append(item)
        elif item.content_hash in vectors:
            done.append(item)
        else:
            failures.append(Failure(item.record, "encode", f"the encoder gave no direction: {NO_DIRECTION}"))
    rows = np.empty((len(done), encoder.dim), np.float32)
    for row, item in zip(rows, done, strict=True):
        row[:] = vectors[item.content_hash]
    return EncodedBatch(
        records=tuple(item.record for item in done),
        vectors=rows,
        content_hashes=tuple(item.content_hash for item in done),
        sizes=tuple((item.width, item.height) for item in done),
        failures=tuple(failures),
        n_reused=len(pictures) - len(fresh),
        n_cut=sum(item.is_cut for item in done),
        seconds=seconds,
    )


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


def _finished(failure: Failure) -> Future[Prepared | Failure]:
    future: Future[Prepared | Failure] = Future()
    future.set_result(failure)
    return future
