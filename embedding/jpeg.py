"""What a plain JPEG says of itself before its pixels, read without Pillow; of all other files nothing is said."""

from collections.abc import Iterator
from dataclasses import dataclass

from cladescope.embedding.bounds import MAX_SEGMENTS, SCAN_END

_START_OF_SCAN = 0xDA
_FRAMES = (0xC0, 0xC1, 0xC2)
"""Frames of 8 bits and Huffman codes: baseline, extended and progressive."""
_NOTES = (0xE1, 0xE2, 0xED)
"""EXIF and XMP, colour profiles and further pictures, IPTC: Pillow reads them."""
_PIECES = frozenset({*_FRAMES, 0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})
"""What may stand before the pixels: frames, tables, intervals, comments and applications."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a plain JPEG says of itself before its pixels."""

    width: int
    height: int
    n_colours: int
    """1 or 3."""
    is_one_scan: bool
    """Whether the first scan holds all of it, so that its decoder reads no other."""
    has_notes: bool
    """Whether there are pieces that may turn or describe the picture."""


def frame_of(data: bytes) -> Frame | None:
    r"""The frame of a JPEG whose pieces all have their place, up to its pixels; None for any other data.

    >>> frame_of(b"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x20\1\1\x11\0\xff\xda\0\x08\1")
    Frame(width=32, height=16, n_colours=1, is_one_scan=True, has_notes=False)
    >>> frame_of(b"\xff\xd8\xff\xda") is None
    True
    """
    frame, has_notes = None, False
    for marker, start, stop in _pieces(data):
        if marker == _START_OF_SCAN:
            if frame is None:
                return None
            width, height, n_colours, is_progressive = frame
            return Frame(
                width,
                height,
                n_colours,
                not is_progressive and data[start + 4 : start + 5] == bytes([n_colours]),
                has_notes,
            )
        has_notes |= marker in _NOTES
        if marker in _FRAMES:
            n_colours = data[start + 5] if stop - start > 5 else 0
            if frame is not None or n_colours not in (1, 3) or data[start] != 8 or stop - start != 6 + 3 * n_colours:
                return None
            height, width = (int.from_bytes(data[place : place + 2], "big") for place in (start + 1, start + 3))
            frame = (width, height, n_colours, marker == 0xC2)
    return None


def has_whole_scan(data: bytes) -> bool:
    """Whether nothing but restarts stands between a JPEG's first scan and the mark of its end, so that no pixels were cut off."""
    scan = next((start for marker, start, _ in _pieces(data) if marker == _START_OF_SCAN), None)
    found = None if scan is None else SCAN_END.search(data, scan + 2)
    return found is not None and found[1] == b"\xd9"


def _pieces(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Markers with the place of what they hold, as far as they follow each other; ends with the first scan."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        head = data[at : at + 4]
        if head[:2] == b"\xff\xda":
            yield _START_OF_SCAN, at, at
            return
        stop = at + 2 + int.from_bytes(head[2:], "big")
        if len(head) < 4 or head[0] != 0xFF or head[1] not in _PIECES or not at + 4 <= stop <= len(data):
            return
        yield head[1], at + 4, stop
        at = stop
