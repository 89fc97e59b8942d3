"""Pictures that a caller has at hand, one by one: paths, URIs, encoded bytes, Pillow images or arrays."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from cladescope.embedding.locations import canonical
from cladescope.embedding.prepare import content_hash
from cladescope.embedding.records import Record, id_of_uri
from cladescope.errors import InputError

AnyPicture = str | Path | bytes | Image.Image | np.ndarray
"""What stands for a picture in a call: where it lies, or the picture itself."""

MEMORY = "memory:"
"""Start of the `uri` of a picture that came without a place; the hash of its content follows."""


class GivenSource:
    """A source of pictures at hand, so that what a caller holds in memory can be embedded as a folder can."""

    extra_fields: tuple[pa.Field, ...] = ()

    def __init__(self, pictures: Sequence[AnyPicture], *, name: str = "pictures") -> None:
        """Nothing is read yet."""
        self.name = name
        self._pictures = pictures

    def count(self) -> int | None:
        """Number of pictures."""
        return len(self._pictures)

    def records(self) -> Iterator[Record]:
        """A record a picture, in the order given."""
        return as_records(self._pictures, source=self.name)


def as_records(pictures: Iterable[AnyPicture], *, source: str = "pictures") -> Iterator[Record]:
    """One record a picture, in the order given; nothing is read from disk.

    A path or URI names its picture as a folder's records do. What is in memory is named after its content, so that the
    same picture has the same `image_id` every time. Arrays are `uint8` of shape (height, width), (height, width, 3) or
    (height, width, 4); one of another kind becomes a record with a `problem`.

    Raises InputError for what is no picture at all.

    >>> path, grey = as_records(["/photos/tit.jpg", np.zeros((30, 40), np.uint8)])
    >>> path.uri, grey.uri, grey.data.size
    ('/photos/tit.jpg', 'memory:86e8e5783a0ccdcd9ed9302f374f32b6', (40, 30))
    """
    for number, picture in enumerate(pictures, start=1):
        yield _record(picture, number, source)


def _record(picture: object, number: int, source: str) -> Record:
    if isinstance(picture, str | Path):
        uri = canonical(str(picture))
        return Record(image_id=id_of_uri(uri), uri=uri, source=source)
    data, problem = _in_memory(picture, number)
    uri = f"{MEMORY}{number}"
    if data is not None:
        try:
            uri = f"{MEMORY}{content_hash(data)}"
        except (OSError, ValueError) as error:  # a Pillow image is read when its pixels are asked for
            data, problem = None, f"picture {number} cannot be read: {' '.join(str(error).split())}"
    return Record(image_id=uri.removeprefix(MEMORY), uri=uri, source=source, data=data, problem=problem)


def _in_memory(picture: object, number: int) -> tuple[bytes | Image.Image | None, str | None]:
    """The picture as a record carries it, or why it cannot."""
    if isinstance(picture, bytes | Image.Image):
        return picture, None
    if isinstance(picture, bytearray | memoryview):
        return bytes(picture), None
    if not isinstance(picture, np.ndarray):
        raise InputError(
            f"picture {number} is of type {type(picture).__name__}: give a path, bytes, a Pillow image or an array"
        )
    channels = picture.shape[2] if picture.ndim == 3 else 1
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or channels not in (1, 3, 4) or not picture.size:
        return None, (
            f"array {number} is {picture.dtype} of shape {picture.shape}: expected uint8 of shape (height, width), "
            "(height, width, 3) or (height, width, 4)"
        )
    return Image.fromarray(picture[..., 0] if picture.ndim == 3 and channels == 1 else picture), None
