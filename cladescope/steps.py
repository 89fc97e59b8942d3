"""The steps of a long job, told to whoever listens, such as the command line; nothing happens where nobody does.

A step says what is done in words, how much there is where that is known, and how far it is. It changes no result.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class HasRows(Protocol):
    """A block of rows."""

    @property
    def num_rows(self) -> int:
        """How many there are."""
        ...


Rows = TypeVar("Rows", bound=HasRows)
Tell = Callable[[int], None]
"""Is told how much is done."""
Listener = Callable[[str, int | None], AbstractContextManager[Tell]]
"""Is told of a step in words, with how much there is to do (None: not known), and lasts as long as it does."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def step(words: str, total: int | None = None) -> Iterator[Tell]:
    """Tell that something is being done while the block runs; what comes is called with how much of `total` is done.

    >>> with step("laying out", total=2) as tell:
    ...     tell(1)
    """
    listener = _listener.get()
    if listener is None:
        yield _nothing
        return
    with listener(words, total) as tell:
        yield tell


def counted(items: Iterable[T], words: str, total: int | None = None) -> Iterator[T]:
    """The same items, one by one, as a step of which each is a part.

    >>> list(counted(["a", "b"], "looking at", 2))
    ['a', 'b']
    """
    with step(words, total) as tell:
        for done, item in enumerate(items, start=1):
            yield item
            tell(done)


def counted_rows(batches: Iterable[Rows], words: str, total: int | None = None) -> Iterator[Rows]:
    """The same blocks of rows, as a step that is told how many rows they have; `total` rows may be fewer than those read.

    >>> import pyarrow as pa
    >>> [batch.num_rows for batch in counted_rows([pa.table({"n": [1, 2]})], "reading", 2)]
    [2]
    """
    with step(words, total) as tell:
        done = 0
        for batch in batches:
            yield batch
            done += batch.num_rows
            tell(done if total is None else min(done, total))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have steps of this thread told to a listener.

    >>> from contextlib import nullcontext
    >>> heard = []
    >>> def listen(words, total):
    ...     heard.append((words, total))
    ...     return nullcontext(lambda done: None)
    >>> with listening(listen), step("laying out", 9):
    ...     pass
    >>> heard
    [('laying out', 9)]
    """
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def is_listened_to() -> bool:
    """Whether somebody wants to know how far jobs are.

    >>> is_listened_to()
    False
    """
    return _listener.get() is not None


def _nothing(done: int) -> None:
    """Nobody listens."""
