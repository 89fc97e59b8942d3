"""A first look at pictures: a small grey copy of each, its size, its file's size and its content hash. What cannot be read is said."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from cladescope.embedding.columns import is_url
from cladescope.embedding.decode import decode
from cladescope.embedding.locations import read_bytes
from cladescope.embedding.prepare import content_hash, region_hash
from cladescope.embedding.regions import cropped, split_region
from cladescope.embedding.summary import Progress
from cladescope.errors import PictureError

SIDE = 64
"""Pixels along a side of the copies that all are compared by."""
_AHEAD = 256
READERS = 4

Told = Callable[[Progress], None]
"""Is told how many pictures were looked at; those without a problem count as `embedded`."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is kept of a picture; its pixels are squeezed into a square, so that a part of it is a box, whatever its shape."""

    thumb: UInt8[np.ndarray, "s s"]
    width: int
    height: int
    n_bytes: int
    content_hash: str


@dataclass(frozen=True, eq=False)
class Looks:
    """Of n pictures; memory: 4,096 n bytes and texts."""

    thumbs: UInt8[np.ndarray, "n s s"]
    """Grey; black where there was nothing to read."""
    widths: Int64[np.ndarray, " n"]
    heights: Int64[np.ndarray, " n"]
    n_bytes: Int64[np.ndarray, " n"]
    content_hashes: tuple[str | None, ...]
    problems: dict[int, str]
    """Why a row has no look."""

    def __len__(self) -> int:
        return len(self.thumbs)


def look(uri: str, *, side: int = SIDE) -> Look:
    """Read and decode one picture of this machine, or a region of one.

    Raises PictureError for what cannot be read or decoded, and for a place on the web: pictures are not fetched again.
    """
    parent, box = split_region(uri)
    if is_url(parent):
        raise PictureError("it lies on the web, and is not fetched again")
    data = read_bytes(parent)
    # A region is cut from the picture at its own size.
    found = decode(data, min_side=side) if box is None else cropped(decode(data), box).picture
    # A box filter means over whole pixels, which is what `alignment` does too.
    grey = found.image.convert("L").resize((side, side), Image.Resampling.BOX)
    hashed = content_hash(data) if box is None else region_hash(content_hash(data), box)
    return Look(np.asarray(grey), found.width, found.height, len(data), hashed)


def look_at(uris: Sequence[str], *, side: int = SIDE, told: Told | None = None) -> Looks:
    """A look at each picture, by several threads; one that cannot be read has a problem in place of it.

    >>> look_at(["/nowhere/tit.jpg"]).problems
    {0: 'no such file: /nowhere/tit.jpg'}
    """
    n = len(uris)
    thumbs = np.zeros((n, side, side), np.uint8)
    numbers = np.zeros((3, n), np.int64)
    hashes: list[str | None] = [None] * n
    problems: dict[int, str] = {}
    begun = time.monotonic()
    for row, found in enumerate(_looks(uris, side)):
        if isinstance(found, Look):
            thumbs[row] = found.thumb
            numbers[:, row] = found.width, found.height, found.n_bytes
            hashes[row] = found.content_hash
        else:
            problems[row] = found
        if told is not None:
            told(Progress(row + 1, n, row + 1 - len(problems), len(problems), time.monotonic() - begun))
    return Looks(thumbs, numbers[0], numbers[1], numbers[2], tuple(hashes), problems)


def _looks(uris: Sequence[str], side: int) -> Iterator[Look | str]:
    rest = iter(uris)
    with ThreadPoolExecutor(READERS) as pool:
        while some := list(islice(rest, _AHEAD)):
            yield from pool.map(lambda uri: _look_or_problem(uri, side), some)


def _look_or_problem(uri: str, side: int) -> Look | str:
    try:
        return look(uri, side=side)
    except PictureError as error:
        return str(error)
