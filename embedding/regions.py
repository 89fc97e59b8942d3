"""Boxes of pictures: how tables write them, how an address says them, and the pixels that they mean.

A region's address is that of its picture with `#box=x,y,width,height` behind it. The numbers are pixels of the upright picture
from its upper left corner, or shares of its width and height where none is above 1, as MegaDetector writes them.
"""

import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

from PIL import Image

from cladescope.embedding.decode import MIN_SIDE, Picture
from cladescope.errors import PictureError

MARGIN = 0.1
"""What is shown of a box's surroundings on each side, as a share of its width and height."""
BOX_NAMES = ("bbox", "bounding_box")
"""Columns that hold a whole box: `x y width height` with blanks or commas, in brackets or not, or a list of four numbers."""
SIDE_NAMES = (
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
    ("bbox_x", "bbox_y", "bbox_width", "bbox_height"),
    ("bboxX", "bboxY", "bboxWidth", "bboxHeight"),
)
"""Columns that hold a box together; a table must have all four."""
CORNER_NAMES = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"),
    ("bbox_xmin", "bbox_ymin", "bbox_xmax", "bbox_ymax"),
    ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"),
    ("left", "top", "right", "bottom"),
)
"""Columns that hold a box by its upper left and its lower right corner, as Pascal VOC has them."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_BOX = rf"{_NUMBER}(?:,{_NUMBER}){{3}}"
REGION = f"#box={_BOX}"
"""What stands behind the address of a picture in that of a region, as a regular expression without groups."""
_ADDRESS = re.compile(rf"(?P<parent>.+)#box=(?P<box>{_BOX})")
_KEPT = 2
_INSIDE = 0.5
"""Least share of a box's area that must lie inside its picture."""

Kept = TypeVar("Kept")
"""What is kept of a picture: its pixels, and what else is made of its file."""


class Box(NamedTuple):
    """A rectangle; see the module for its units."""

    x: float
    y: float
    width: float
    height: float


def box_columns(names: Collection[str]) -> tuple[str, ...]:
    """Columns that hold boxes among a table's own: one, four or none.

    >>> box_columns(["species", "BBox"]), box_columns(["x", "y", "w", "h"]), box_columns(["x", "y"])
    (('BBox',), ('x', 'y', 'w', 'h'), ())
    >>> box_columns(["xmin", "ymin", "xmax", "ymax"])
    ('xmin', 'ymin', 'xmax', 'ymax')
    """
    called = {name.lower(): name for name in names}
    for one in BOX_NAMES:
        if one in called:
            return (called[one],)
    for four in (*SIDE_NAMES, *CORNER_NAMES):
        if all(name.lower() in called for name in four):
            return tuple(called[name.lower()] for name in four)
    return ()


def read_box(values: Mapping[str, object], columns: Sequence[str]) -> Box | None:
    """The box that a row holds in its `columns`; None where they are empty.

    Raises PictureError for what is no box.

    >>> read_box({"bbox": "[10, 20, 30, 40]"}, ["bbox"]), read_box({"bbox": ""}, ["bbox"])
    (Box(x=10.0, y=20.0, width=30.0, height=40.0), None)
    """
    found = [values.get(column) for column in columns]
    if len(found) == 1 and isinstance(found[0], list | tuple):
        found = list(found[0])
    elif len(found) == 1 and isinstance(found[0], str):
        inner = re.sub(r"^\s*[\[({]|[\])}]\s*$", "", found[0])
        found = list(re.split(r"[\s,;]+", inner.strip())) if inner.strip() else []
    given = [value for value in found if value is not None and value != ""]
    if not given:
        return None
    try:
        box = Box(*(float(str(value)) for value in found))
        if tuple(map(str.lower, columns)) in CORNER_NAMES:
            box = Box(box.x, box.y, box.width - box.x, box.height - box.y)
    except (TypeError, ValueError):
        raise PictureError("its box is not four numbers: expected x, y, width and height") from None
    if not all(map(math.isfinite, box)) or box.width <= 0 or box.height <= 0:
        raise PictureError(f"its box has no area: found {written(box)} for x, y, width and height")
    return box


