"""Texts in a PNG, however large, do not keep its pixels from being read."""

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import PngImagePlugin

from cladescope.embedding import png_texts
from cladescope.embedding.decode import decode
from cladescope.embedding.png_texts import MAX_TEXT_BYTES, without_large_texts
from tests.embedding.encoding import chunk, encode, patches, pixels, png

LARGE = "x" * (MAX_TEXT_BYTES + 1)


def with_text(kind: str, text: str) -> bytes:
    texts = PngImagePlugin.PngInfo()
    if kind.startswith("iTXt"):
        texts.add_itxt("XML:com.adobe.xmp", text, zip=kind == "iTXt packed")
    else:
        texts.add_text("Comment", text, zip=kind == "zTXt")
    buffer = io.BytesIO()
    patches().save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "iTXt packed"])
def test_a_png_with_a_large_text_is_the_same_picture_as_without(kind: str) -> None:
    assert (pixels(with_text(kind, LARGE)) == pixels(encode(patches(), "PNG"))).all()


def test_a_png_with_many_texts_that_are_large_together_is_a_picture() -> None:
    body = b"".join(chunk(b"tEXt", b"Comment\0" + b"y" * 2**20) for _ in range(70))
    data = png(16, 16, depth=8, colour=0, rows=bytes(256), extra=body)
    assert decode(data).image.size == (16, 16)


def test_a_large_packed_profile_is_passed_over() -> None:
    profile = chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(3 * MAX_TEXT_BYTES)))
    assert decode(png(16, 16, depth=8, colour=0, rows=bytes(256), extra=profile)).image.size == (16, 16)


def test_small_texts_stay_and_with_them_the_orientation() -> None:
    data = with_text("iTXt", '<x tiff:Orientation="6"/>')
    assert without_large_texts(data) is data
    assert decode(data).image.size == (32, 48)


@given(st.binary(max_size=60), st.integers(0, 300))
@settings(deadline=None)
def test_what_is_no_sound_png_comes_back_as_it_is(noise: bytes, cut: int) -> None:
    assert without_large_texts(noise) == noise
    whole = encode(patches(), "PNG")[:cut] + noise
    assert without_large_texts(whole) == whole


def test_a_chunk_that_claims_more_than_there_is_ends_the_reading() -> None:
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**31) + b"tEXt" + bytes(20)
    assert without_large_texts(data) == data


def test_many_packed_texts_are_not_all_unpacked_to_learn_that_they_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unpacked: list[bytes] = []
    look = png_texts._unpacked_bytes

    def noting(kind: bytes, body: bytes) -> int:
        unpacked.append(kind)
        return look(kind, body)

    monkeypatch.setattr(png_texts, "_unpacked_bytes", noting)
    text = b"Comment\0\0" + zlib.compress(bytes(MAX_TEXT_BYTES))
    data = png(16, 16, depth=8, colour=0, rows=bytes(256), extra=chunk(b"zTXt", text) * 200)
    assert decode(data).image.size == (16, 16)
    assert len(unpacked) < 40
