"""Delimited text whose columns are known by their places, whatever its own header says, if it has one."""

import codecs
import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from cladescope.delimited import DelimitedText, Dialect
from cladescope.delimited.encoding import LINE_BYTES, ByteStream, Opener, recoded
from cladescope.errors import InputError


def numbered_text(
    place: str, opener: Opener, dialect: Dialect, *, codec: str | None, header_lines: int
) -> DelimitedText:
    """A text of a known dialect whose columns are called `0`, `1`, ...; the last of its header lines is passed over.

    `codec` is that of Python for another encoding than UTF-8. Lines keep their numbers.

    Raises InputError as `DelimitedText` does.

    >>> from contextlib import nullcontext
    >>> dialect = Dialect(";", quoted=True, skipped=-1)
    >>> text = numbered_text("t.csv", lambda: nullcontext(io.BytesIO(b"a;b\\n")), dialect, codec=None, header_lines=0)
    >>> next(text.batches()).to_pylist()
    [{'0': 'a', '1': 'b'}]
    """
    with _decoded(opener, codec) as stream:
        lines = [_line(stream, place) for _ in range(max(1, header_lines))]
    if not lines[-1].strip():
        what = f"no header on line {len(lines)}" if header_lines else "no rows"
        raise InputError(f"{place} has {what}: expected one row a line; download or write the archive again")
    style: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
    csv.field_size_limit(max(csv.field_size_limit(), LINE_BYTES))
    first = lines[-1].decode("utf-8", "replace").strip("\r\n")
    width = len(next(csv.reader([first], delimiter=dialect.delimiter, quoting=style)))
    numbers = dialect.delimiter.join(map(str, range(width))).encode() + b"\n"

    @contextmanager
    def numbered() -> Iterator[ByteStream]:
        with _decoded(opener, codec) as stream:
            for _ in range(header_lines):
                stream.readline()
            blank = b"\n" * (header_lines - 1)  # blank lines are no rows, and count as lines
            yield io.BufferedReader(_After(blank + numbers, stream), 2**20)

    return DelimitedText(place, numbered, dialect=dialect)


@contextmanager
def _decoded(opener: Opener, codec: str | None) -> Iterator[ByteStream]:
    """The text without a mark at its start, as UTF-8 where it is of another encoding that is known."""
    with opener() as stream:
        start = stream.read(4)
        stream.seek(0)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            codec = "utf-16"
        if start.startswith(codecs.BOM_UTF8):
            stream.seek(len(codecs.BOM_UTF8))
        yield stream if codec is None else recoded(stream, codec)


def _line(stream: ByteStream, place: str) -> bytes:
    line: bytes = stream.readline(LINE_BYTES + 1)
    if len(line) > LINE_BYTES:
        raise InputError(f"the first line of {place} is longer than {LINE_BYTES // 2**20} MiB: expected one row a line")
    return line


class _After(io.RawIOBase):
    """Some bytes, then a stream."""

    def __init__(self, head: bytes, stream: ByteStream) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            n = min(len(buffer), len(self._head))
            buffer[:n], self._head = self._head[:n], self._head[n:]
            return n
        return int(self._stream.readinto(buffer) or 0)