def written(box: Box) -> str:
    """A box as an address says it.

    >>> written(Box(0.25, 0.5, 0.1, 0.125))
    '0.25,0.5,0.1,0.125'
    """
    return ",".join(f"{value:.10g}" for value in box)


def region_address(parent: str, box: Box) -> str:
    """Address of a region of the picture at `parent`."""
    return f"{parent}#box={written(box)}"


def split_region(address: str) -> tuple[str, Box | None]:
    """The picture that an address leads to, and the box of it that is meant.

    >>> split_region("/photos/tit.jpg#box=0,0,10,20")
    ('/photos/tit.jpg', Box(x=0.0, y=0.0, width=10.0, height=20.0))
    >>> split_region("/photos/tit.jpg")
    ('/photos/tit.jpg', None)
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return address, None
    return found["parent"], Box(*map(float, found["box"].split(",")))


class Crop(NamedTuple):
    """What is shown of a box."""

    picture: Picture
    is_cut: bool
    """Whether the box reaches over the picture's edge, by more than a pixel, and was cut there."""


def cropped(picture: Picture, box: Box) -> Crop:
    """The pixels of a box with `MARGIN` around it, as far as the picture goes.

    `picture` must be decoded at its own size. Of a box that reaches over the edge, as detectors write them, the part inside
    is meant, if it is at least half of the box. Raises PictureError for a box that lies further outside, and for one whose part inside is too small.

    >>> whole = Picture(Image.new("RGB", (100, 80)), 100, 80)
    >>> cropped(whole, Box(10, 10, 20, 20)).picture.image.size, cropped(whole, Box(0.5, 0, 0.5, 1)).picture.image.size
    ((24, 24), (55, 80))
    >>> cropped(whole, Box(-5, 10, 20, 20)).is_cut
    True
    """
    across, down = picture.image.size
    left, top, width, height = box
    if max(box) <= 1:
        left, width, top, height = left * across, width * across, top * down, height * down
    is_cut = left < 0 or top < 0 or left + width > across + 1 or top + height > down + 1
    right, bottom = min(across, left + width), min(down, top + height)
    left, top = max(0, left), max(0, top)
    area = max(0, right - left) * max(0, bottom - top)
    if area < _INSIDE * width * height:
        raise PictureError(f"its box {written(box)} lies outside the picture of {across} x {down} pixels")
    width, height = right - left, bottom - top
    if min(width, height) < MIN_SIDE:
        raise PictureError(
            f"{width:.0f} x {height:.0f} pixels: too small (each side of a box must have at least {MIN_SIDE})"
        )
    right, bottom, left, top = (
        right + MARGIN * width,
        bottom + MARGIN * height,
        left - MARGIN * width,
        top - MARGIN * height,
    )
    corners = (max(0, round(left)), max(0, round(top)), min(across, round(right)), min(down, round(bottom)))
    image: Image.Image = picture.image.crop(corners)
    return Crop(Picture(image, *image.size), is_cut)


class Parents(Generic[Kept]):
    """Pictures of which several regions are wanted, each decoded once as long as its rows follow each other.

    Threads share it. Memory: two decoded pictures.
    """

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Future[Kept]] = OrderedDict()

    def get(self, address: str, make: Callable[[], Kept]) -> Kept:
        """What was made of the picture at `address`, made by the first thread that asks; the others wait for it."""
        with self._lock:
            future = self._kept.get(address)
            is_mine = future is None
            if future is None:
                future = self._kept[address] = Future()
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        if is_mine:
            try:
                made = make()
            except BaseException as error:
                self._settle(future, error)
                raise
            self._settle(future, made)
        return future.result()

    def give_up(self, address: str, error: PictureError) -> None:
        """Tell those who wait for the picture at `address` that nothing comes of it; what was made of it before stays."""
        with self._lock:
            future = self._kept.get(address)
        if future is not None:
            self._settle(future, error)

    def _settle(self, future: Future[Kept], outcome: Kept | BaseException) -> None:
        """Say once what became of a picture."""
        with self._lock:
            if future.done():
                return
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
