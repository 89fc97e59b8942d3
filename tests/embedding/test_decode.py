"""Encoded bytes give the right pixels, whatever their format."""

import io
import struct
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from cladescope.embedding.decode import decode
from cladescope.errors import InputError
from tests.embedding.encoding import (
    FORMATS,
    LOSSLESS,
    ORIENTATION,
    assert_refused,
    chunk,
    cmyk_profile,
    encode,
    patches,
    pixels,
    png,
    ramp16,
    tiff,
)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_its_pixels(kind: str) -> None:
    picture = decode(encode(patches(), kind, **FORMATS[kind]))
    assert (picture.width, picture.height) == picture.image.size == (48, 32)
    tolerance = 0 if kind in LOSSLESS else 12
    np.testing.assert_allclose(np.asarray(picture.image).astype(int), np.asarray(patches()), atol=tolerance)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_turned_by_its_exif_comes_out_upright(kind: str, orientation: int) -> None:
    turn: Callable[[np.ndarray], np.ndarray] = {
        1: lambda stored: stored,
        2: np.fliplr,
        3: lambda stored: np.rot90(stored, 2),
        4: np.flipud,
        5: lambda stored: stored.swapaxes(0, 1),
        6: lambda stored: np.rot90(stored, -1),
        7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
        8: lambda stored: np.rot90(stored, 1),
    }[orientation]
    stored = patches()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    written = exif.tobytes() if kind == "HEIF" else exif
    picture = decode(encode(stored, kind, **FORMATS[kind], exif=written))
    upright = turn(np.asarray(stored)).astype(int)
    np.testing.assert_allclose(np.asarray(picture.image), upright, atol=0 if kind in LOSSLESS else 12)
    assert (picture.height, picture.width) == upright.shape[:2]


@pytest.mark.parametrize("kind, before", [("JPEG", b"Exif\0\0"), ("WEBP", b"EXIF\x1a\0\0\0")])
def test_a_picture_whose_exif_cannot_be_read_is_taken_as_upright(kind: str, before: bytes) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = encode(patches(), kind, exif=exif.tobytes()[6:] if kind == "WEBP" else exif)
    at = data.index(before) + len(before)
    assert data[at : at + 4] == b"MM\0*"
    picture = decode(data[:at] + b"ZZ" + data[at + 2 :])
    assert (picture.width, picture.height) == (48, 32)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_black_and_white_grey_and_palette_pictures_gain_three_colours(mode: str, kind: str) -> None:
    image = patches().convert(mode)
    np.testing.assert_array_equal(pixels(encode(image, kind)), np.asarray(image.convert("RGB")))


def test_a_grey_jpeg_has_three_equal_colours() -> None:
    result = pixels(encode(Image.new("L", (16, 16), 77), "JPEG"))
    assert (result == 77).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_laid_on_white(kind: str) -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste((200, 100, 0, 255), (0, 0, 16, 8))
    image.paste((100, 100, 100, 51), (0, 8, 8, 16))
    result = pixels(encode(image, kind, **{**FORMATS[kind], **({"exact": True} if kind == "WEBP" else {})}))
    assert result[0, 0].tolist() == [200, 100, 0]
    assert result[15, 0].tolist() == [224, 224, 224]
    assert result[15, 15].tolist() == [255, 255, 255]


def test_a_transparent_heic_or_avif_is_laid_on_white() -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste((200, 100, 0, 255), (0, 0, 64, 32))
    for kind in ("HEIF", "AVIF"):
        result = pixels(encode(image, kind, **FORMATS[kind])).astype(int)
        np.testing.assert_allclose(result[8, 32], [200, 100, 0], atol=12)
        np.testing.assert_allclose(result[56, 32], [255, 255, 255], atol=12)


