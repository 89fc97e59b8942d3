"""One record to an encoder's input: read, decode, transform. Runs in worker threads; a bad picture becomes a `Failure`."""

import hashlib
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from cladescope.embedding.decode import Picture, decode, upright_rgb
from cladescope.embedding.locations import is_web_file, read_bytes
from cladescope.embedding.picture_tags import PictureTags, tags_of
from cladescope.embedding.records import Record
from cladescope.embedding.regions import Box, Parents, cropped, split_region, written
from cladescope.embedding.transform import ImageTransform
from cladescope.errors import EncoderError, PictureError

if TYPE_CHECKING:
    from cladescope.embedding.device_decode import DeviceDecoding
    from cladescope.embedding.web import Web

Step = Literal["fetch", "read", "decode", "decode apart"]
"""What is being done to a picture; `fetch` reads it from the web, and what decodes it apart is a process with a clock of its own."""
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
class Made:
    """What an encoder sees of a picture, and what else its file says."""

    pixels: UInt8[np.ndarray, "h w 3"]
    content_hash: str
    width: int
    """Pixels across the upright original."""
    height: int
    tags: PictureTags


@runtime_checkable
class DecodesApart(Protocol):
    """What decodes files elsewhere than in the thread that asks: `embedding.decoders`."""

    def take(self) -> bool:
        """Whether it decodes the next picture."""

    def made_of(self, data: bytes) -> Made | None:
        """As the function below; None where the thread has to do it after all."""

    def whole_of(self, data: bytes) -> Whole | None:
        """Likewise."""


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
    decoders: DecodesApart | None = None,
) -> Prepared | Failure:
    """Read and decode one picture; those of the web are fetched by `web`, those of which regions are wanted kept in `parents`.

    Whole pictures are decoded on the `device`, files by the `decoders`, if there are any and they take them.

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
        return _prepare_region(
            record, parent, box, transform, web, parents or Parents(), tag_columns, entering, decoders
        )
    try:
        data = _read(record, web, entering) if record.data is None else record.data
    except PictureError as error:
        return Failure(record, "read", str(error))
    except Exception as error:  # noqa: BLE001 - whatever a client or file system raises, it is one picture's affair
        return Failure(record, "read", unexpected(error))
    record = replace(record, data=None)  # rows wait for a commit by the thousand, the pictures must not
    try:
        made = None
        if decoders is not None and isinstance(data, bytes) and decoders.take():
            with entering("decode apart"):
                made = decoders.made_of(data)
        if made is None:
            with entering("decode"):
                made = made_of(data, transform, device, with_tags=bool(tag_columns))
    except PictureError as error:
        return Failure(record, "decode", str(error))
    except EncoderError:
        raise
    except Exception as error:  # noqa: BLE001 - so is what a decoder raises
        return Failure(record, "decode", unexpected(error))
    if tag_columns:
        record = _tagged(record, made.tags, tag_columns)
    return Prepared(record, made.pixels, made.content_hash, made.width, made.height)


def made_of(
    data: bytes | Image.Image,
    transform: ImageTransform,
    device: "DeviceDecoding | None" = None,
    *,
    with_tags: bool,
) -> Made:
    """Decode one picture, and read its tags. Raises PictureError, and whatever a decoder raises.

    >>> squash = ImageTransform(size=8, resize="squash", interpolation="bilinear", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    >>> made = made_of(Image.new("RGB", (40, 30), "teal"), squash, with_tags=False)
    >>> made.pixels.shape, made.width, made.height
    ((8, 8, 3), 40, 30)
    """
    hashed = content_hash(data)
    made = None if device is None else device.pixels_of(data)
    if made is None:
        picture = decode(data, min_side=transform.min_side) if isinstance(data, bytes) else upright_rgb(data)
        made = transform.apply(picture.image, picture.box), picture.width, picture.height
    tags = tags_of(data) if with_tags and isinstance(data, bytes) else PictureTags()
    return Made(made[0], hashed, *made[1:], tags)


def whole_of(data: bytes, *, with_tags: bool) -> Whole:
    """Decode one picture at its own size, and read its tags. Raises as `made_of` does."""
    return content_hash(data), decode(data), tags_of(data) if with_tags else PictureTags()


def _prepare_region(
    record: Record,
    parent: str,
    box: Box,
    transform: ImageTransform,
    web: "Web | None",
    parents: Parents[Whole],
    tag_columns: Collection[str],
    entering: Entering,
    decoders: DecodesApart | None,
) -> Prepared | Failure:
    """A box of a picture, which is read and decoded once for all its boxes."""
    stage = "read"

    def whole() -> Whole:
        data = _read(replace(record, uri=parent), web, entering)
        if decoders is not None and decoders.take():
            with entering("decode apart"):
                found = decoders.whole_of(data)
            if found is not None:
                return found
        with entering("decode"):
            return whole_of(data, with_tags=bool(tag_columns))

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
    except EncoderError:
        raise
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


def too_long(seconds: float) -> str:
    """Why a picture is a failure that kept a decoder or a disk for so long.

    >>> too_long(120.0)
    'took longer than 120 seconds: open and save it with other software'
    """
    return f"took longer than {seconds:g} seconds: open and save it with other software"


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
