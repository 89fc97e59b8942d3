"""Encoded bytes to the right pixels: upright, three colours, eight bits.

`decode` takes a file's bytes, `upright_rgb` pixels that are in memory already. Which files a source has, how they are read
and what an encoder wants of the pixels is said elsewhere (`cladescope.embedding.transform`). Nothing here is global: no
opener is registered and no warning filter or limit of Pillow is changed, so that threads may decode at the same time.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from cladescope.embedding.bounds import check_jpeg, check_jpeg_head, check_tiff_head, max_pixels
from cladescope.embedding.colours import TIFF_TAG, orientation_of, to_rgb, turned, turned_box
from cladescope.embedding.damage import damage_refused
from cladescope.embedding.jpeg import frame_of
from cladescope.embedding.png_texts import without_large_texts
from cladescope.errors import InputError, PictureError

MAX_PIXELS = 178_956_970
"""Most pixels (width times height) that are decoded: enough for a 150-megapixel camera, and the number at which Pillow
itself gives up. Kinds that take more memory a pixel have fewer (`cladescope.embedding.bounds`)."""
MAX_PIXELS_GIF_TIFF = 89_478_485
"""The same for GIF and TIFF: past this Pillow warns while it decodes them, whatever its caller checked."""
MIN_SIDE = 8
"""Pixels of the shortest side that still shows something; the smallest plankton crops have some twenty."""
MAX_ASPECT = 50
"""How many times the shorter side the longer may measure: panoramas and chains of diatoms stay below 30."""

MARGIN = 3
"""How many times the side that an encoder needs a reduced JPEG keeps. At 2 some vectors differ by a cosine of 0.998 from those of the whole
picture; at 3 the median is 0.9998, and one noisy photograph in fifteen lies below 0.999; at 4 and 6 no fewer do."""

_OPENERS: dict[str, Callable[[BytesIO], ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "GIF": GifImageFile,
    "WebP": WebPImageFile,
    "TIFF": TiffImageFile,
    "BMP": BmpImageFile,
    "HEIF": HeifImageFile,
    "AVIF": AvifImageFile,
    "JPEG 2000": Jpeg2KImageFile,
}

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
)
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)
"""Brands of ISO/IEC 23008-12 and its kin; videos have others."""
HEAD_BYTES = 256
"""First bytes of a file that say which format it has."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels, and the size of the picture that they came from."""

    image: Image.Image
    """Mode RGB, upright; smaller than `width` x `height` where it was decoded at a reduced scale."""
    width: int
    """Pixels across the upright original."""
    height: int
    """Pixels down the upright original."""
    box: tuple[float, float, float, float] | None = None
    """What of `image` shows the original (left, top, right, bottom), where its sides are no multiples of the reduced scale: the last
    pixels of a row or column reach beyond it then. None where all of it does."""


