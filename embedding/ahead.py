"""Work done ahead, in a thread of its own: what one stage makes waits for the next, in order, and no more of it than so many bytes."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Generic, TypeVar

from cladescope.embedding.stages import Meter

LEAVE_SECONDS = 2.0
"""How long threads are waited for that were told to end; one that hangs in a disk or a decoder is left behind."""
STOP_SECONDS = 0.1
"""How often one who waits looks whether to stop."""

Item = TypeVar("Item")


class Room:
    """Bytes that may wait between two stages; one thing may always, however large.

    >>> room = Room(10)
    >>> room.enter(25), room.n_bytes
    (True, 25)
    """

    def __init__(self, most_bytes: int) -> None:
        """Nothing waits yet."""
        self.n_bytes = 0
        self._most = most_bytes
        self._is_closed = False
        self._changed = threading.Condition()

    def enter(self, n_bytes: int) -> bool:
        """Wait until so many bytes fit, or nothing else is there; False where the room was closed."""
        with self._changed:
            while self.n_bytes and self.n_bytes + n_bytes > self._most and not self._is_closed:
                self._changed.wait()
            self.n_bytes += n_bytes
            return not self._is_closed

    def leave(self, n_bytes: int) -> None:
        """So many bytes wait no more."""
        with self._changed:
            self.n_bytes -= n_bytes
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more is wanted: whoever waits goes."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


class _Belt(Generic[Item]):
    """What is ready, in order, with the end or the error that comes after it."""

    def __init__(self, most_bytes: int) -> None:
        self.room = Room(most_bytes)
        self._ready: deque[tuple[Item, int]] = deque()
        self._has_ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, item: Item, n_bytes: int) -> bool:
        """Add an item when there is room; whether more is wanted."""
        if not self.room.enter(n_bytes):
            return False
        with self._changed:
            self._ready.append((item, n_bytes))
            self._changed.notify()
        return True

    def end(self, error: BaseException | None = None) -> None:
        with self._changed:
            self._has_ended, self._error = True, error
            self._changed.notify()

    def items(self, stop: threading.Event | None, meanwhile: Callable[[], None] | None) -> Iterator[Item]:
        """Every item, then the error if there was one; nothing more once `stop` is set. `meanwhile` is called while none is ready."""
        patience = None if stop is None and meanwhile is None else STOP_SECONDS
        while True:
            with self._changed:
                if not (self._ready or self._has_ended or (stop is not None and stop.is_set())):
                    self._changed.wait(patience)
                if stop is not None and stop.is_set():
                    return
                if self._has_ended and not self._ready:
                    if self._error is not None:
                        raise self._error
                    return
                found = self._ready.popleft() if self._ready else None
            if found is None:
                if meanwhile is not None:
                    meanwhile()
                continue
            item, n_bytes = found
            del found
            self.room.leave(n_bytes)
            yield item
            del item  # only the consumer may hold it


def ahead(
    items: Iterable[Item],
    *,
    size: Callable[[Item], int],
    most_bytes: int,
    name: str,
    meter: Meter | None = None,
    stop: threading.Event | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Generator[Item, None, None]:
    """The items, made in a thread called `name`, in the same order; an error comes after what was made before it.

    At most `most_bytes` of them wait, by their `size`, or a single one, and another is in the thread's hands. `meter` counts
    how long the thread waits for room. Once `stop` is set nothing more comes. `meanwhile` is called again and
    again by the caller's thread while it waits. At the end, and
    when the caller leaves early, the thread is waited for `LEAVE_SECONDS`; it ends when it has made what it is making.

    >>> list(ahead(range(3), size=lambda number: 8, most_bytes=16, name="numbers"))
    [0, 1, 2]
    """
    belt: _Belt[Item] = _Belt(most_bytes)
    thread = threading.Thread(target=_fill, args=(items, size, belt, meter or Meter()), name=name, daemon=True)
    thread.start()
    try:
        yield from belt.items(stop, meanwhile)
    finally:
        belt.room.close()
        thread.join(LEAVE_SECONDS)


def _fill(items: Iterable[Item], size: Callable[[Item], int], belt: _Belt[Item], meter: Meter) -> None:
    made = iter(items)
    try:
        for item in made:
            with meter.blocked():
                is_wanted = belt.put(item, size(item))
            del item  # only the belt may hold it
            if not is_wanted:
                break
        if isinstance(made, Generator):
            made.close()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the caller's
        belt.end(error)
    else:
        belt.end()
