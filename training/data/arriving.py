"""Pictures as they arrive from shards that are read in order, kept until they are asked for."""

import threading
from contextlib import ExitStack
from types import TracebackType
from typing import BinaryIO

import numpy as np
from jaxtyping import Int, Int64

from cladescope.embedding.locations import open_location
from cladescope.errors import PictureError
from cladescope.training.data.columns import SpanColumn

_BLOCK_ROWS = 1024


class Arriving:
    """Threads that read shards from front to back, one for each that is read at once.

    Memory: at most `window` encoded pictures, and one a thread.
    """

    def __init__(
        self,
        spans: SpanColumn,
        read_order: Int[np.ndarray, " m"],
        shown_order: Int64[np.ndarray, " m"],
        *,
        n_processes: int,
        at_once: int,
        start: int,
        window: int,
    ) -> None:
        """`shown_order` are places in `read_order`, of which each is at most `window` - 1 before its turn; see `StreamedOrder`."""
        self._spans, self._read_order, self._shown_order = spans, read_order, shown_order
        self._n_processes, self._at_once, self._start, self._window = n_processes, at_once, start, window
        self._there: dict[int, bytes | PictureError] = {}
        self._n_taken = start
        self._changed = threading.Condition()
        self._closed = False
        self._failed: BaseException | None = None
        self._gone = np.zeros(len(read_order), bool)
        self._gone[shown_order[:start]] = True
        self._threads = [
            threading.Thread(target=self._run, args=(lane,), name=f"load-shards-{lane}", daemon=True)
            for lane in range(at_once)
        ]
        self.n_opened = 0
        """Shards that were opened so far, one again for each thread and stretch that reads of it."""

    def __enter__(self) -> "Arriving":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the threads; whoever waits for a picture gets a RuntimeError."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def take(self, position: int) -> bytes:
        """The encoded picture at a position of the epoch, once it has arrived; each may be taken once, in about this order.

        Raises PictureError if it cannot be read.
        """
        place = int(self._shown_order[position // self._n_processes])
        with self._changed:
            self._changed.wait_for(lambda: place in self._there or self._closed or self._failed is not None)
            if place not in self._there:
                raise RuntimeError(f"no picture at {position}: reading was stopped") from self._failed
            found = self._there.pop(place)
            self._n_taken += 1
            self._changed.notify_all()
        if isinstance(found, PictureError):
            raise found
        return found

    def _run(self, lane: int) -> None:
        try:
            self._read(lane)
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for a picture of this thread
            with self._changed:
                self._failed = error
                self._changed.notify_all()

    def _read(self, lane: int) -> None:
        places = np.arange(lane, len(self._read_order), self._at_once)
        places = places[~self._gone[places]]
        with ExitStack() as opened:
            shard, stream = "", None
            for first in range(0, len(places), _BLOCK_ROWS):
                block = places[first : first + _BLOCK_ROWS]
                spans = self._spans.take(self._read_order[block])
                for place, span in zip(block.tolist(), spans, strict=True):
                    if not self._wait_for_room(place):
                        return
                    assert span is not None
                    if span[0] != shard:
                        opened.close()
                        shard, stream = span[0], self._open(span[0], opened)
                    found = _content(stream, *span) if not isinstance(stream, PictureError) else stream
                    with self._changed:
                        self._there[place] = found
                        self._changed.notify_all()

    def _wait_for_room(self, place: int) -> bool:
        """Wait until a picture may be read; false where reading was stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or place <= self._n_taken + self._window)
            return not self._closed

    def _open(self, shard: str, opened: ExitStack) -> BinaryIO | PictureError:
        """A shard, or why it cannot be read."""
        self.n_opened += 1
        try:
            return opened.enter_context(open_location(shard, failure=PictureError))
        except PictureError as error:
            return error


def _content(stream: BinaryIO | None, shard: str, offset: int, size: int) -> bytes | PictureError:
    """The bytes of a picture, or why they are not there."""
    assert stream is not None
    try:
        stream.seek(offset)
        content = stream.read(size)
    except OSError as error:
        return PictureError(f"{shard} cannot be read: {error.strerror or error}")
    if len(content) < size:
        return PictureError(f"{shard} ends before byte {offset + size}: it has changed since it was indexed")
    return content