def decode(data: bytes, *, min_side: int | None = None) -> Picture:
    """Decode one encoded picture into upright RGB pixels of eight bits.

    Reads JPEG, PNG, GIF, WebP, TIFF, BMP, HEIF/HEIC, AVIF and JPEG 2000, known by their first bytes and not
    by a name. Of an animation or a file of several pages the first is taken. With `min_side` (pixels) a JPEG
    is decoded at 1/2, 1/4 or 1/8 of its scale, as long as its shorter side keeps at least `MARGIN` times `min_side`:
    faster, and a later resize still has pixels to choose from. Threads may call this at once.

    * Transparency is laid on white. Dropping it would show the colours that lie under transparent pixels,
      which nobody meant to be seen and which are often black.
    * 16-bit grey is divided down to 8 bits (12-bit TIFF by its own range). Integers of 32 bits count as 8-bit
      values if none is above 255, else as 16-bit values; floats must lie in [0, 1]. Anything else is refused,
      since nothing says which values are black and white. In a TIFF whose zero is white, grey is inverted.
    * CMYK goes to sRGB by the embedded profile, if there is one that works, else by Pillow's plain formula.
    * The colour profile of an RGB picture is left aside: encoders learnt from pixels read in that way.
    * EXIF orientation is applied; EXIF that cannot be read counts as upright.
    * Texts and profiles of a PNG that are larger than Pillow reads are passed over.

    Memory: 4 bytes a pixel for a JPEG or PNG, up to 25 for other kinds and transparency, and never more than
    `bounds.DECODE_BYTES` beside the file. Time: a JPEG has at most `bounds.MAX_SCANS` passes over its pixels.

    Raises PictureError, with a one-line reason that names no file, for data that is empty, no picture,
    truncated or damaged, and for a picture past `MAX_PIXELS` or its kind's share of memory, below `MIN_SIDE` or thinner than `MAX_ASPECT`;
    InputError if `min_side` is not positive.

    >>> buffer = BytesIO()
    >>> Image.new("LA", (40, 30), (0, 0)).save(buffer, "PNG")
    >>> picture = decode(buffer.getvalue())
    >>> picture.image.getpixel((0, 0)), picture.width, picture.height
    ((255, 255, 255), 40, 30)
    """
    if min_side is not None and min_side < 1:
        raise InputError(f"min_side is {min_side}, expected a positive number of pixels")
    if not data:
        raise PictureError("empty file: 0 bytes")
    kind = kind_of_bytes(data)
    if kind is None:
        raise PictureError(_not_a_picture(data))
    limit = MAX_PIXELS_GIF_TIFF if kind in ("GIF", "TIFF") else MAX_PIXELS
    if kind == "GIF":
        check_size(_gif_size(data), limit)
    if kind == "JPEG":
        check_jpeg_head(data)
    if kind == "TIFF":
        check_tiff_head(data)
    with damage_refused(kind, data):
        image = opened_picture(data)
        limit = min(limit, max_pixels(kind, image))
    check_size(image.size, limit)
    if kind == "JPEG" and ((frame := frame_of(data)) is None or not frame.is_one_scan):
        check_jpeg(data, image.size)
    if isinstance(image, TiffImageFile):
        _check_tiff(image)
    size, box = image.size, None
    with damage_refused(kind, data):
        if min_side is not None and kind == "JPEG" and (drafted := image.draft(None, (MARGIN * min_side,) * 2)):
            box = (0.0, 0.0, float(drafted[1][2]), float(drafted[1][3]))
        image.load()
        if kind != "JPEG":  # some headers give another size than the pixels have
            size = image.size
            check_size(size, limit)
        orientation = orientation_of(image)
        upright = turned(to_rgb(image), orientation)
    width, height = reversed(size) if orientation in (5, 6, 7, 8) else size
    return Picture(
        upright, width, height, None if box in (None, (0, 0, *image.size)) else turned_box(box, image.size, orientation)
    )


def opened_picture(data: bytes) -> ImageFile:
    """Encoded data opened by its own kind: its header is read, its pixels are not, and no size is checked.

    Raises PictureError for what is no picture, and whatever Pillow raises on damaged data (`damage.DAMAGE`).
    """
    kind = kind_of_bytes(data)
    if kind is None:
        raise PictureError(_not_a_picture(data))
    return _OPENERS[kind](BytesIO(without_large_texts(data) if kind == "PNG" else data))


def upright_rgb(image: Image.Image) -> Picture:
    """Pixels that are in memory already, by the rules that `decode` has for those of a file.

    Raises PictureError, with a one-line reason, for a picture that Pillow cannot load and for one past `MAX_PIXELS`,
    below `MIN_SIDE` or thinner than `MAX_ASPECT`.

    >>> upright_rgb(Image.new("LA", (40, 30), (0, 0))).image.getpixel((0, 0))
    (255, 255, 255)
    """
    check_size(image.size, MAX_PIXELS)
    with damage_refused("picture", b""):
        image.load()
        orientation = orientation_of(image)
        upright = turned(to_rgb(image), orientation)
    return Picture(upright, *upright.size)