def test_grey_with_alpha_is_laid_on_white() -> None:
    image = Image.new("LA", (16, 16), (0, 0))
    image.paste((40, 255), (0, 0, 16, 8))
    result = pixels(encode(image, "PNG"))
    assert (result[:8] == 40).all()
    assert (result[8:] == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_the_transparent_colour_of_a_palette_becomes_white(kind: str) -> None:
    image = Image.new("P", (16, 16), 0)
    image.putpalette([0, 0, 0, 200, 10, 10] + [0] * 762)
    image.paste(1, (0, 0, 16, 8))
    result = pixels(encode(image, kind, transparency=0))
    assert (result[:8] == (200, 10, 10)).all()
    assert (result[8:] == 255).all()


def test_a_palette_with_alpha_for_each_colour_is_laid_on_white() -> None:
    image = Image.new("P", (16, 16), 0)
    image.putpalette([0, 0, 0, 200, 10, 10] + [0] * 762)
    image.paste(1, (0, 0, 16, 8))
    result = pixels(encode(image, "PNG", transparency=bytes([51, 255])))
    assert (result[:8] == (200, 10, 10)).all()
    assert (result[8:] == 204).all()


@pytest.mark.parametrize("mode, clear", [("L", 0), ("RGB", (0, 0, 0)), ("1", 0)])
def test_the_one_transparent_colour_of_a_png_becomes_white(mode: str, clear: Any) -> None:
    image = Image.new(mode, (16, 16), clear)
    image.paste("white" if mode == "1" else "#808080", (0, 0, 16, 8))
    result = pixels(encode(image, "PNG", transparency=clear))
    assert (result[:8] == (255 if mode == "1" else 128)).all()
    assert (result[8:] == 255).all()


def assert_divided(result: np.ndarray, values: np.ndarray, top: int) -> None:
    """Within half a level of the exact quotient (one level where the decoder drops the lower byte)."""
    exact = values.astype(float) * 255 / top
    np.testing.assert_allclose(result.astype(float), np.repeat(exact[..., None], 3, axis=2), atol=0.51)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_divided_and_not_clipped(kind: str) -> None:
    assert_divided(pixels(encode(Image.fromarray(ramp16()), kind)), ramp16(), 65535)


def test_a_big_endian_sixteen_bit_tiff_is_read_in_its_own_byte_order() -> None:
    image = Image.frombytes("I;16B", (32, 32), ramp16().astype(">u2").tobytes())
    assert_divided(pixels(encode(image, "TIFF")), ramp16(), 65535)


def test_the_transparent_value_of_a_sixteen_bit_png_becomes_white() -> None:
    values = ramp16()
    clear = chunk(b"tRNS", struct.pack(">H", 640))
    data = png(32, 32, depth=16, colour=0, rows=values.astype(">u2").tobytes(), extra=clear)
    expected = np.where(values == 640, 65535, values)
    assert_divided(pixels(data), expected, 65535)


def test_sixteen_bit_colours_keep_their_high_byte() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (16, 16, 3), dtype=np.uint16)
    of_png = pixels(png(16, 16, depth=16, colour=2, rows=values.astype(">u2").tobytes()))
    of_tiff = pixels(tiff(16, 16, values.astype("<u2").tobytes(), bits=(16, 16, 16), photometric=2))
    np.testing.assert_array_equal(of_png, values >> 8)
    np.testing.assert_array_equal(of_tiff, values >> 8)


def test_sixteen_bit_grey_whose_zero_is_white_is_inverted() -> None:
    data = tiff(32, 32, ramp16().tobytes(), bits=(16,), photometric=0)
    assert_divided(pixels(data), 65535 - ramp16(), 65535)


def test_twelve_bit_grey_is_divided_by_its_own_range() -> None:
    values = np.arange(0, 4096, 4, dtype=np.uint16).reshape(32, 32)
    even, odd = values.reshape(-1, 2).T
    packed = np.stack([even >> 4, (even & 15) << 4 | odd >> 8, odd & 255], axis=1).astype(np.uint8)
    assert_divided(pixels(tiff(32, 32, packed.tobytes(), bits=(12,), photometric=1)), values, 4095)


@pytest.mark.parametrize("high, top", [(255, 255), (65535, 65535)])
def test_integers_of_32_bits_are_read_as_8_or_16_bit_values(high: int, top: int) -> None:
    values = np.linspace(0, high, 1024).astype(np.int32).reshape(32, 32)
    assert_divided(pixels(encode(Image.fromarray(values), "TIFF")), values, top)


