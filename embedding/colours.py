"""Loaded pixels of any mode to upright RGB of eight bits, by the rules that `decode` states."""

import logging
from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageCms, TiffTags
from PIL.TiffImagePlugin import TiffImageFile

from cladescope.embedding.damage import DAMAGE
from cladescope.errors import PictureError

logger = logging.getLogger(__name__)

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

TIFF_TAG = {tag.name: number for number, tag in TiffTags.TAGS_V2.items()}
"""Numbers of TIFF tags by their names."""


def orientation_of(image: Image.Image) -> int:
    """EXIF orientation of a loaded picture, 1 to 8; TIFF and HEIF were turned upright by their decoders."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except DAMAGE as error:
        logger.debug("EXIF cannot be read, taken as upright: %s", error)
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """The picture turned upright from its EXIF orientation.

    >>> turned(Image.new("RGB", (40, 30)), 6).size
    (30, 40)
    """
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def turned_box(
    box: tuple[float, float, float, float], size: tuple[int, int], orientation: int
) -> tuple[float, float, float, float]:
    """Where a box (left, top, right, bottom) of a picture of `size` lies when that is `turned`.

    >>> turned_box((0.0, 0.0, 39.5, 30.0), (40, 30), 6), turned_box((0.0, 0.0, 39.5, 30.0), (40, 30), 3)
    ((0.0, 0.0, 30.0, 39.5), (0.5, 0.0, 40.0, 30.0))
    """
    left, top, right, bottom = box
    width, height = map(float, size)
    if orientation in (5, 6, 7, 8):
        left, top, right, bottom, width, height = top, left, bottom, right, height, width
    if orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    return left, top, right, bottom


def to_rgb(image: Image.Image) -> Image.Image:
    """Pixels of a loaded picture of any mode as RGB."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return Image.fromarray(_grey_of_deep(image)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(rgba, mask=rgba.getchannel("A"))
        return paper
    if mode == "CMYK":
        return _rgb_of_cmyk(image)
    return image if mode == "RGB" else image.convert("RGB")


def _grey_of_deep(image: Image.Image) -> UInt8[np.ndarray, "h w"]:
    """Eight-bit grey of a picture with one channel of 12, 16 or 32 bits, by the rules of `decode`."""
    values = np.asarray(image)
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    white_is_zero = tags.get(TIFF_TAG["PhotometricInterpretation"]) == 0
    low, high = values.min(), values.max()
    if image.mode == "F":
        if not (low >= 0 and high <= 1):  # also true of NaN
            raise PictureError(f"floats from {low:g} to {high:g}: expected 0 to 1, rescale them first")
        grey: UInt8[np.ndarray, "h w"] = np.rint(values * 255).astype(np.uint8)
        return 255 - grey if white_is_zero else grey
    if low < 0 or high > 65535:
        raise PictureError(f"integers from {low} to {high}: expected 0 to 65535, rescale them first")
    if image.mode == "I":
        top = 255 if high <= 255 else 65535
    else:
        top = 4095 if tags.get(TIFF_TAG["BitsPerSample"]) == (12,) else 65535
    steps = np.arange(65536)
    table: UInt8[np.ndarray, " steps"] = np.minimum((steps * 255 + top // 2) // top, 255).astype(np.uint8)
    if white_is_zero:
        table = 255 - table
    if isinstance(image.info.get("transparency"), int):
        table[image.info["transparency"]] = 255
    scaled: UInt8[np.ndarray, "h w"] = table[values.astype(np.uint16)]
    return scaled


def _rgb_of_cmyk(image: Image.Image) -> Image.Image:
    """CMYK to sRGB by the embedded profile, plainly where there is none or none that works."""
    profile = image.info.get("icc_profile")
    if profile:
        try:
            inks = ImageCms.ImageCmsProfile(BytesIO(profile))
            converted = ImageCms.profileToProfile(image, inks, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, *DAMAGE) as error:
            logger.debug("colour profile cannot be used, CMYK converted plainly: %s", error)
        else:
            assert converted is not None
            return converted
    return image.convert("RGB")
