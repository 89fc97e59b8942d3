"""Where one picture lies in another, and how alike the two are there: by brightness alone, whatever the colours.

Both are square thumbnails of whole pictures, whatever their shape, so that a crop is a box whose sides are shares of 1. A box is found by
trying it a little larger, smaller and elsewhere, and keeping what correlates best (normalised cross-correlation, Lewis 1995, Fast Normalized
Cross-Correlation). The likeness that is returned is that of the edges: two photographs of one scene's light and shade correlate in
brightness, but not where one pixel differs from the next.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from cladescope.compiled import compiled

LEAST_SIDE = 0.5
"""Smallest side of a box, as a share of the picture's: a smaller part of a picture is not recognised."""
_FLAT = 1.5
"""Spread of grey levels, of 255, below which a picture shows nothing to go by."""


def sums(thumbs: UInt8[np.ndarray, "n s s"]) -> Float32[np.ndarray, "n t t"]:
    """Sums of the grey levels above and left of each corner between pixels, t = s + 1: with them the mean of any box is four of these.

    >>> sums(np.array([[[1, 2], [3, 4]]], np.uint8))[0].tolist()
    [[0.0, 0.0, 0.0], [0.0, 1.0, 3.0], [0.0, 4.0, 10.0]]
    """
    n, side, _ = thumbs.shape
    found = np.zeros((n, side + 1, side + 1), np.float32)
    np.cumsum(np.cumsum(thumbs, axis=1, dtype=np.float32), axis=2, out=found[:, 1:, 1:])
    return found


def align(
    whole: Float32[np.ndarray, "p t t"],
    part: Float32[np.ndarray, "p t t"],
    is_mirrored: Any,
    boxes: Float64[np.ndarray, "p 4"],
    *,
    cells: int,
    steps: tuple[float, ...],
    give_up_below: float,
) -> tuple[Float64[np.ndarray, "p 4"], Float64[np.ndarray, " p"], Float64[np.ndarray, " p"]]:
    """The box of each `whole` (`sums`) that its `part` shows best, and how alike both are there in edges and in brightness, up to 1.

    `boxes` (top, bottom, left, right as shares) are where to begin; `is_mirrored` says which parts are turned over first. Both are
    compared in `cells` x `cells` means. A pair whose correlation is below `give_up_below` after the first of the `steps` is left, with a likeness
    of 0, and so is a picture without contrast.

    >>> rng = np.random.default_rng(0)
    >>> thumb = np.kron(rng.integers(0, 255, (8, 8)), np.ones((8, 8))).astype(np.uint8)[None]
    >>> whole = np.array([[0.0, 1.0, 0.0, 1.0]])
    >>> _, edges, brightness = align(sums(thumb), sums(255 - thumb // 2), np.zeros(1, bool), whole, cells=16, steps=(), give_up_below=0.5)
    >>> edges.tolist()
    [0.0]
    >>> align(sums(thumb), sums(thumb[:, :, ::-1].copy()), np.ones(1, bool), whole, cells=16, steps=(), give_up_below=0.5)[1].round(3)
    array([1.])
    """
    found = boxes.astype(np.float64).copy()
    edges, brightness = np.zeros(len(boxes)), np.zeros(len(boxes))
    _align(
        whole, part, np.asarray(is_mirrored, np.bool_), found, edges, brightness, cells,
        np.array(steps, np.float64), give_up_below, _MOVES,
    )  # fmt: skip
    return found, edges, brightness


_FAINT = 2.0
"""Grey levels that are added to the usual difference between neighbouring cells, so that noise on plain paper counts for little."""
_MOVES: Int64[np.ndarray, "m 4"] = np.array(
    [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, -1, 1, -1]]
)
"""How a box is changed: moved down, moved right, one side moved, all sides moved inwards; and back."""
_ROUNDS = 3
"""How often all of them are tried with a step, while a box still gains by it."""


