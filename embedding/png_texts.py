"""PNG without texts too large to be read: the pixels do not need them, and Pillow refuses the whole picture for them.

Editors write pages of XMP into a picture. Pillow bounds texts and colour profiles (`PngImagePlugin.MAX_TEXT_CHUNK`) by
limits that are global, so what is over them is taken out of the file's bytes instead. Nothing else is changed.
"""

import struct
import zlib

from cladescope.errors import PictureError

MAX_TEXT_BYTES = 2**20
"""Bytes of one text or profile, unpacked, that stay: Pillow's own limit."""
MAX_TEXTS_BYTES = 2**25
"""Bytes of all texts together that stay, half of Pillow's limit."""
MAX_CHUNKS = 500_000
"""Most pieces of a file: writers make them of 4 KiB or more."""

_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})
_MOVED = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf"})


def without_large_texts(data: bytes) -> bytes:
    r"""The same PNG, but for texts and colour profiles that are too large.

    Data without such chunks is returned as it is, damaged data too. Raises PictureError for more than `MAX_CHUNKS`. Memory: the file once more where something is taken out.

    >>> text = b"tEXtComment" + bytes(MAX_TEXT_BYTES + 2)
    >>> chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    >>> without_large_texts(b"\x89PNG\r\n\x1a\n" + chunk)
    b'\x89PNG\r\n\x1a\n'
    """
    kept: list[tuple[int, int]] = []
    at, start, n_text, n_looked_at = 8, 0, 0, 0
    steps = iter(range(MAX_CHUNKS))
    while at + 12 <= len(data):
        if next(steps, None) is None:
            raise PictureError(f"more than {MAX_CHUNKS} chunks: no PNG needs so many, save it anew")
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            break
        if kind in _TEXTS:
            # What is over the limits together need not be unpacked: it goes out whatever it is.
            size = _unpacked_bytes(kind, data[at + 8 : end - 4]) if n_looked_at <= MAX_TEXTS_BYTES else MAX_TEXTS_BYTES
            n_looked_at += size
            if size > MAX_TEXT_BYTES or n_text + size > MAX_TEXTS_BYTES:
                kept.append((start, at))
                start = end
            else:
                n_text += size
        at = end
    if not kept:
        return data
    view = memoryview(data)
    return b"".join([*(view[first:last] for first, last in kept), view[start:]])


def texts_first(data: bytes) -> bytes:
    r"""The same PNG with the texts and the EXIF that stand behind its pixels put before them, where they are read without the pixels.

    Data without such chunks is returned as it is. Of an animation the texts before the second frame count, as they do for Pillow.
    Memory: the file once more where something is moved.

    >>> pixels, text = (struct.pack(">I", 0) + name + bytes(4) for name in (b"IDAT", b"tEXt"))
    >>> moved = texts_first(bytes(8) + pixels + text)
    >>> moved.index(b"tEXt") < moved.index(b"IDAT")
    True
    """
    moved: list[tuple[int, int]] = []
    at, first_pixels = 8, None
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data) or (kind == b"fcTL" and first_pixels is not None):
            break
        if kind == b"IDAT" and first_pixels is None:
            first_pixels = at
        elif first_pixels is not None and kind in _MOVED:
            moved.append((at, end))
        at = end
    if first_pixels is None or not moved:
        return data
    view = memoryview(data)
    parts = [view[:first_pixels]]
    for start, end in moved:  # Pillow checks the sums of those that come before the pixels only
        parts += [view[start : end - 4], memoryview(struct.pack(">I", zlib.crc32(view[start + 4 : end - 4])))]
    place = first_pixels
    for start, end in moved:
        parts.append(view[place:start])
        place = end
    return b"".join([*parts, view[place:]])


def _unpacked_bytes(kind: bytes, body: bytes) -> int:
    """Bytes of a text when it is unpacked; one more than `MAX_TEXT_BYTES` stands for any number above it."""
    _, _, rest = body.partition(b"\0")
    if kind == b"iTXt":
        is_packed, rest = rest[:1] == b"\x01", rest[2:]
        rest = rest.split(b"\0", 2)[-1]  # language and translated keyword stand before the text
        if not is_packed:
            return len(rest)
    elif kind == b"tEXt":
        return len(rest)
    else:
        rest = rest[1:]  # the way of packing; there is one
    try:
        return len(zlib.decompressobj().decompress(rest, MAX_TEXT_BYTES + 1))
    except zlib.error:
        return 0  # Pillow reads it as empty
