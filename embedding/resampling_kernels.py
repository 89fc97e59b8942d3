"""Pillow's antialiased resizing compiled for the processor at hand: the same arithmetic in the same order, and so the same bits.

The first call compiles it, in some seconds, or loads what an earlier process compiled. Pillow itself is built for processors of
twenty years ago, whose vectors cannot multiply 32-bit integers. Here rows are taken 32 at a time and turned, so that both passes run along
memory. The method is that of Pillow's `Resample.c` (https://github.com/python-pillow/Pillow/blob/main/src/libImaging/Resample.c): two
passes with weights of 22 binary places, rounded to eight bits between them, and down first where much more height goes than width.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt32

from cladescope.compiled import compiled, inlined

_PLACES = 22
_HALF = np.int32(1 << (_PLACES - 1))
_ROWS = 32
_LANES = 4 * _ROWS
_TILE = 16


@compiled
def _weights(
    n_in: int, begin: float, end: float, n_out: int, first: int, stop: int, is_cubic: bool
) -> tuple[Any, Any, Any]:
    """For the pixels `first` to `stop` of `n_out`, which show `begin` to `end` of `n_in`: the first pixel that each is made of, their number and the weights."""
    scale = (end - begin) / n_out
    wide = max(scale, 1.0)
    support = (2.0 if is_cubic else 1.0) * wide
    n_taps = math.ceil(support) * 2 + 1
    starts = np.empty(stop - first, np.int32)
    counts = np.empty(stop - first, np.int32)
    weights = np.zeros((stop - first, n_taps), np.int32)
    shares = np.empty(n_taps)
    for place in range(stop - first):
        centre = begin + (first + place + 0.5) * scale
        low = max(int(centre - support + 0.5), 0)
        high = min(int(centre + support + 0.5), n_in)
        total = 0.0
        for tap in range(high - low):
            x = abs((tap + low - centre + 0.5) * (1.0 / wide))
            share = 0.0
            if not is_cubic:
                share = max(1.0 - x, 0.0)
            elif x < 1.0:
                share = ((-0.5 + 2.0) * x - (-0.5 + 3.0)) * x * x + 1
            elif x < 2.0:
                share = (((x - 5) * x + 8) * x - 4) * -0.5
            shares[tap] = share
            total += share
        starts[place], counts[place] = low, high - low
        for tap in range(high - low):
            share = shares[tap] / total * (1 << _PLACES)
            weights[place, tap] = np.int32(share - 0.5) if share < 0 else np.int32(share + 0.5)
    return starts, counts, weights


@inlined
def _summed(sums: Any, start: int, count: int, weights: Any, rows: Any, first_lane: int, n: int, out: Any) -> None:
    """One row of `out`, `n` bytes: `count` of `rows` from `start` on by their weights, rounded and kept within a byte."""
    for lane in range(n):
        sums[lane] = _HALF
    for tap in range(count):
        weight, row = weights[tap], rows[start + tap][first_lane : first_lane + n]
        for lane in range(n):
            sums[lane] += weight * np.int32(row[lane])
    for lane in range(n):
        out[lane] = min(max(sums[lane] >> _PLACES, 0), 255)


@compiled
def _turn(pixels: Any, first_row: int, first_column: int, n_rows: int, n_columns: int, turned: Any) -> None:
    """Rows as columns, in tiles that stay in the nearest cache."""
    for left in range(0, n_columns, _TILE):
        n = min(_TILE, n_columns - left)
        tile = turned[left : left + n]
        for y in range(n_rows):
            row = pixels[first_row + y][first_column + left : first_column + left + n]
            for x in range(n):
                tile[x, y] = row[x]


@compiled
def _across(pixels: Any, first_row: int, first_column: int, starts: Any, counts: Any, weights: Any, out: Any) -> None:
    """As many rows of `pixels` as `out` has, from `first_row` on, resized to the pixels that have weights; its first is `first_column`."""
    n_rows, n_out = out.shape
    first, n_columns = starts[0], starts[n_out - 1] + counts[n_out - 1] - starts[0]
    turned = np.empty((n_columns, _ROWS), np.uint32)
    made = np.empty((n_out, _ROWS), np.uint32)
    turned_bytes, made_bytes = turned.view(np.uint8), made.view(np.uint8)
    sums = np.empty(_LANES, np.int32)
    for top in range(0, n_rows, _ROWS):
        n = min(_ROWS, n_rows - top)
        _turn(pixels, first_row + top, first - first_column, n, n_columns, turned)
        for place in range(n_out):
            _summed(
                sums, starts[place] - first, counts[place], weights[place], turned_bytes, 0, _LANES, made_bytes[place]
            )
        for y in range(n):
            row = out[top + y]
            for place in range(n_out):
                row[place] = made[place, y]


@compiled
def _down(rows: Any, first_row: int, first_column: int, starts: Any, counts: Any, weights: Any, out: Any) -> None:
    """Columns of `rows` from `first_column` on, as many as `out` has, resized to as many rows as have weights; the first is `first_row`."""
    sums = np.empty(out.shape[1], np.int32)
    for place in range(out.shape[0]):
        start = starts[place] - first_row
        _summed(sums, start, counts[place], weights[place], rows, 4 * first_column, out.shape[1], out[place])


@compiled
def _resampled(
    pixels: Any, box: Any, width: int, height: int, left: int, top: int, right: int, bottom: int, is_cubic: bool
) -> Any:
    """The window of the resized box of a picture, four bytes a pixel."""
    n_rows, n_columns = pixels.shape
    column_starts, column_counts, column_weights = _weights(n_columns, box[0], box[2], width, left, right, is_cubic)
    row_starts, row_counts, row_weights = _weights(n_rows, box[1], box[3], height, top, bottom, is_cubic)
    across, down = right - left, bottom - top
    out = np.empty((down, across), np.uint32)
    if n_rows > height and n_rows - height > 2 * (n_columns - width):  # so Pillow chooses
        first = column_starts[0]
        n = column_starts[across - 1] + column_counts[across - 1] - first
        between = np.empty((down, n), np.uint32)
        _down(pixels.view(np.uint8), 0, first, row_starts, row_counts, row_weights, between.view(np.uint8))
        _across(between, 0, first, column_starts, column_counts, column_weights, out)
    else:
        first = row_starts[0]
        n = row_starts[down - 1] + row_counts[down - 1] - first
        between = np.empty((n, across), np.uint32)
        _across(pixels, first, 0, column_starts, column_counts, column_weights, between)
        _down(between.view(np.uint8), first, 0, row_starts, row_counts, row_weights, out.view(np.uint8))
    return out


def resampled(
    pixels: UInt32[np.ndarray, "h w"],
    size: tuple[int, int],
    window: tuple[int, int, int, int],
    box: tuple[float, float, float, float],
    *,
    is_cubic: bool,
) -> UInt8[np.ndarray, "rows columns 3"]:
    """A window of a picture's `box` resized to `size`, bicubic or bilinear, as Pillow resizes; `pixels` are four bytes each, red first.

    The window is left, top, right and bottom in pixels of the resized picture, within it and not empty; the
    box so in pixels of the picture, and fractions of them.

    >>> pixels = np.full((9, 7), 0x00030201, "<u4")
    >>> resampled(pixels, (4, 5), (1, 1, 2, 3), (0.0, 0.0, 7.0, 9.0), is_cubic=True).tolist()
    [[[1, 2, 3]], [[1, 2, 3]]]
    """
    left, top, right, bottom = window
    made = _resampled(pixels, box, *size, *window, is_cubic)
    found: UInt8[np.ndarray, "rows columns 4"] = made.view(np.uint8).reshape(bottom - top, right - left, 4)
    return np.ascontiguousarray(found[..., :3])