@compiled
def _means(total: Any, top: float, bottom: float, left: float, right: float, cells: int, out: Any) -> None:
    """Means of a box in cells; between the corners of pixels the sums are interpolated, so that a part of a pixel counts as a part."""
    side = total.shape[0] - 1
    down, across = (bottom - top) * side / cells, (right - left) * side / cells
    before = np.empty(cells + 1)
    row = np.empty(cells + 1)
    for y in range(cells + 1):
        at = min(top * side + y * down, side * 1.0)
        y0 = min(int(at), side - 1)
        fy = at - y0
        for x in range(cells + 1):
            on = min(left * side + x * across, side * 1.0)
            x0 = min(int(on), side - 1)
            fx = on - x0
            above = total[y0, x0] * (1 - fx) + total[y0, x0 + 1] * fx
            below = total[y0 + 1, x0] * (1 - fx) + total[y0 + 1, x0 + 1] * fx
            row[x] = above * (1 - fy) + below * fy
            if y > 0 and x > 0:
                out[y - 1, x - 1] = (row[x] - row[x - 1] - before[x] + before[x - 1]) / (down * across)
        before[:] = row


@compiled
def _correlation(one: Any, other: Any) -> float:
    n = one.size
    mean_one, mean_other = one.mean(), other.mean()
    both = of_one = of_other = 0.0
    for y in range(one.shape[0]):
        for x in range(one.shape[1]):
            a, b = one[y, x] - mean_one, other[y, x] - mean_other
            both += a * b
            of_one += a * a
            of_other += b * b
    least = n * _FLAT * _FLAT
    if of_one < least or of_other < least:
        return 0.0
    return both / math.sqrt(of_one * of_other)


@compiled
def _edges_alike(one: Any, other: Any) -> float:
    of_all_one = of_all_other = 0.0
    n = one.shape[0] - 1
    for y in range(n):
        for x in range(n):
            for dy, dx in ((0, 1), (1, 0)):
                of_all_one += abs(one[y + dy, x + dx] - one[y, x])
                of_all_other += abs(other[y + dy, x + dx] - other[y, x])
    usual_one, usual_other = of_all_one / (2 * n * n) + _FAINT, of_all_other / (2 * n * n) + _FAINT
    both = of_one = of_other = 0.0
    for y in range(n):
        for x in range(n):
            for dy, dx in ((0, 1), (1, 0)):
                a, b = one[y + dy, x + dx] - one[y, x], other[y + dy, x + dx] - other[y, x]
                a, b = a / (abs(a) + usual_one), b / (abs(b) + usual_other)
                both += a * b
                of_one += a * a
                of_other += b * b
    return both / math.sqrt(of_one * of_other) if of_one > 0 and of_other > 0 else 0.0


@compiled
def _align(
    whole: Any, part: Any, is_mirrored: Any, boxes: Any, edges: Any, brightness: Any, cells: int, steps: Any,
    give_up_below: float, moves: Any,
) -> None:  # fmt: skip
    target, got, flipped = np.empty((cells, cells)), np.empty((cells, cells)), np.empty((cells, cells))
    for pair in range(len(boxes)):
        _means(part[pair], 0.0, 1.0, 0.0, 1.0, cells, flipped)
        for x in range(cells):
            target[:, x] = flipped[:, cells - 1 - x] if is_mirrored[pair] else flipped[:, x]
        box = boxes[pair].copy()
        _means(whole[pair], box[0], box[1], box[2], box[3], cells, got)
        best = _correlation(got, target)
        for place in range(len(steps)):
            for _ in range(_ROUNDS):
                before = best
                for number in range(len(moves)):
                    for sign in (1, -1):
                        trial = box + sign * steps[place] * moves[number]
                        for side in range(4):
                            trial[side] = min(max(trial[side], 0.0), 1.0)
                        if trial[1] - trial[0] < LEAST_SIDE or trial[3] - trial[2] < LEAST_SIDE:
                            continue
                        _means(whole[pair], trial[0], trial[1], trial[2], trial[3], cells, got)
                        score = _correlation(got, target)
                        if score > best:
                            best, box = score, trial
                if best == before:
                    break
            if best < give_up_below:
                break
        boxes[pair] = box
        brightness[pair] = best
        if best >= give_up_below:
            _means(whole[pair], box[0], box[1], box[2], box[3], cells, got)
            edges[pair] = _edges_alike(got, target)
