"""Encoded pictures of every kind, made in tests."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from cladescope.embedding.decode import decode
from cladescope.errors import PictureError

ORIENTATION = 0x0112
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "GIF": {},
    "TIFF": {"compression": "tiff_lzw"},
    "BMP": {},
    "WEBP": {"lossless": True},
    "JPEG2000": {},
}
LOSSY: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "HEIF": {"quality": 95, "chroma": 444},
}
FORMATS = LOSSLESS | LOSSY


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.encode(image.mode, image.size, image.tobytes(), buffer, **options)
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def patches(width: int = 48, height: int = 32) -> Image.Image:
    """Four patches of one colour each, so that every orientation looks different."""
    image = Image.new("RGB", (width, height), (230, 230, 30))
    image.paste((220, 20, 20), (0, 0, width // 2, height // 2))
    image.paste((20, 200, 20), (width // 2, 0, width, height // 2))
    image.paste((30, 30, 210), (0, height // 2, width // 2, height))
    return image


def pixels(data: bytes, **options: Any) -> np.ndarray:
    image = decode(data, **options).image
    assert image.mode == "RGB"
    return np.asarray(image)


def assert_refused(data: bytes, reason: str) -> None:
    with pytest.raises(PictureError) as refusal:
        decode(data)
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG written by hand, for what Pillow cannot write; `rows` without filter bytes."""
    stride = len(rows) // height if rows else 0
    raw = b"".join(b"\0" + rows[y * stride : (y + 1) * stride] for y in range(height if rows else 0))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(width: int, height: int, data: bytes, *, bits: tuple[int, ...], photometric: int, **tags: int) -> bytes:
    """A little-endian TIFF of one uncompressed strip, written by hand."""
    n_samples = len(bits)
    numbers = {"subfile": 254, "sample_format": 339}
    entries = {256: width, 257: height, 259: 1, 262: photometric, 277: n_samples, 278: height, 279: len(data)}
    entries |= {numbers[name]: value for name, value in tags.items()}
    directory_size = 2 + 12 * (len(entries) + 2) + 4
    bits_at = 8 + directory_size
    data_at = bits_at + 2 * n_samples
    fields = {tag: (4, 1, struct.pack("<I", value)) for tag, value in entries.items()}
    packed = struct.pack(f"<{n_samples}H", *bits)
    fields[258] = (3, n_samples, packed.ljust(4, b"\0") if n_samples <= 2 else struct.pack("<I", bits_at))
    fields[273] = (4, 1, struct.pack("<I", data_at))
    directory = struct.pack("<H", len(fields))
    for tag, (kind, count, value) in sorted(fields.items()):
        directory += struct.pack("<HHI", tag, kind, count) + value
    return b"II*\0" + struct.pack("<I", 8) + directory + b"\0\0\0\0" + packed + data


def cmyk_profile(corners: np.ndarray) -> bytes:
    """A colour profile of CMYK whose table gives Lab for the 16 corners, shape (2, 2, 2, 2, 3), bytes."""
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *[65536 if i % 4 == 0 else 0 for i in range(9)])
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + corners.tobytes() + ramp * 3
    table += b"\0" * (-len(table) % 4)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    text = b"text\0\0\0\0none\0\0\0\0"
    tags = {
        b"A2B0": table,
        b"wtpt": white,
        b"cprt": text,
        b"desc": b"desc\0\0\0\0\0\0\0\x01\0".ljust(92, b"\0"),
    }
    at = 128 + 4 + 12 * len(tags)
    index, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        index += name + struct.pack(">II", at + len(body), len(value))
        body += value
    size = struct.pack(">I", at + len(body))
    head = size + b"\0\0\0\0" + bytes([2, 0x20, 0, 0]) + b"prtrCMYKLab " + b"\0" * 12 + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + index + body


def ramp16() -> np.ndarray:
    return np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
