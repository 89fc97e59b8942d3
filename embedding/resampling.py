"""A window of a resized picture: by Pillow, and in a long job by the same arithmetic compiled, which gives the same bits."""

import itertools
import logging
import threading
from collections.abc import Callable
from typing import Literal

import numpy as np
import PIL
import pyarrow as pa
from jaxtyping import UInt8, UInt32
from PIL import Image

logger = logging.getLogger(__name__)

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
COMPILED_AFTER = 400
"""Pictures of a process that Pillow resizes. Loading what an earlier process compiled takes as long as it saves on so many."""
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_PROBES = ((61, 47, 30, 23), (47, 90, 30, 35), (20, 90, 31, 40), (17, 12, 40, 31), (90, 40, 20, 51))
"""Sizes before and after, on which what is compiled is compared with Pillow before it is used."""

_Resampled = Callable[..., UInt8[np.ndarray, "rows columns 3"]]
_count = itertools.count()
_loading = threading.Lock()
_kernel: list[_Resampled | None] = []


def resampled(
    image: Image.Image,
    size: tuple[int, int],
    window: tuple[int, int, int, int],
    interpolation: Interpolation,
    box: tuple[float, float, float, float] | None = None,
) -> UInt8[np.ndarray, "rows columns 3"]:
    """What `image.resize(size, box=box)` shows within a window of it: left, top, right and bottom in pixels of the resized picture.

    `image` is of mode RGB. The window lies within the resized picture, the box (by default all of it) within the image. Threads may call this at once.

    >>> resampled(Image.new("RGB", (60, 40), "teal"), (30, 20), (5, 0, 25, 20), "bicubic")[0, 0]
    array([  0, 128, 128], dtype=uint8)
    """
    if interpolation in _FILTERS and (kernel := _compiled()) is not None and (pixels := _packed(image)) is not None:
        return kernel(
            pixels,
            size,
            window,
            box or (0.0, 0.0, float(image.width), float(image.height)),
            is_cubic=interpolation == "bicubic",
        )
    return np.array(image.resize(size, Image.Resampling[interpolation.upper()], box).crop(window))


def _compiled() -> _Resampled | None:
    """The compiled arithmetic, once enough pictures were resized and one thread has loaded it; None before that."""
    if _kernel:
        return _kernel[0]
    if next(_count) < COMPILED_AFTER or not _loading.acquire(blocking=False):
        return None
    try:
        if not _kernel:
            _kernel.append(_loaded())
    finally:
        _loading.release()
    return _kernel[0]


def _loaded() -> _Resampled | None:
    """The compiled arithmetic; None where it cannot be compiled, or does not give the bits of the Pillow that is installed."""
    try:
        from cladescope.embedding.resampling_kernels import resampled as kernel  # loads the compiler
    except Exception as error:  # noqa: BLE001 - whatever keeps it from compiling, Pillow gives the same pixels
        logger.debug("resizing is not compiled: %s", error)
        return None
    for width, height, new_width, new_height in _PROBES:
        image = Image.frombytes("RGB", (width, height), np.random.default_rng(width).bytes(3 * width * height))
        pixels, size, window = _packed(image), (new_width, new_height), (new_width // 4, 0, new_width, new_height - 1)
        box = (0.25, 0.0, width - 0.5, height - 0.75)
        for interpolation, filter_ in _FILTERS.items():
            expected = np.asarray(image.resize(size, filter_, box).crop(window))
            if pixels is None or not np.array_equal(
                kernel(pixels, size, window, box, is_cubic=interpolation == "bicubic"), expected
            ):
                logger.debug("resizing is not compiled: Pillow %s has another way", PIL.__version__)
                return None
    return kernel


def _packed(image: Image.Image) -> UInt32[np.ndarray, "h w"] | None:
    """The pixels where Pillow keeps them, four bytes each, red first; None of a picture of more than one block of its memory (16 MB)."""
    try:
        values = pa.array(image).flatten().buffers()[1]
    except ValueError:
        return None
    return np.frombuffer(values, np.uint32).reshape(image.height, image.width)
