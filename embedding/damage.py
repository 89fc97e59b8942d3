"""What decoders raise on damaged data, and what to say of it in one line."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from cladescope.errors import PictureError

# What Pillow and pillow_heif raise on damaged data: their parsers index, unpack, divide by and assert on what
# they read, and name the error after the accident. Warning is there for callers who make errors of warnings.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    Image.DecompressionBombError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    struct.error,
    zlib.error,
)


@contextmanager
def damage_refused(kind: str, data: bytes) -> Iterator[None]:
    """Turn what the decoders raise on damaged data into a PictureError that says so."""
    try:
        yield
    except PictureError:
        raise
    except DAMAGE as error:
        text = " ".join(str(error).split())[:160] or type(error).__name__
        if isinstance(error, MemoryError):
            reason = f"not enough memory to decode this {kind}"
        elif isinstance(error, Image.DecompressionBombError):
            reason = f"too large: {text}"
        elif _ends_early(kind, data) or any(sign in text.lower() for sign in ("truncated", "end of file")):
            reason = f"truncated: the {kind} data ends early ({text})"
        else:
            reason = f"cannot be decoded: {kind} data damaged or of a kind that is not read ({text})"
        raise PictureError(reason) from error


def _ends_early(kind: str, data: bytes) -> bool:
    """Whether the data stops before what it announces, or lacks the mark that ends a file of this kind."""
    if kind == "WebP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if kind in ("HEIF", "AVIF"):
        at = 0
        while at < len(data) and (length := int.from_bytes(data[at : at + 4], "big")) >= 8:
            at += length
        return at > len(data)
    mark = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}.get(kind)
    return mark is not None and mark not in data
