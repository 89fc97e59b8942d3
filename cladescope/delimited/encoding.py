"""The encoding of a text file, found from all of its bytes: UTF-8 with or without a mark, UTF-16, or Windows's cp1252."""

import codecs
import io
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

from cladescope.errors import InputError

ByteStream: TypeAlias = Any
"""What `read`s bytes: an open file, or what fsspec makes of one."""

logger = logging.getLogger(__name__)

Opener: TypeAlias = Callable[[], AbstractContextManager[ByteStream]]
"""Opens the file anew, to read its bytes."""

LINE_BYTES = 2**22
"""No row may be longer."""
_BLOCK = 2**19
_NO_TEXT = {b"PK\x03\x04": "a zip archive or a spreadsheet", b"\x1f\x8b": "compressed with gzip", b"PAR1": "Parquet"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file's bytes are read as text."""

    codec: str
    """Name of Python's codec."""
    has_quotes: bool
    """Whether a double quote is anywhere in the file."""
    n_bytes: int
    """Length of the file."""
    notice: str | None = None
    """What was assumed, where the file does not say it."""


def find_encoding(place: str, opener: Opener) -> Encoding:
    """Read a file once and say how its bytes are text; memory is a few blocks of 512 KiB.

    A mark at its start decides; without one it is UTF-8 if all of it can be, else cp1252 if nothing in it looks like UTF-8.

    Raises InputError for an empty file, one that is no text, one cut off inside a character, one that mixes encodings, and a
    line of more than `LINE_BYTES`.
    """
    with opener() as stream:
        block = stream.read(_BLOCK)
        if not block:
            raise InputError(f"{place} is empty: expected a header and rows")
        codec = _codec_at_start(place, block)
        decoder: Any = codecs.getincrementaldecoder(codec)("surrogateescape" if codec == "utf-8-sig" else "strict")
        bad: int | None = None
        offset = since_line = 0
        quotes = wide = False
        while block:
            quotes = quotes or b'"' in block
            if codec == "utf-8-sig" and offset and bad is None and (read := _plain_utf8(decoder, block)) is not None:
                wide = wide or read
            else:
                waiting = len(decoder.getstate()[0])
                text = _decoded(place, decoder, block, offset)
                if bad is None and (lone := _first_escaped(text)) is not None:
                    marked = len(codecs.BOM_UTF8) if not offset and block.startswith(codecs.BOM_UTF8) else 0
                    bad = offset - waiting + marked + len(text[:lone].encode())
                wide = wide or any(mark > "\x7f" and not "\udc80" <= mark <= "\udcff" for mark in set(text))
            end = max(block.rfind(b"\n"), block.rfind(b"\r"))
            since_line = since_line + len(block) if end < 0 else len(block) - end
            if since_line > LINE_BYTES:
                raise InputError(
                    f"line {_n_lines(opener, offset + len(block)) + 1} of {place} is longer than {LINE_BYTES // 2**20} MiB: "
                    "expected one row a line; look for a line end that is missing or a quote that is not closed"
                )
            offset += len(block)
            block = stream.read(_BLOCK)
        rest = _decoded(place, decoder, b"", offset, final=True)
    if bad is None and _first_escaped(rest) is not None:
        bad = offset - 1
    if bad is None:
        return Encoding(codec, quotes, offset)
    if wide:
        raise InputError(
            f"{place} is not UTF-8 though parts of it are: look at the byte at offset {bad}, save it again"
        )
    return _windows(place, opener, bad, quotes, offset)


def read_text(place: str, opener: Opener) -> str:
    """A small text without its mark, whatever its encoding; raises InputError as `find_encoding` does."""
    found = find_encoding(place, opener)
    if found.notice:
        logger.warning("%s", found.notice)
    with opener() as stream:
        return str(stream.read().decode(found.codec))


def recoded(stream: ByteStream, codec: str) -> io.BufferedReader:
    """A stream of bytes as UTF-8 without a mark, whatever its encoding.

    >>> recoded(io.BytesIO("a,é".encode("utf-16")), "utf-16").read().decode()
    'a,é'
    """
    return io.BufferedReader(_Recoded(stream, codec), 2**18)


def _plain_utf8(decoder: Any, block: bytes) -> bool | None:
    """Whether a block holds more than ASCII, where it is UTF-8 as it stands, else None; `decoder` keeps what it ends with."""
    waiting, state = decoder.getstate()
    if not waiting and block.isascii():
        return False
    whole = waiting + block if waiting else block
    n_whole = _whole_characters(whole)
    ends = pa.array([0, n_whole], pa.int32()).buffers()[1]
    bytes_alone = pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(whole)])
    try:
        bytes_alone.cast(pa.string())  # checks them, several times faster than decoding
    except pa.ArrowInvalid:
        return None
    decoder.setstate((whole[n_whole:], state))
    return not whole[:n_whole].isascii()


