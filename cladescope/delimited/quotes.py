"""What the quotes of a delimited text are, looked at as arrays: whether they stand where RFC 4180 has them, and what is in them."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Int, UInt8

from cladescope.delimited.encoding import ByteStream
from cladescope.delimited.pieces import in_threads, row_pieces


@dataclass(frozen=True, slots=True)
class Quotes:
    """What the quotes of a whole text are."""

    regular: bool = True
    """Each opens or closes a value, or is doubled inside one."""
    line_ends: bool = False
    """Whether a line end stands inside quotes; only told where they are regular."""
    swallowing: bool = False
    """Whether quotes hold line ends between lines each of which has as many values as the header."""


def look_at_quotes(stream: ByteStream, delimiter: str, n_columns: int) -> Quotes:
    r"""What the quotes of a UTF-8 text are; memory is a few pieces.

    >>> import io
    >>> look_at_quotes(io.BytesIO(b'file,note\na,"two\nlines"\n'), ",", 2)
    Quotes(regular=True, line_ends=True, swallowing=False)
    >>> look_at_quotes(io.BytesIO(b'file,note\na,"half\nb,half"\n'), ",", 2)
    Quotes(regular=True, line_ends=True, swallowing=True)
    """
    line_ends = swallowing = False
    look = partial(_of_piece, delimiter=ord(delimiter), n_columns=n_columns)
    for found in in_threads(look, row_pieces(stream, quoted=True)):
        if not found.regular:
            return found
        line_ends = line_ends or found.line_ends
        swallowing = swallowing or found.swallowing
    return Quotes(True, line_ends, swallowing)


def _of_piece(piece: memoryview, delimiter: int, n_columns: int) -> Quotes:
    """The same of some whole rows."""
    marks = np.frombuffer(piece, np.uint8)
    quotes = np.flatnonzero(marks == 34)
    if not len(quotes):
        return Quotes()
    if len(quotes) % 2:
        return Quotes(regular=False)
    opening, closing = quotes[::2], quotes[1::2]
    before, after = marks[opening - 1], marks[np.minimum(closing + 1, len(marks) - 1)]
    if opening[0] == 0:
        before[0] = 10
    if closing[-1] == len(marks) - 1:
        after[-1] = 10
    ends = np.zeros(256, bool)
    ends[[10, 13, 34, delimiter]] = True
    if not (ends[before].all() and ends[after].all()):
        return Quotes(regular=False)
    breaks = np.flatnonzero((marks == 10) | (marks == 13))
    if not (np.searchsorted(quotes, breaks) % 2).any():
        return Quotes()
    return Quotes(line_ends=True, swallowing=n_columns > 1 and _swallows(marks, quotes, breaks, delimiter, n_columns))


def _swallows(
    marks: UInt8[np.ndarray, " n"],
    quotes: Int[np.ndarray, " q"],
    breaks: Int[np.ndarray, " b"],
    delimiter: int,
    n_columns: int,
) -> bool:
    """Whether a row has several lines, and each of these as many values as the header."""
    following = np.append(marks, 10)[breaks + 1]
    ends = breaks[~((marks[breaks] == 13) & (following == 10))]  # of a line end of two letters the second
    if not len(ends) or ends[-1] != len(marks) - 1:
        ends = np.append(ends, len(marks))
    row = np.cumsum(np.append(0, np.searchsorted(quotes, ends[:-1]) % 2 == 0))
    n_delimiters = np.diff(np.searchsorted(np.flatnonzero(marks == delimiter), ends), prepend=0)
    n_lines = np.bincount(row)
    n_full = np.bincount(row, weights=n_delimiters == n_columns - 1)
    return bool(((n_lines > 1) & (n_full == n_lines)).any())
