"""Rows as an Arrow stream: whether a request asks for one, and its answer, sent batch by batch."""

import io
from collections.abc import Iterator

import pyarrow as pa
from fastapi import Request
from fastapi.responses import StreamingResponse

from cladescope.app.service.paging import ARROW, ArrowPage

JSON = "application/json"
TOTAL_HEADER, NEXT_HEADER = "X-Cladescope-Total", "X-Cladescope-Next"
VARY = {"Vary": "Accept"}
"""Of an answer that comes in one of two forms."""


def wants_arrow(request: Request) -> bool:
    """Whether a request asks for Arrow by name, and not for JSON rather."""
    asked = _weights(",".join(request.headers.getlist("accept")))
    return asked.get(ARROW, 0.0) > 0 and asked[ARROW] >= asked.get(JSON, 0.0)


def streamed(page: ArrowPage) -> StreamingResponse:
    """A page as it is read. Where it breaks off, the last chunk is missing, and a client sees that it is not whole."""
    headers = {TOTAL_HEADER: str(page.total), **VARY}
    if page.next is not None:
        headers[NEXT_HEADER] = page.next
    return StreamingResponse(_parts(page), media_type=ARROW, headers=headers)


def _parts(page: ArrowPage) -> Iterator[bytes]:
    sink = _Sink()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), page.schema) as writer:
        for batch in page.batches:
            writer.write_batch(batch)
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """What is written, until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._parts.append(bytes(data))  # type: ignore[call-overload]
        return len(self._parts[-1])

    def taken(self) -> bytes:
        """All that was written since."""
        found, self._parts = b"".join(self._parts), []
        return found


def _weights(accept: str) -> dict[str, float]:
    """How much each form is wanted that an Accept header names; one whose weight cannot be read is not.

    >>> _weights("application/json;q=0.5, text/csv")
    {'application/json': 0.5, 'text/csv': 1.0}
    """
    found = {}
    for one in accept.split(","):
        form, *settings = (part.strip() for part in one.lower().split(";"))
        weight = next((part.removeprefix("q=") for part in settings if part.startswith("q=")), "1")
        try:
            found[form] = float(weight)
        except ValueError:
            found[form] = 0.0
    return found
