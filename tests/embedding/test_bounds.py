"""Limits on the time and the memory of one picture."""

import struct
import subprocess
import sys
import zlib

import pytest

from cladescope.embedding import bounds
from cladescope.embedding.decode import decode
from cladescope.errors import PictureError
from tests.conftest import REPOSITORY
from tests.embedding.encoding import assert_refused, chunk, encode, patches, pixels


def progressive(n_more: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = encode(patches(480, 320), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * n_more + data[-2:]


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_decoded() -> None:
    assert_refused(progressive(20_000), "101 or more scans: a JPEG may have 100")
    assert decode(progressive(0)).image.size == (480, 320)


def test_scans_of_a_large_picture_count_by_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_SCANNED_PIXELS", 8 * 480 * 320)
    assert_refused(progressive(0), "480 x 320 pixels in 10 scans: too large")


def test_marks_of_scans_in_a_thumbnail_or_behind_the_end_are_no_scans() -> None:
    data = encode(patches(), "JPEG")
    comment = b"\xff\xda" * 200
    segment = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
    plain = pixels(data)
    assert (pixels(data[:2] + segment + data[2:]) == plain).all()
    assert (pixels(data + b"\xff\xda" * 500) == plain).all()


def test_files_of_endless_pieces_are_refused_at_once() -> None:
    jpeg = encode(patches(), "JPEG")
    assert_refused(jpeg[:2] + b"\xff\xfe\0\2" * 50_000 + jpeg[2:], "more than 20000 pieces before its pixels")
    gif = encode(patches(), "GIF")
    assert_refused(gif[:6] + b"\x20\0\x20\0\0\0\0" + bytes(2**21), "no frame among the first million blocks")
    png = encode(patches(), "PNG")
    assert_refused(png[:33] + chunk(b"abCd", b"") * 500_001 + png[33:], "more than 500000 chunks")


def test_kinds_that_take_more_memory_may_have_fewer_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "DECODE_BYTES", 16 * 480 * 320)
    for kind in ("PNG", "JPEG", "WEBP", "BMP"):
        assert decode(encode(patches(480, 320), kind)).image.size == (480, 320)
    for kind, image in (("JPEG2000", patches(480, 320)), ("WEBP", patches(480, 320).convert("RGBA"))):
        image.putpixel((0, 0), 0 if image.mode == "RGB" else (0, 0, 0, 0))
        with pytest.raises(PictureError, match="480 x 320 pixels: too large"):
            decode(encode(image, kind))


def test_the_stated_bytes_a_pixel_hold_for_a_webp() -> None:
    code = (
        "import io, resource; from PIL import Image; from cladescope.embedding.decode import decode\n"
        "buffer = io.BytesIO(); Image.new('L', (3000, 2000), 'white').convert('RGB').save(buffer, 'WEBP')\n"
        "small = io.BytesIO(); Image.new('RGB', (30, 20)).save(small, 'WEBP'); decode(small.getvalue())\n"
        "before = open('/proc/self/clear_refs', 'w').write('5')\n"
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) * 1024\n"
        "start = peak(); decode(buffer.getvalue()); print((peak() - start) / 6e6)"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, cwd=REPOSITORY, text=True)
    if done.returncode:
        pytest.skip("this system does not tell a process's peak memory")
    assert float(done.stdout) < 21


def test_a_webp_of_one_colour_cannot_take_all_memory() -> None:
    # written by hand: a lossless picture of 16,000 x 11,000 pixels needs no more than its header to be judged
    head = b"\x2f" + struct.pack("<I", (16_000 - 1) | (11_000 - 1) << 14)
    body = head + zlib.compress(b"")
    riff = b"WEBPVP8L" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    assert_refused(b"RIFF" + struct.pack("<I", len(riff)) + riff, "16000 x 11000 pixels: too large (at most 134217728")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("is_big", [False, True])
def test_a_tiff_of_too_many_tags_is_refused_by_its_head(order: str, is_big: bool) -> None:
    mark = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 43 if is_big else 42)
    head = struct.pack(f"{order}HHQQ", 8, 0, 16, 5000) if is_big else struct.pack(f"{order}IH", 8, 5000)
    with pytest.raises(PictureError, match="5000 tags: a TIFF may have 4096"):
        decode(mark + head + bytes(5000 * 20))