@pytest.mark.parametrize("low, high", [(-1, 300), (0, 65536)])
def test_integers_of_an_unknown_range_are_refused_with_the_range(low: int, high: int) -> None:
    values = np.full((16, 16), low, np.int32)
    values[0, 0] = high
    assert_refused(encode(Image.fromarray(values), "TIFF"), f"integers from {low} to {high}: expected 0 to 65535")


def test_floats_from_zero_to_one_are_scaled() -> None:
    values = np.linspace(0, 1, 1024, dtype=np.float32).reshape(32, 32)
    assert_divided(pixels(encode(Image.fromarray(values), "TIFF")), values, 1)


def test_floats_whose_zero_is_white_are_inverted() -> None:
    values = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    data = tiff(16, 16, values.tobytes(), bits=(32,), photometric=0, sample_format=3)
    assert_divided(pixels(data), 1 - values, 1)


@pytest.mark.parametrize("odd, found", [(1.5, "0 to 1.5"), (-0.25, "-0.25 to 0"), (np.nan, "nan to nan")])
def test_floats_of_an_unknown_range_are_refused_with_the_range(odd: float, found: str) -> None:
    values = np.zeros((16, 16), np.float32)
    values[3, 3] = odd
    assert_refused(encode(Image.fromarray(values), "TIFF"), f"floats from {found}: expected 0 to 1")


def inks() -> np.ndarray:
    """Ink amounts in four patches of 16 x 16 pixels, shape (32, 32, 4)."""
    corners = np.array([[[200, 30, 10, 0], [0, 180, 90, 60]], [[20, 0, 210, 120], [0, 0, 0, 0]]], np.uint8)
    return corners.repeat(16, axis=0).repeat(16, axis=1)


def plainly(amounts: np.ndarray) -> np.ndarray:
    light = 255.0 - amounts
    return light[..., :3] * light[..., 3:] / 255


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile_is_converted_plainly(kind: str) -> None:
    image = Image.fromarray(inks(), "CMYK")
    data = encode(image, kind, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))
    np.testing.assert_allclose(pixels(data).astype(float), plainly(inks()), atol=4)


def test_ycck_of_adobe_is_turned_back_into_inks() -> None:
    amounts = inks()
    colours = np.asarray(Image.fromarray(amounts[..., :3]).convert("YCbCr"))
    stored = np.concatenate([255 - colours, amounts[..., 3:]], axis=2)
    data = encode(Image.fromarray(stored, "CMYK"), "JPEG", quality=100, subsampling=0)
    flag = data.index(b"Adobe") + 11
    assert data[flag] == 0
    ycck = data[:flag] + b"\x02" + data[flag + 1 :]
    np.testing.assert_allclose(pixels(ycck).astype(float), plainly(amounts), atol=5)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_with_a_profile_is_converted_by_it(kind: str) -> None:
    corners = np.full((2, 2, 2, 2, 3), 128, np.uint8)
    corners[..., 0] = 255
    corners[1, 0, 0, 0] = (136, 208, 195)  # cyan ink looks red in this profile: Lab 53.3, 80, 67
    corners[0, 0, 0, 1] = (128, 128, 128)  # black ink looks grey: Lab 50.2, 0, 0
    image = Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 16, 32, 32))
    data = encode(image, kind, icc_profile=cmyk_profile(corners))
    result = pixels(data).astype(int)
    np.testing.assert_allclose(result[4, 4], [255, 0, 0], atol=10)
    np.testing.assert_allclose(result[28, 4], [120, 120, 120], atol=2)


@pytest.mark.parametrize("profile", ["damaged", "of another kind"])
def test_a_profile_that_does_not_work_leaves_cmyk_to_the_plain_formula(profile: str) -> None:
    of_rgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encode(Image.fromarray(inks(), "CMYK"), "TIFF", icc_profile=b"\0" * 200 if profile == "damaged" else of_rgb)
    np.testing.assert_allclose(pixels(data).astype(float), plainly(inks()), atol=1)


