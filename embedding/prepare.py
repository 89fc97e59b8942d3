"""One record to an encoder's input: read, decode, transform. Runs in worker threads; a bad picture becomes a `Failure`."""

import hashlib
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from cladescope.embedding.decode import Picture, decode, upright_rgb
from cladescope.embedding.locations import is_web_file, read_bytes
from cladescope.embedding.picture_tags import PictureTags, tags_of
from cladescope.embedding.records import Record
from cladescope.embedding.regions import Box, Parents, cropped, split_region, written
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import PictureError

if TYPE_CHECKING:
    from cladescope.embedding.device_decode import DeviceDecoding
    from cladescope.embedding.web import Web

Step = Literal["fetch", "read", "decode"]
"""What is being done to a picture; `fetch` reads it from the web."""
Entering = Callable[[Step], AbstractContextManager[None]]
"""What is told of each step of a picture, for as long as that takes."""
Whole = tuple[str, Picture, PictureTags]
"""A picture of which regions are wanted: its content hash, its pixels and its tags."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture ready to be encoded."""

    record: Record
    """Without its `data`."""
    pixels: UInt8[np.ndarray, "h w 3"]
    content_hash: str
    """As `content_hash` has it."""
    width: int
    height: int
    is_cut: bool = False
    """Whether it is a box that was cut at its picture's edge."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that did not become a row, and why."""

    record: Record
    stage: str
    """`list`, `identity`, `read`, `decode` or `encode`."""
    reason: str


def no_steps(_step: Step) -> AbstractContextManager[None]:
    """For pictures whose steps nobody counts."""
    return nullcontext()


def prepare(
    record: Record,
    transform: ImageTransform,
    web: "Web | None" = None,
    parents: Parents[Whole] | None = None,
    tag_columns: Collection[str] = (),
    entering: Entering = no_steps,
    device: "DeviceDecoding | None" = None,
) -> Prepared | Failure:
    """Read and decode one picture; those of the web are fetched by `web`, those of which regions are wanted kept in `parents`.

    Whole pictures are decoded on the `device`, if there is one and it takes them.

    Each step is done within what `entering` gives. The record gets those columns of `picture_tags.TAG_FIELDS` that are in `tag_columns`, and then its licence. Whatever is wrong with it comes back as a `Failure`, never as an exception.

    >>> from cladescope.embedding.transform import ImageTransform
    >>> squash = ImageTransform(size=8, resize="squash", interpolation="bilinear", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    >>> prepare(Record(image_id="a", uri="/a.jpg", source="s", data=b""), squash).reason
    'empty file: 0 bytes'
    """
    parent, box = (record.uri, None) if record.data is not None else split_region(record.uri)
    if box is not None:
        if device is not None:
            device.count("boxes of pictures")
        return _prepare_region(record, parent, box, transform, web, parents or Parents(), tag_columns, entering)
    try:
        data = _read(record, web, entering) if record.data is None else record.data
    except PictureError as error:
        return Failure(record, "read", str(error))
    except Exception as error:  # noqa: BLE001 - whatever a client or file system raises, it is one picture's affair
        return Failure(record, "read", unexpected(error))
    record = replace(record, data=None)  # rows wait for a commit by the thousand, the pictures must not
    try:
        with entering("decode"):
            hashed = content_hash(data)
            made = None if device is None else device.pixels_of(data)
            if made is None:
                picture = _decoded(data, transform)
                made = transform.apply(picture.image, picture.box), picture.width, picture.height
            if tag_columns:
                record = _tagged(record, tags_of(data) if isinstance(data, bytes) else PictureTags(), tag_columns)
    except PictureError as error:
        return Failure(record, "decode", str(error))
    except Exception as error:  # noqa: BLE001 - so is what a decoder raises
        return Failure(record, "decode", unexpected(error))
    pixels, width, height = made
    return Prepared(record, pixels, hashed, width, height)


def _prepare_region(
    record: Record,
    parent: str,
    box: Box,
    transform: ImageTransform,
    web: "Web | None",
    parents: Parents[Whole],
    tag_columns: Collection[str],
    entering: Entering,
) -> Prepared | Failure:
    """A box of a picture, which is read and decoded once for all its boxes."""
    stage = "read"

    def whole() -> Whole:
        data = _read(replace(record, uri=parent), web, entering)
        with entering("decode"):
            return content_hash(data), decode(data), tags_of(data) if tag_columns else PictureTags()

    try:
        hashed, picture, tags = parents.get(parent, whole)
        stage = "decode"
        with entering("decode"):
            region = cropped(picture, box)
            pixels = transform.apply(region.picture.image)
        if tag_columns:
            record = _tagged(record, tags, tag_columns)
    except PictureError as error:
        return Failure(record, stage, str(error))
    except Exception as error:  # noqa: BLE001 - as above
        return Failure(record, stage, unexpected(error))
    shown = region.picture
    return Prepared(record, pixels, region_hash(hashed, box), shown.width, shown.height, region.is_cut)


def _tagged(record: Record, tags: PictureTags, columns: Collection[str]) -> Record:
    """The record with what is written into its picture; what its source says wins."""
    extra = {column: tags.values.get(column) for column in columns} | dict(record.extra)
    labels = {**record.labels, "licence": record.labels.get("licence") or tags.licence}
    return replace(record, extra=extra, labels=labels, tag_problems=tags.problems)


def region_hash(parent_hash: str, box: Box) -> str:
    """Content hash of a region: that of its picture, and its box.

    >>> region_hash("cae66941d9efbd404e4d88758ea67670", Box(0, 0, 10, 10))
    '3efa5ac6b53779b38b821475741fe0c0'
    """
    return content_hash(f"{parent_hash} {written(box)}".encode())


def unexpected(error: Exception) -> str:
    """One line on an error that nobody expected: what kind it is, and the start of what it says.

    >>> unexpected(KeyError("no such\\nkey"))
    "unexpected KeyError: 'no such\\\\nkey'"
    """
    text = " ".join(str(error).split())[:200]
    return f"unexpected {type(error).__name__}{': ' * bool(text)}{text}"


def content_hash(data: bytes | Image.Image) -> str:
    """BLAKE2b, 32 hexadecimal digits, of an encoded file, or of the mode, size and values of pixels in memory.

    >>> content_hash(b"")
    'cae66941d9efbd404e4d88758ea67670'
    """
    if isinstance(data, bytes):
        return hashlib.blake2b(data, digest_size=16).hexdigest()
    digest = hashlib.blake2b(f"{data.mode} {data.size}\n".encode(), digest_size=16)
    digest.update(data.tobytes())
    return digest.hexdigest()


def _read(record: Record, web: "Web | None", entering: Entering) -> bytes:
    if not is_web_file(record.uri):
        with entering("read"):
            return read_bytes(record.uri)
    from cladescope.embedding.web import current  # loads the HTTP client

    with entering("fetch"):
        return (web or current()).fetch(record.uri, public_only=record.public_only)


def _decoded(data: bytes | Image.Image, transform: ImageTransform) -> Picture:
    return decode(data, min_side=transform.min_side) if isinstance(data, bytes) else upright_rgb(data)
