"""How much time and memory one picture may take, judged from its first bytes before it is decoded.

A few bytes can announce work without end: a progressive JPEG may refine its pixels thousands of times, a WebP of one colour
takes the memory of a wall of pixels. The figures here are measured, peak of the process, with Pillow 13 and pillow_heif 1.
"""

import re
import struct

from PIL import Image

from cladescope.errors import PictureError

MAX_FILE_BYTES = 2**29
"""Most bytes of one encoded picture, 512 MiB: an uncompressed TIFF of 16 bits a colour and as many pixels as are decoded."""
DECODE_BYTES = 2**31
"""Most memory that decoding one picture takes beside its file, 2 GiB; each worker decodes one at a time."""
MAX_SCANS = 100
"""Most passes over the pixels of a JPEG; encoders write up to 14."""
MAX_SCANNED_PIXELS = 2**31
"""Most pixels of all passes together: 14 passes over 150 megapixels, a few seconds."""
MAX_TAGS = 4_096
"""Most entries of a TIFF's directory; cameras write some hundred."""
MAX_SEGMENTS = 20_000
"""Most pieces before the pixels of a JPEG: a colour profile has up to 255."""

_BYTES_A_PIXEL = {
    "JPEG": (4, 4),
    "PNG": (8, 13),
    "GIF": (8, 13),
    "WebP": (16, 21),
    "TIFF": (8, 13),
    "BMP": (8, 13),
    "HEIF": (8, 14),
    "AVIF": (10, 17),
    "JPEG 2000": (20, 25),
}
"""Bytes a pixel at the peak, of an opaque and of a transparent picture; most decoders keep several copies."""
_PROGRESSIVE = 12
"""Bytes that a progressive JPEG takes on top: every coefficient is kept until the last scan, at any scale."""
_CMYK = 8
_SEGMENT = re.compile(rb"\xff+([\xc0-\xcf\xda-\xfe])")
SCAN_END = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)
"""A marker that ends the pixels of a scan; restarts do not."""


def too_large(n_bytes: int) -> str:
    """Why a file of so many bytes is not read as a picture.

    >>> too_large(2**30)
    'has 1073741824 bytes: a picture may have 536870912'
    """
    return f"has {n_bytes} bytes: a picture may have {MAX_FILE_BYTES}"


def max_pixels(kind: str, image: Image.Image) -> int:
    """Most pixels of an opened picture of this kind that `DECODE_BYTES` suffice for.

    >>> opened = Image.new("RGBA", (8, 8))
    >>> max_pixels("WebP", opened)
    102261126
    """
    n_bytes = _BYTES_A_PIXEL[kind][image.has_transparency_data]
    if kind == "JPEG":
        n_bytes += _PROGRESSIVE * ("progressive" in image.info) + _CMYK * (image.mode == "CMYK")
    return DECODE_BYTES // n_bytes


def check_jpeg(data: bytes, size: tuple[int, int]) -> None:
    """Refuse a JPEG of more passes or pieces than a picture needs; `size` is its width and height in pixels.

    Raises PictureError.
    """
    if data.count(b"\xff\xda") * size[0] * size[1] <= min(MAX_SCANNED_PIXELS, MAX_SCANS * size[0] * size[1]):
        return
    n_scans = _n_scans(data)
    if n_scans > MAX_SCANS:
        raise PictureError(f"{n_scans} or more scans: a JPEG may have {MAX_SCANS}, save it anew")
    if n_scans * size[0] * size[1] > MAX_SCANNED_PIXELS:
        found = f"{size[0]} x {size[1]} pixels in {n_scans} scans"
        raise PictureError(f"{found}: too large (at most {MAX_SCANNED_PIXELS} pixels in all scans), reduce it first")


def check_jpeg_head(data: bytes) -> None:
    """Refuse a JPEG whose pixels begin behind more than `MAX_SEGMENTS` pieces. Raises PictureError."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        found = _SEGMENT.match(data, at)
        if found is None or found[1] == b"\xda":
            return
        at = found.end() + max(int.from_bytes(data[found.end() : found.end() + 2], "big"), 2)
    raise PictureError(f"more than {MAX_SEGMENTS} pieces before its pixels: no JPEG needs so many, save it anew")


def check_tiff_head(data: bytes) -> None:
    r"""Refuse a TIFF whose first directory has more than `MAX_TAGS` entries, each of which is read. Raises PictureError.

    >>> check_tiff_head(b"II*\0\x08\0\0\0\xff\xff")
    Traceback (most recent call last):
    cladescope.errors.PictureError: 65535 tags: a TIFF may have 4096, save it anew
    """
    order = "<" if data.startswith(b"II") else ">"
    is_big = data[2:4] in (b"+\0", b"\0+")
    try:
        (place,) = struct.unpack_from(f"{order}Q", data, 8) if is_big else struct.unpack_from(f"{order}I", data, 4)
        (n_tags,) = struct.unpack_from(f"{order}{'Q' if is_big else 'H'}", data, place)
    except (struct.error, OverflowError):
        return  # cut off: its decoder says so
    if n_tags > MAX_TAGS:
        raise PictureError(f"{n_tags} tags: a TIFF may have {MAX_TAGS}, save it anew")


def _n_scans(data: bytes) -> int:
    """Scans of the first picture in a JPEG file, counted until there are more than `MAX_SCANS`."""
    n_scans, at = 0, 2
    while n_scans <= MAX_SCANS and (found := SCAN_END.search(data, at)) is not None:
        if found[1] == b"\xd9":
            break
        n_scans += found[1] == b"\xda"
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return n_scans
