"""A text in pieces of whole rows, and threads that work at several pieces at the same time."""

import codecs
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from cladescope.delimited.encoding import LINE_BYTES, ByteStream

PIECE_BYTES = 2**19
"""Usual length of a piece: small enough to stay in a core's cache, where one pass follows the other."""
WORKERS = min(4, os.cpu_count() or 1)

Item = TypeVar("Item")
Result = TypeVar("Result")


def row_pieces(stream: ByteStream, *, quoted: bool) -> Iterator[memoryview]:
    r"""The bytes of a text without its mark, cut behind line ends; with `quoted` behind those that stand outside quotes.

    A piece has `PIECE_BYTES`, or more where a row has; one of more than `LINE_BYTES` without such an end is cut anywhere.

    >>> import io
    >>> [bytes(piece) for piece in row_pieces(io.BytesIO(b'a,b\n"c\nd",e'), quoted=True)]
    [b'a,b\n', b'"c\nd",e']
    """
    rest, start = b"", -1
    while block := stream.read(PIECE_BYTES):
        piece = rest + block if rest else block
        end = _row_end(piece, quoted=quoted)
        if end == 0:
            if len(piece) <= LINE_BYTES:
                rest = piece
                continue
            end = len(piece)
        if start < 0:
            start = len(codecs.BOM_UTF8) if piece.startswith(codecs.BOM_UTF8) else 0
        yield memoryview(piece)[start:end]
        rest, start = piece[end:], 0
    if rest:
        yield memoryview(rest if start == 0 else rest.removeprefix(codecs.BOM_UTF8))


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`function` of each item, in order; at most three items a thread are under way.

    >>> list(in_threads(len, ["a", "bc", ""]))
    [1, 2, 0]
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="delimited")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= 3 * WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _row_end(piece: bytes, *, quoted: bool) -> int:
    """Place behind the last line end, with `quoted` the last one behind an even number of quotes; 0 where there is none."""
    marks = [mark for mark in (b"\n", b"\r") if mark in piece]
    end = max((piece.rfind(mark) + 1 for mark in marks), default=0)
    n_quotes = piece.count(b'"', 0, end) if quoted else 0
    while end and n_quotes % 2:
        before = max(piece.rfind(mark, 0, end - 1) + 1 for mark in marks)
        n_quotes -= piece.count(b'"', before, end)
        end = before
    return end