def _whole_characters(text: bytes) -> int:
    r"""Bytes of a text without the UTF-8 character that its end cuts off.

    >>> _whole_characters("é".encode()), _whole_characters("aé".encode()[:2])
    (2, 1)
    """
    for n_behind in range(1, min(4, len(text) + 1)):
        mark = text[-n_behind]
        if mark >= 0xC0:
            n_bytes = 2 if mark < 0xE0 else 3 if mark < 0xF0 else 4
            return len(text) - n_behind if n_behind < n_bytes else len(text)
        if mark < 0x80:
            break
    return len(text)


def _n_lines(opener: Opener, n_bytes: int) -> int:
    """Line ends in the first bytes of a file."""
    n_lines = 0
    with opener() as stream:
        while n_bytes > 0 and (block := stream.read(min(_BLOCK, n_bytes))):
            n_lines += block.count(b"\n")
            n_bytes -= len(block)
    return n_lines


def _codec_at_start(place: str, block: bytes) -> str:
    for mark, kind in _NO_TEXT.items():
        if block.startswith(mark):
            raise InputError(f"{place} is {kind}, not text: save it as CSV")
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = block[:4096]
    n_zero = head.count(0)
    if n_zero:
        for first, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
            if head[first::2].count(0) == n_zero and n_zero > len(head) // 5:
                return codec
        raise InputError(f"{place} is not text, it holds bytes that are zero: save it as CSV")
    return "utf-8-sig"


def _decoded(place: str, decoder: Any, block: bytes, offset: int, *, final: bool = False) -> str:
    try:
        text: str = decoder.decode(block, final)
    except UnicodeDecodeError as error:
        end = offset + len(block)
        where = f"is cut off inside a character at offset {end}" if final else f"is damaged before offset {end}"
        raise InputError(f"{place} {where}: its text is UTF-16; save it again as UTF-8") from error
    return text


def _first_escaped(text: str) -> int | None:
    """Place of the first byte that was no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def _windows(place: str, opener: Opener, bad: int, quotes: bool, n_bytes: int) -> Encoding:
    decoder = codecs.getincrementaldecoder("cp1252")()
    with opener() as stream:
        while block := stream.read(_BLOCK):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{place} is neither UTF-8 (byte at offset {bad}) nor cp1252: save it as UTF-8 "
                    "(in a spreadsheet: 'CSV UTF-8')"
                ) from error
    notice = f"{place} is not UTF-8 (byte at offset {bad}): it is read as cp1252 of Windows"
    return Encoding("cp1252", quotes, n_bytes, notice)


class _Recoded(io.RawIOBase):
    def __init__(self, stream: ByteStream, codec: str) -> None:
        self._stream = stream
        self._decoder: Any = codecs.getincrementaldecoder(codec)()
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            block = self._stream.read(2**18)
            self._waiting = self._decoder.decode(block, not block).encode()
            if not block and not self._waiting:
                return 0
        n = min(len(buffer), len(self._waiting))
        buffer[:n], self._waiting = self._waiting[:n], self._waiting[n:]
        return n
