"""Text that is compressed with gzip, read as if it were not."""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from cladescope.delimited.encoding import ByteStream, Opener
from cladescope.errors import InputError

MAGIC = b"\x1f\x8b"


def unpacked(place: str, opener: Opener) -> Opener:
    """What opens the text itself, of a file that is compressed by its first bytes; any other file is opened as it is.

    The opened stream raises InputError where what was compressed is damaged or cut off. `place` names the file in messages.

    >>> from contextlib import nullcontext
    >>> with unpacked("t.csv.gz", lambda: nullcontext(io.BytesIO(gzip.compress(b"file"))))() as stream:
    ...     stream.read(9)
    b'file'
    """
    with opener() as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            return opener

    @contextmanager
    def opened() -> Iterator[ByteStream]:
        with opener() as stream:
            try:
                with _plain(stream) as text:
                    yield text
            except (OSError, EOFError, zlib.error) as error:
                words = " ".join(str(error).split())[:100]
                raise InputError(f"{place} is no whole gzip file ({words}): download or pack it again") from error

    return opened


def native(stream: ByteStream) -> pa.NativeFile | None:
    """A stream that Arrow reads without Python, as `unpacked` gives it for files of this machine; None for any other."""
    return stream if isinstance(stream, pa.NativeFile) else None


def _plain(stream: ByteStream) -> ByteStream:
    raw = stream.raw if isinstance(stream, io.BufferedReader) else None
    if isinstance(raw, io.FileIO) and not isinstance(raw.name, int):
        return pa.CompressedInputStream(pa.OSFile(os.fspath(raw.name)), "gzip")
    return gzip.GzipFile(fileobj=stream)
