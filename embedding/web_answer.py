"""What a server answers: its body, whole or as it comes, within limits of size and time; and why there is none."""

import email.utils
import io
import time
from typing import Any

import urllib3

from cladescope.embedding.bounds import MAX_FILE_BYTES, too_large
from cladescope.errors import PictureError

MAX_SECONDS = 300.0
"""Longest time in seconds from the start of an answer to the last byte of a picture."""
SLOW_SECONDS, SLOW_BYTES = 60.0, 2**16
"""An answer that is read as it comes may bring no fewer bytes in so many seconds."""
_BLOCK_BYTES = 2**18
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body")

_REFUSALS = {
    401: "refused, it wants a login (401)",
    403: "refused (403): the server does not give it to this program; name yourself as the contact",
    404: "no such file (404)",
    410: "gone (410): it was removed",
    451: "refused for legal reasons (451)",
}
BUSY = frozenset({429, 500, 502, 503, 504})


def whole_body(answer: urllib3.BaseHTTPResponse) -> bytes:
    """The whole content of an answer.

    Raises PictureError where it is too large, too slow or a web page, urllib3's errors where it is cut off.
    """
    announced = answer.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > MAX_FILE_BYTES:
        answer.close()
        raise PictureError(too_large(int(announced)))
    content, started = bytearray(), time.monotonic()
    while block := answer.read1(_BLOCK_BYTES, decode_content=True):
        content += block
        if len(content) > MAX_FILE_BYTES or time.monotonic() - started > MAX_SECONDS:
            answer.close()
            large = len(content) > MAX_FILE_BYTES
            raise PictureError(too_large(len(content)) if large else f"took more than {MAX_SECONDS:.0f} s to come")
    refuse_page(bytes(content[:256]))
    answer.release_conn()
    return bytes(content)


class Body(io.RawIOBase):
    """The content of an answer as it comes; a server that is too slow is an error."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        """Nothing is read yet."""
        self._answer = answer
        self._since, self._n_bytes = time.monotonic(), 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes; 0 at the end."""
        try:
            block = self._answer.read1(len(buffer), decode_content=True)
        except urllib3.exceptions.HTTPError as error:
            raise OSError(f"the answer breaks off: {words_of(error)}") from error
        buffer[: len(block)] = block
        self._n_bytes += len(block)
        passed = time.monotonic() - self._since
        if block and passed > SLOW_SECONDS:
            if self._n_bytes < SLOW_BYTES:
                raise PictureError(f"brought {self._n_bytes} bytes in {passed:.0f} s: too slow")
            self._since, self._n_bytes = time.monotonic(), 0
        return len(block)


def refuse_page(start: bytes) -> None:
    """Raises PictureError where content begins as a web page does, as servers send in place of a file that wants a login."""
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGES):
        raise PictureError("the server gives a web page in place of the file: it may want a login, or have moved it")


def refusal_of(status: int, tries: int) -> str:
    """Why a status other than success is a failure, after so many tries."""
    if status in BUSY:
        what = "too many requests" if status == 429 else "the server is out of order"
        return f"{what} ({status}), asked {tries} times"
    return _REFUSALS.get(status, f"the server answers {status}")


def retry_after(header: str | None) -> float:
    """Seconds that a server asks to wait, given as such or as a date; 0 where it says nothing that can be read.

    >>> retry_after("120"), retry_after("soon"), retry_after("Thu, 01 Jan 1970 00:00:00 GMT")
    (120.0, 0.0, 0.0)
    """
    if header is None:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def words_of(error: Exception) -> str:
    """One line on a connection that failed, without the objects that urllib3 names."""
    text = " ".join(str(error).split())
    return (text.rpartition(">: ")[2] or text)[:200] or type(error).__name__