def test_the_profile_of_an_rgb_picture_is_left_aside() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    np.testing.assert_array_equal(pixels(encode(patches(), "PNG", icc_profile=lab)), np.asarray(patches()))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF", "HEIF"])
def test_the_first_picture_of_an_animation_or_of_several_pages_is_taken(kind: str) -> None:
    first, second = Image.new("RGB", (64, 64), (200, 30, 30)), Image.new("RGB", (64, 64), (30, 30, 200))
    if kind == "HEIF":
        file = pillow_heif.from_pillow(first)
        file.add_from_pillow(second)
        buffer = io.BytesIO()
        file.save(buffer, quality=95)
        data = buffer.getvalue()
    else:
        data = encode(first, kind, save_all=True, append_images=[second])
    assert np.abs(pixels(data).astype(int) - (200, 30, 30)).max() <= 12


def test_a_gif_frame_beside_the_canvas_enlarges_it() -> None:
    data = bytearray(encode(Image.new("L", (32, 16), 90), "GIF"))
    data[6:10] = struct.pack("<HH", 16, 16)
    picture = decode(bytes(data))
    assert (picture.width, picture.height) == (32, 16)


# Reduced scale


@cache
def large_jpeg(width: int, height: int, orientation: int = 1) -> bytes:
    y, x = np.mgrid[:height, :width]
    colours = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256 // 2 + 60], axis=-1)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encode(Image.fromarray(colours.astype(np.uint8)), "JPEG", quality=90, exif=exif)


@given(st.integers(1, 600), st.sampled_from([(640, 480), (333, 777), (801, 200)]), st.sampled_from([1, 6]))
@settings(max_examples=60, deadline=None)
def test_a_reduced_jpeg_keeps_three_times_the_side_and_says_its_original_size(
    min_side: int, size: tuple[int, int], orientation: int
) -> None:
    picture = decode(large_jpeg(*size, orientation), min_side=min_side)
    upright = size if orientation == 1 else size[::-1]
    assert (picture.width, picture.height) == upright
    assert min(picture.image.size) >= min(3 * min_side, min(size))
    scale = picture.width / picture.image.width
    assert min(abs(scale - step) for step in (1, 2, 4, 8)) < 0.1
    assert abs(picture.height / scale - picture.image.height) <= 1
    assert scale > 7.9 or min(size) < 6.1 * min_side * scale


def test_a_format_that_cannot_be_reduced_is_decoded_whole() -> None:
    picture = decode(encode(patches(480, 320), "PNG"), min_side=16)
    assert picture.image.size == (480, 320)


def test_a_reduced_cmyk_jpeg_has_the_same_colours() -> None:
    amounts = inks().repeat(8, axis=0).repeat(8, axis=1)
    data = encode(Image.fromarray(amounts, "CMYK"), "JPEG", quality=100, subsampling=0)
    result = pixels(data, min_side=10)
    assert result.shape == (32, 32, 3)
    np.testing.assert_allclose(result.astype(float), plainly(inks()), atol=4)


def test_a_side_that_is_not_positive_is_refused() -> None:
    with pytest.raises(InputError, match="min_side is 0, expected a positive number of pixels"):
        decode(encode(patches(), "JPEG"), min_side=0)


def test_threads_that_decode_at_once_get_the_pixels_of_one() -> None:
    files = [encode(patches(), kind, **FORMATS[kind]) for kind in FORMATS] * 6
    expected = [pixels(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        for alone, together in zip(expected, pool.map(pixels, files), strict=True):
            np.testing.assert_array_equal(alone, together)


def test_decoding_leaves_the_settings_of_pillow_and_the_warning_filters_alone() -> None:
    before = (Image.MAX_IMAGE_PIXELS, "HEIF" in Image.OPEN, list(warnings.filters))
    decode(encode(patches(), "HEIF"))
    assert before == (Image.MAX_IMAGE_PIXELS, "HEIF" in Image.OPEN, list(warnings.filters))
