"""A plain JPEG says what it is before its pixels; nothing is said of what is not plain."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cladescope.embedding.jpeg import Frame, frame_of
from tests.embedding.encoding import ORIENTATION, encode, patches


@pytest.mark.parametrize("mode, n_colours", [("RGB", 3), ("L", 1)])
@pytest.mark.parametrize("is_progressive", [False, True])
def test_a_plain_jpeg_says_its_size_colours_and_passes(mode: str, n_colours: int, is_progressive: bool) -> None:
    data = encode(patches().convert(mode), "JPEG", progressive=is_progressive, comment=b"by hand")
    assert frame_of(data) == Frame(48, 32, n_colours, not is_progressive, False)


def test_exif_and_a_profile_are_seen() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    for options in ({"exif": exif}, {"icc_profile": bytes(200)}, {"xmp": b"<x/>"}):
        frame = frame_of(encode(patches(), "JPEG", **options))
        assert frame is not None
        assert frame.has_notes


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "BMP"])
def test_other_files_say_nothing(kind: str) -> None:
    assert frame_of(encode(patches(), kind)) is None


def test_four_inks_twelve_bits_and_other_frames_say_nothing() -> None:
    assert frame_of(encode(patches().convert("CMYK"), "JPEG")) is None
    data = encode(patches(), "JPEG")
    at = data.index(b"\xff\xc0")
    assert frame_of(data[: at + 4] + b"\x0c" + data[at + 5 :]) is None  # bits
    for marker in (0xC3, 0xC5, 0xC9, 0xCA, 0xCF, 0xD0, 0xD8, 0xDC):
        assert frame_of(data[: at + 1] + bytes([marker]) + data[at + 2 :]) is None
    twice = data[:at] + data[at : at + 19] + data[at:]
    assert frame_of(twice) is None


def test_bytes_between_two_pieces_say_nothing() -> None:
    data = encode(patches(), "JPEG")
    at = data.index(b"\xff\xdb")
    for between in (b"\0", b"\xff", b"\xff\0"):
        assert frame_of(data[:at] + between + data[at:]) is None


@given(st.integers(0, 700))
@settings(deadline=None)
def test_a_jpeg_cut_before_its_pixels_says_nothing(length: int) -> None:
    data = encode(patches(), "JPEG")
    start = data.index(b"\xff\xda")
    assert (frame_of(data[:length]) is None) == (length < start + 2)


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_any_bytes_say_something_or_nothing(rest: bytes) -> None:
    found = frame_of(b"\xff\xd8\xff" + rest)
    assert found is None or found.n_colours in (1, 3)
