"""What is no picture ends as a reason, and never as anything else."""

import struct
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

import cladescope.embedding.decode as decode_module
from cladescope.embedding.decode import MAX_PIXELS, MAX_PIXELS_GIF_TIFF, Picture, decode
from cladescope.errors import PictureError
from tests.embedding.encoding import (
    FORMATS,
    ORIENTATION,
    assert_refused,
    cmyk_profile,
    encode,
    patches,
    pixels,
    png,
    ramp16,
    tiff,
)


def test_an_empty_file_is_refused() -> None:
    assert_refused(b"", "empty file: 0 bytes")


@pytest.mark.parametrize(
    "data, kind",
    [
        (b"<!DOCTYPE html>\n<html><title>secret</title>", "a web page"),
        (b"secret:x:0:0:root:/root:/bin/sh\n", "text"),
        (b'{"password": "secret"}', "JSON or other text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:secret", "a pointer of Git LFS"),
        (b"PK\x03\x04secret", "a ZIP archive"),
        (b"\x00\x01\x02\xffsecret" * 8, "bytes of another kind"),
        (bytes(300), "zeros"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_kind_and_never_quoted(data: bytes, kind: str) -> None:
    assert_refused(data, f"not a picture but {kind}")
    with pytest.raises(PictureError) as refusal:
        decode(data)
    assert "secret" not in str(refusal.value)
    assert data[:4].hex(" ") not in str(refusal.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "HEIF", "AVIF"])
def test_half_a_file_is_refused_as_truncated(kind: str) -> None:
    data = encode(noise(), kind, **FORMATS[kind])
    assert_refused(data[: len(data) // 2], "truncated: the ")


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8))


@cache
def noise_file(kind: str) -> bytes:
    return encode(noise(), kind, **FORMATS[kind])


@given(st.sampled_from(["JPEG", "PNG"]), st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_a_truncated_jpeg_or_png_is_refused_as_such_or_lacks_no_pixel(kind: str, share: float) -> None:
    data = noise_file(kind)
    cut = data[: 8 + int(share * (len(data) - 8))]
    try:
        result = pixels(cut)
    except PictureError as error:
        assert str(error).startswith("truncated: ")  # noqa: PT017
    else:
        np.testing.assert_array_equal(result, pixels(data))


def test_a_jpeg_without_its_last_byte_is_refused() -> None:
    assert_refused(noise_file("JPEG")[:-1], "truncated: the JPEG data ends early")


def jpeg_of_size(width: int, height: int) -> bytes:
    data = bytearray(encode(patches(), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def gif_of_size(canvas: tuple[int, int], frame: tuple[int, int]) -> bytes:
    remark = b",\0\0\0\0!;" * 60
    data = bytearray(encode(Image.new("L", (16, 16), 90), "GIF", transparency=3, comment=remark))
    at = data.index(b",\0\0\0\0\x10\0\x10\0")
    data[6:10] = struct.pack("<HH", *canvas)
    data[at + 5 : at + 9] = struct.pack("<HH", *frame)
    return bytes(data)


def webp_of_size(width: int, height: int) -> bytes:
    data = bytearray(encode(patches(), "WEBP", lossless=True))
    at = data.index(b"VP8L") + 9
    data[at : at + 4] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return bytes(data)


@pytest.mark.parametrize(
    "data, found",
    [
        (png(20000, 20000, depth=8, colour=2, rows=b""), "20000 x 20000 pixels: too large"),
        (png(2**31 - 1, 9, depth=1, colour=0, rows=b""), "2147483647 x 9 pixels: too large"),
        (jpeg_of_size(65000, 30000), "65000 x 30000 pixels: too large"),
        (gif_of_size((60000, 60000), (16, 16)), "60000 x 60000 pixels: too large"),
        (gif_of_size((16, 16), (60000, 60000)), "60000 x 60000 pixels: too large"),
        (gif_of_size((16, 16), (10000, 10000)), f"too large (at most {MAX_PIXELS_GIF_TIFF} pixels in all)"),
        (tiff(10000, 10000, b"", bits=(8,), photometric=1), "10000 x 10000 pixels: too large"),
        (tiff(60000, 60000, b"", bits=(8,), photometric=1), "60000 x 60000 pixels: too large"),
        (webp_of_size(16000, 16000), "too large: Image size (256000000 pixels)"),
    ],
)
def test_a_decompression_bomb_is_refused_by_its_header(data: bytes, found: str) -> None:
    assert_refused(data, found)


def test_a_picture_that_pillow_would_warn_of_is_decoded_without_a_warning() -> None:
    large = Image.new("L", (12000, 8000), 128)
    picture = decode(encode(large, "JPEG"), min_side=8)
    assert picture.width * picture.height > Image.MAX_IMAGE_PIXELS  # type: ignore[operator]
    assert picture.width * picture.height < MAX_PIXELS
    assert picture.image.size == (1500, 1000)


def test_a_picture_that_turns_out_another_size_than_its_header_says_is_checked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Growing(PngImageFile):
        def load(self) -> Any:
            access = super().load()
            self._size = (20000, 10000)
            return access

    monkeypatch.setitem(decode_module._OPENERS, "PNG", Growing)
    assert_refused(encode(patches(), "PNG"), "20000 x 10000 pixels: too large")


@pytest.mark.parametrize("size", [(1, 10000), (10000, 1), (8, 401), (1, 60)])
def test_a_picture_that_is_too_thin_is_refused(size: tuple[int, int]) -> None:
    assert_refused(encode(Image.new("L", size), "PNG"), f"{size[0]} x {size[1]} pixels: too thin")


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (30, 7)])
def test_a_picture_that_is_too_small_is_refused(size: tuple[int, int]) -> None:
    reason = f"{size[0]} x {size[1]} pixels: too small (each side must have at least 8)"
    assert_refused(encode(Image.new("L", size), "PNG"), reason)


@pytest.mark.parametrize("size", [(20, 30), (8, 8), (8, 400), (3000, 200)])
def test_small_crops_and_panoramas_pass(size: tuple[int, int]) -> None:
    assert decode(encode(Image.new("L", size, 9), "PNG")).image.size == size


def test_a_palette_picture_without_its_palette_is_refused() -> None:
    assert_refused(png(16, 16, depth=8, colour=3, rows=bytes(256)), "cannot be decoded: PNG data damaged")


def test_a_raw_file_that_starts_with_a_preview_is_refused() -> None:
    data = tiff(16, 16, bytes(768), bits=(8, 8, 8), photometric=2, subfile=1)
    assert_refused(data, "TIFF that starts with a reduced preview (a raw file?)")


def test_pixels_of_a_kind_that_is_not_read_are_refused_with_it() -> None:
    half_floats = tiff(16, 16, bytes(512), bits=(16,), photometric=1, sample_format=3)
    assert_refused(half_floats, "cannot be decoded: TIFF data damaged or of a kind that is not read (unknown pix")


def test_a_picture_that_does_not_fit_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decode_module, "to_rgb", fail)
    assert_refused(encode(patches(), "PNG"), "not enough memory to decode this PNG")


def test_an_interrupt_is_not_taken_for_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(decode_module, "to_rgb", fail)
    with pytest.raises(KeyboardInterrupt):
        decode(encode(patches(), "PNG"))


@cache
def samples() -> tuple[bytes, ...]:
    """A small valid file of every format, and of the modes that have code of their own."""
    small = noise().resize((24, 16))
    files = [encode(small, kind, **options) for kind, options in FORMATS.items()]
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010F] = "maker"
    files += [encode(small, kind, exif=exif) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")]
    files += [encode(small, "JPEG", progressive=True), encode(small, "TIFF", compression="jpeg")]
    files += [encode(small, "TIFF"), encode(small.convert("P"), "GIF", save_all=True, append_images=[small])]
    files += [
        encode(small.convert("P"), "PNG", transparency=bytes(range(200))),
        encode(small.convert("1"), "TIFF"),
    ]
    files += [encode(small.convert("RGBA"), kind) for kind in ("PNG", "WEBP", "TIFF", "BMP")]
    corners = np.full((2, 2, 2, 2, 3), 128, np.uint8)
    files += [encode(small.convert("CMYK"), kind, icc_profile=cmyk_profile(corners)) for kind in ("JPEG", "TIFF")]
    files += [encode(Image.fromarray(ramp16()), kind) for kind in ("PNG", "TIFF")]
    files += [encode(Image.fromarray(ramp16() / np.float32(65535)), "TIFF")]
    return tuple(files)


def assert_a_picture_or_a_reason(data: bytes) -> None:
    try:
        picture = decode(data, min_side=4)
    except PictureError as error:
        reason = str(error)
        assert reason
        assert "\n" not in reason
        assert len(reason) < 320
        assert " object at 0x" not in reason
    else:
        assert isinstance(picture, Picture)
        assert picture.image.mode == "RGB"
        assert np.asarray(picture.image).shape[2] == 3


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps a damaged header from asking for hundreds of megabytes."""
    monkeypatch.setattr(decode_module, "MAX_PIXELS", 10**6)
    monkeypatch.setattr(decode_module, "MAX_PIXELS_GIF_TIFF", 10**6)


def damaged(source: np.random.Generator) -> bytes:
    """One of the samples with bytes changed, cut out or put in; half of the changes near the beginning."""
    data = bytearray(samples()[source.integers(len(samples()))])
    for _ in range(source.integers(1, 9)):
        reach = min(len(data), 120) if source.random() < 0.5 else len(data)
        at = int(source.integers(reach)) if reach else 0
        match source.integers(6):
            case 0:
                del data[at:]
            case 1:
                del data[at : at + int(source.integers(1, 20))]
            case 2:
                data[at:at] = source.bytes(int(source.integers(1, 20)))
            case _:
                data[at : at + 1] = bytes([source.choice([0, 1, 127, 128, 255, int(source.integers(256))])])
    return bytes(data)


@pytest.mark.usefixtures("low_limits")
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("seed", range(8))
def test_damaged_files_of_every_format_end_as_a_picture_or_a_reason(seed: int) -> None:
    source = np.random.default_rng(seed)
    for _ in range(150):
        assert_a_picture_or_a_reason(damaged(source))


@pytest.mark.usefixtures("low_limits")
def test_damaged_files_end_as_a_picture_or_a_reason_where_warnings_are_errors() -> None:
    source = np.random.default_rng(99)
    for _ in range(300):
        assert_a_picture_or_a_reason(damaged(source))


@given(st.sampled_from(range(30)), st.binary(max_size=60))
@settings(max_examples=150, deadline=None)
def test_a_known_beginning_followed_by_anything_ends_as_a_picture_or_a_reason(which: int, rest: bytes) -> None:
    start = samples()[which % len(samples())][:40]
    assert_a_picture_or_a_reason(start[: 8 + len(rest) % 32] + rest)


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_end_as_a_picture_or_a_reason(data: bytes) -> None:
    assert_a_picture_or_a_reason(data)


def test_decoding_loads_no_torch() -> None:
    modules = "cladescope.embedding.decode, cladescope.embedding.transform"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