def kind_of_bytes(data: bytes) -> str | None:
    """Name of the format that the first bytes announce, None if it is none that we read; `HEAD_BYTES` of them are enough.

    >>> kind_of_bytes(b"GIF89a..."), kind_of_bytes(b"BMX is a sport of bicycles that ...")
    ('GIF', None)
    """
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        brands = data[8 : min(int.from_bytes(data[:4], "big"), HEAD_BYTES)]
        named = {brands[place : place + 4] for place in range(0, len(brands), 4)}
        if named & {b"avif", b"avis"}:
            return "AVIF"
        return "HEIF" if named & _HEIF_BRANDS else None
    return None


_OTHER_KINDS = (
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "XML"),
    (b"<svg", "an SVG drawing"),
    (b"%pdf", "a PDF"),
    (b"pk\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"8bps", "a Photoshop file"),
    (b"version https://git-lfs", "a pointer of Git LFS: fetch the files first"),
    (b"{", "JSON or other text"),
    (b"[", "JSON or other text"),
)
"""Starts, in lower case, of what is often found in a picture's place, and what that is."""


def _not_a_picture(data: bytes) -> str:
    """Reason for refusing data of no known format: what kind it is. It says nothing of what stands in it."""
    start = data[:200].lstrip().lower()
    if data[4:8] == b"ftyp":
        return f"not a picture but a video or another file of its kind (MP4, QuickTime): expected one of {', '.join(_OPENERS)}"
    kind = next((name for magic, name in _OTHER_KINDS if start.startswith(magic)), None)
    if kind is None:
        text = data[:200].decode("utf-8", errors="ignore").strip()
        is_text = bool(text) and all(letter.isprintable() or letter.isspace() for letter in text)
        kind = "text" if is_text else "zeros" if not any(data[:200]) else "bytes of another kind"
    return f"not a picture but {kind}: expected one of {', '.join(_OPENERS)}"


def check_size(size: tuple[int, int], limit: int) -> None:
    """Refuse a picture of too many pixels, too thin or too small; `size` is width and height in pixels."""
    short, long = sorted(size)
    found = f"{size[0]} x {size[1]} pixels"
    if short * long > limit:
        raise PictureError(f"{found}: too large (at most {limit} pixels in all), reduce it first")
    if long > MAX_ASPECT * short:
        raise PictureError(f"{found}: too thin (one side is over {MAX_ASPECT} times the other)")
    if short < MIN_SIDE:
        raise PictureError(f"{found}: too small (each side must have at least {MIN_SIDE})")


def _gif_size(data: bytes) -> tuple[int, int]:
    """Width and height of a GIF with its first frame, by which Pillow enlarges the canvas (and warns)."""
    steps = iter(range(2**20))  # blocks of up to 255 bytes
    try:
        width, height, flags = struct.unpack_from("<HHB", data, 6)
        at = 13 + (3 << (flags & 7) + 1 if flags & 128 else 0)
        while data[at] != ord(","):
            if data[at] == ord("!"):
                at += 2
                while data[at]:
                    next(steps)
                    at += 1 + data[at]
            next(steps)
            at += 1
        left, top, across, down = struct.unpack_from("<HHHH", data, at + 1)
    except (IndexError, struct.error):
        raise PictureError("truncated: the GIF ends before its first frame") from None
    except StopIteration:
        raise PictureError("no frame among the first million blocks of the GIF: save it anew") from None
    return max(width, left + across), max(height, top + down)


def _check_tiff(image: TiffImageFile) -> None:
    """Refuse a TIFF whose first page is only a preview, as in the raw files of many cameras."""
    kind = image.tag_v2.get(TIFF_TAG["NewSubfileType"], 0)
    if isinstance(kind, int) and kind & 1:
        raise PictureError("TIFF that starts with a reduced preview (a raw file?): export it as JPEG or TIFF")
