"""Small pictures of every kind that is read and of every way to store them, and damage to their bytes, for `fuzz_decode.py`.

Everything is drawn from seeds, so that a number is enough to make a damaged file again.
"""

import io
import struct
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

from cladescope.embedding.decode import kind_of_bytes

ORIENTATION = 0x0112
TELLING = (0, 1, 2, 7, 8, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Numbers at which counters and sizes go wrong."""


class Seed(NamedTuple):
    """A sound file that damage is done to."""

    kind: str
    """As `kind_of_bytes` has it."""
    variant: str
    data: bytes


def picture(width: int = 61, height: int = 47) -> Image.Image:
    """Waves with noise, so that every coefficient is used."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 9 + y / 13), np.cos(x / 7), np.sin(x * y / 400)], axis=-1)
    noise = np.random.default_rng(width).normal(0, 12, waves.shape)
    return Image.fromarray(np.clip(127 + 90 * waves + noise, 0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_by_hand(size: int, depth: int, colour: int, n_samples: int, *, interlaced: bool = False) -> bytes:
    """A square PNG of noise, for what Pillow does not write: 16 bits a colour, and Adam7."""
    rng = np.random.default_rng(size)
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b""
    for left, top, across, down in passes if interlaced else [(0, 0, 1, 1)]:
        n_columns, n_rows = len(range(left, size, across)), len(range(top, size, down))
        stride = (n_columns * n_samples * depth + 7) // 8
        raw += b"".join(bytes([rng.integers(5)]) + rng.bytes(stride) for _ in range(n_rows if n_columns else 0))
    head = struct.pack(">IIBBBBB", size, size, depth, colour, 0, 0, int(interlaced))
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    data = bytearray(b"\x89PNG\r\n\x1a\n")
    for name, body in chunks:
        data += struct.pack(">I", len(body)) + name + body + bytes(4)
    put_sums_right(data)
    return bytes(data)


@cache
def seeds(folder: Path | None = None) -> tuple[Seed, ...]:
    """Sound files of every kind; with a folder, a hundred of its pictures too, by name in equal steps."""
    rgb, large = picture(), picture(403, 301)
    even = picture(64, 64)
    rgba, grey, palette = rgb.convert("RGBA"), rgb.convert("L"), rgb.convert("P", palette=Image.Palette.ADAPTIVE)
    rgba.putalpha(grey)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    floats = Image.fromarray(np.asarray(grey).astype(np.float32) / 255)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    turned[0x010F] = "maker"
    several: dict[str, Any] = {"save_all": True, "append_images": [rgb.transpose(Image.Transpose.ROTATE_180)]}
    cmyk = rgb.convert("CMYK")
    files: list[tuple[str, bytes]] = [
        *((code, saved(rgb, "JPEG", subsampling=code)) for code in ("4:4:4", "4:2:2", "4:2:0")),
        *((f"quality {quality}", saved(large, "JPEG", quality=quality)) for quality in (30, 92)),
        ("progressive", saved(large, "JPEG", progressive=True)),
        ("restarts", saved(large, "JPEG", restart_marker_blocks=7)),
        ("grey", saved(grey, "JPEG")),
        ("inks", saved(cmyk, "JPEG", icc_profile=srgb)),
        ("turned", saved(rgb, "JPEG", exif=turned, comment=b"text", icc_profile=srgb)),
        ("colours kept", saved(rgb, "JPEG", keep_rgb=True)),
        *((f"mode {one.mode}", saved(one, "PNG")) for one in (rgb, rgba, grey, palette, rgb.convert("1"), deep)),
        ("mode LA", saved(rgba.convert("LA"), "PNG", exif=turned)),
        ("clear palette", saved(palette, "PNG", transparency=bytes(range(200)), icc_profile=srgb)),
        ("clear colour", saved(rgb, "PNG", transparency=(9, 9, 9))),
        ("several", saved(rgb, "PNG", **several)),
        ("16 bits", png_by_hand(23, 16, 2, 3)),
        ("16 bits and alpha", png_by_hand(24, 16, 6, 4)),
        ("interlaced", png_by_hand(21, 8, 2, 3, interlaced=True)),
        ("interlaced bits", png_by_hand(37, 1, 0, 1, interlaced=True)),
        *((f"mode {one.mode}", saved(one, "GIF")) for one in (rgb, rgba, grey, palette)),
        ("several", saved(rgb, "GIF", **several, comment=b"text", transparency=3)),
        ("lossy", saved(large, "WEBP", quality=70)),
        ("lossless", saved(rgb, "WEBP", lossless=True)),
        ("alpha", saved(rgba, "WEBP", exif=turned)),
        ("several", saved(rgba, "WEBP", **several, icc_profile=srgb)),
        *(
            (f"mode {one.mode}", saved(one, "TIFF"))
            for one in (rgb, rgba, grey, palette, cmyk, deep, floats, rgb.convert("YCbCr"), rgb.convert("LAB"))
        ),
        *((way, saved(rgb, "TIFF", compression=way)) for way in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")),
        *((way, saved(rgb.convert("1"), "TIFF", compression=way)) for way in ("group3", "group4")),
        ("several", saved(rgb, "TIFF", **several, exif=turned, big_tiff=True)),
        *((f"mode {one.mode}", saved(one, "BMP")) for one in (rgb, rgba, grey, palette, rgb.convert("1"))),
        *((f"mode {one.mode}", saved(one, "AVIF")) for one in (rgb, rgba)),
        ("turned", saved(rgb, "AVIF", exif=turned)),
        ("several", saved(even, "AVIF", save_all=True, append_images=[even.rotate(90)])),
        *((f"mode {one.mode}", saved(one, "JPEG2000")) for one in (rgb, rgba, grey)),
        ("code only", saved(rgb, "JPEG2000", no_jp2=True)),
        ("tiles", saved(rgb, "JPEG2000", tile_size=(32, 32), irreversible=True)),
        *((f"mode {one.mode}", heif(one)) for one in (rgb, rgba, large)),
        ("several", heif(rgb, rgba)),
    ]
    if folder is not None:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files += [("picture", path.read_bytes()) for path in paths[:: max(1, len(paths) // 100)]]
    known = [(kind_of_bytes(data), variant, data) for variant, data in files]
    return tuple(Seed(kind, variant, data) for kind, variant, data in known if kind is not None)


def heif(*images: Image.Image) -> bytes:
    """A HEIF file of these images."""
    file = pillow_heif.from_pillow(images[0])
    for image in images[1:]:
        file.add_from_pillow(image)
    buffer = io.BytesIO()
    file.save(buffer, quality=60)
    return buffer.getvalue()


def damaged(number: int, sound: Sequence[Seed], *, seed: int = 0) -> Seed:
    """The damaged file of this number: kinds come in turn, all else is drawn; mostly one or two changes, up to eight, and a PNG's sums often put right."""
    rng = np.random.default_rng((seed, number))
    kinds = sorted({one.kind for one in sound})
    of_kind = [one for one in sound if one.kind == kinds[number % len(kinds)]]
    chosen = of_kind[rng.integers(len(of_kind))]
    donor = (of_kind if rng.random() < 0.7 else sound)[rng.integers(len(of_kind))]
    data = bytearray(chosen.data)
    for _ in range(min(8, rng.geometric(0.5))):
        change(data, donor.data, rng)
    if chosen.kind == "PNG" and rng.random() < 0.8:
        put_sums_right(data)
    return Seed(chosen.kind, chosen.variant, bytes(data))


def change(data: bytearray, donor: bytes, rng: np.random.Generator) -> None:
    """One change in place: bits, bytes, numbers, pieces cut out, put in, doubled, moved or taken from a donor, or the end cut off."""
    reach = max(1, min(len(data), (40, 400, len(data))[rng.integers(3)]))
    at, length = int(rng.integers(reach)), int(2 ** rng.uniform(0, 9))
    way = rng.integers(10)
    if way <= 1 and data:
        data[at] ^= 1 << int(rng.integers(8))
    elif way == 2:
        data[at : at + 1] = rng.bytes(1)
    elif way <= 4:
        width = int(rng.choice([1, 2, 4]))
        value = int(rng.choice(TELLING)) % 256**width
        data[at : at + width] = value.to_bytes(width, "big" if rng.random() < 0.5 else "little")
    elif way == 5:
        del data[at : at + length]
    elif way == 6:
        data[at:at] = data[at : at + length] if rng.random() < 0.5 else rng.bytes(length)
    elif way == 7:
        data[at : at + length] = bytes([int(rng.choice([0, 255]))]) * length
    elif way == 8:
        other = int(rng.integers(max(1, len(donor))))
        data[at : at + length] = donor[other : other + length]
    elif rng.random() < 0.5:
        del data[int(rng.integers(len(data) + 1)) :]
    else:
        data[at:] = donor[min(at, len(donor)) :]


def put_sums_right(data: bytearray) -> None:
    """Give every chunk of a PNG the check sum of what is in it, as far as the chunks can be followed."""
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            return
        struct.pack_into(">I", data, at + 8 + length, zlib.crc32(data[at + 4 : at + 8 + length]))
        at += 12 + length
