"""Pairs among millions of perceptual hashes of 256 bits that differ in few bits: all of them, none is missed.

Hashes are cut into chunks. Where two differ in at most 31 bits, one of 16 chunks of 16 bits differs in at most one: so each hash is compared with those
in the same cell of a chunk and in the cells beside it (pigeonhole; Norouzi et al. 2012, Fast Search in Hamming Space with Multi-Index Hashing,
https://arxiv.org/abs/1307.2982). Chunks may be of two widths, of which the wider allow for a bit more; how many there are is chosen by what
it costs. Equal hashes are brought together first, and hashes of low quality, which say little, are joined to equal ones only.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Int, Int64, UInt8, UInt64

from cladescope.analysis.duplicates.candidates import Pairs, distinct
from cladescope.arrays import blocks
from cladescope.compiled import compiled, popcount

LEAST_QUALITY: Final = 50
"""PDQ's own measure of how much a picture shows, up to 100; below this its authors advise against a comparison."""
EQUAL_UP_TO: Final = 16
"""Of rows with one and the same hash the first so many are joined with each other and with what is near; the others with the first of them only."""
_BITS: Final = 256
_WIDEST: Final = 24
_STRIDE: Final = 101
_COMPARED, _PROBED, _PLACED = (
    0.4,
    12.0,
    30.0,
)  # nanoseconds: of two hashes, of a hash with a cell, of a hash into its cell
_BLOCK: Final = 1 << 16


@dataclass(frozen=True, eq=False)
class Joined:
    """Pairs of rows whose hashes are near."""

    pairs: Pairs
    """In order, each once."""
    n_weak: int
    """Rows of low quality, which are joined to equal ones only."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some bits of a hash, in which two near ones may differ by `radius`."""

    start: int
    width: int
    radius: int


def near_hashes(
    hashes: UInt8[np.ndarray, "n 32"],
    bits: int,
    *,
    mirrored: UInt8[np.ndarray, "n 32"] | None = None,
    quality: Int[np.ndarray, " n"] | None = None,
    workers: int = 2,
) -> Joined:
    """Pairs of rows, the lower first, whose hashes differ in at most `bits`, or the hash of one and that of the other's mirror image.

    Pairs are those of all rows; of more than `EQUAL_UP_TO` rows with one hash some are left to a chain. Memory beside what is given: 150 bytes a hash, twice
    that with `mirrored`, and 16 bytes a pair that a chunk finds. The number of `workers` changes nothing but the time.

    >>> hashes = np.zeros((3, 32), np.uint8)
    >>> hashes[1], hashes[2, 0] = 255, 7
    >>> near_hashes(hashes, 3).pairs.tolist(), near_hashes(hashes, 2).pairs.tolist()
    ([[0, 2]], [])
    """
    strong = _strong(quality, len(hashes))
    found = [_equal_pairs(hashes)]
    own = _groups(hashes, strong)
    found.append(_rows_of(own, own, _near(own.words, None, bits, workers)))
    if mirrored is not None:
        turned = _groups(mirrored, strong)
        found.append(_rows_of(own, turned, _near(own.words, turned.words, bits, workers)))
        weak = np.flatnonzero(~strong)
        if len(weak):
            every, every_turned = _groups(hashes), _groups(mirrored)
            equal = _rows_of(every, every_turned, _near(every.words, every_turned.words, 0, workers))
            found.append(equal[np.isin(equal, weak).any(axis=1)])
    return Joined(distinct(found), int((~strong).sum()))


def near_others(
    hashes: UInt8[np.ndarray, "n 32"],
    others: UInt8[np.ndarray, "m 32"],
    bits: int,
    *,
    quality: Int[np.ndarray, " n"] | None = None,
    others_quality: Int[np.ndarray, " m"] | None = None,
    workers: int = 2,
) -> Joined:
    """Pairs of a row and one of other rows, whose hashes differ in at most `bits`; memory as in `near_hashes`.

    Of more than `EQUAL_UP_TO` others with one hash the first stand for all; rows are joined however many are equal.

    >>> near_others(np.zeros((2, 32), np.uint8), np.ones((1, 32), np.uint8), 32).pairs.tolist()
    [[0, 0], [1, 0]]
    """
    strong, strong_others = _strong(quality, len(hashes)), _strong(others_quality, len(others))
    found = []
    for of_rows, of_others, most in ((strong, strong_others, bits), (None, None, 0)):
        rows, other_rows = _groups(hashes, of_rows), _groups(others, of_others)
        near = _near(rows.words, other_rows.words, most, workers)
        found.append(_rows_of(rows, other_rows, near, all_rows=True))
    pairs: Pairs = np.unique(np.concatenate(found), axis=0)
    return Joined(pairs, int((~strong).sum() + (~strong_others).sum()))


def distances(hashes: UInt8[np.ndarray, "n 32"], others: UInt8[np.ndarray, "n 32"]) -> Int64[np.ndarray, " n"]:
    """Bits in which each hash differs from the other of its row.

    >>> distances(np.zeros((1, 32), np.uint8), np.full((1, 32), 3, np.uint8)).tolist()
    [64]
    """
    found: Int64[np.ndarray, " n"] = np.bitwise_count(hashes ^ others).sum(axis=1, dtype=np.int64)
    return found


def _strong(quality: Int[np.ndarray, " n"] | None, n: int) -> Bool[np.ndarray, " n"]:
    return np.ones(n, bool) if quality is None else np.asarray(quality) >= LEAST_QUALITY


@dataclass(frozen=True, eq=False)
class _Groups:
    """Rows by their hash: those of one hash lie together, the lowest row first."""

    order: Int64[np.ndarray, " n"]
    starts: Int64[np.ndarray, " g"]
    sizes: Int64[np.ndarray, " g"]
    words: UInt64[np.ndarray, "4 g"]
    """The hash of each group, bits spread over its chunks."""


def _rows_of(groups: _Groups, others: _Groups, near: Pairs, *, all_rows: bool = False) -> Int64[np.ndarray, "q 2"]:
    """Pairs of rows from pairs of groups."""
    most = int(groups.sizes.max(initial=1)) if all_rows else EQUAL_UP_TO
    one, two = np.minimum(groups.sizes[near[:, 0]], most), np.minimum(others.sizes[near[:, 1]], EQUAL_UP_TO)
    counts = one * two
    of = np.repeat(np.arange(len(near)), counts)
    place = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = groups.order[groups.starts[near[of, 0]] + place // two[of]]
    beside = others.order[others.starts[near[of, 1]] + place % two[of]]
    return np.stack([rows, beside], axis=1)


def _sorted(hashes: UInt8[np.ndarray, "n 32"]) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " g"]]:
    """Rows by hash, then by number, and where each hash begins."""
    words = np.ascontiguousarray(hashes).view(np.uint64)
    order = np.lexsort(words.T)
    is_first = np.ones(len(order), bool)
    for start, stop in blocks(len(order), size=_BLOCK):
        some = words[order[max(start - 1, 0) : stop]]
        is_first[stop - len(some) + 1 : stop] = (some[1:] != some[:-1]).any(axis=1)
    return order.astype(np.int64, copy=False), np.flatnonzero(is_first)


def _groups(hashes: UInt8[np.ndarray, "n 32"], chosen: Bool[np.ndarray, " n"] | None = None) -> _Groups:
    rows = None if chosen is None or chosen.all() else np.flatnonzero(chosen)
    some = hashes if rows is None else hashes[rows]
    order, starts = _sorted(some)
    sizes = np.diff(np.append(starts, len(order)))
    words = np.empty((4, len(starts)), np.uint64)
    # Neighbouring bits tell of each other; spread out, the cells of a chunk fill evenly.
    spread = np.arange(_BITS) * _STRIDE % _BITS
    for start, stop in blocks(len(starts), size=_BLOCK):
        unpacked = np.unpackbits(some[order[starts[start:stop]]], axis=1, bitorder="little")
        words[:, start:stop] = (
            np.packbits(np.take(unpacked, spread, axis=1), axis=1, bitorder="little").view(np.uint64).T
        )
    return _Groups(order if rows is None else rows[order], starts, sizes, words)


def _equal_pairs(hashes: UInt8[np.ndarray, "n 32"]) -> Pairs:
    """The first `EQUAL_UP_TO` rows of a hash with each other, the rest with the first."""
    order, starts = _sorted(hashes)
    sizes = np.diff(np.append(starts, len(order)))
    first = np.repeat(starts, sizes)
    place = np.arange(len(order)) - first
    found = [np.stack([order[first], order], axis=1)[place > 0]]
    for behind in range(1, EQUAL_UP_TO):
        at = np.flatnonzero((place > behind) & (place < EQUAL_UP_TO))
        found.append(np.stack([order[at - behind], order[at]], axis=1))
    return distinct(found)


def chunks_for(n: int, bits: int) -> list[Chunk]:
    """The chunks by which `n` distinct hashes are joined at least cost; where two differ in at most `bits`, one chunk differs in at most its radius.

    Radii plus one add up to `bits` + 1: were every chunk to differ in more than its radius, all would differ in more than `bits`.

    >>> chunks = chunks_for(10_000_000, 31)
    >>> len(chunks), chunks[-1]
    (16, Chunk(start=240, width=16, radius=1))
    >>> chunks_for(100, 31)
    [Chunk(start=0, width=0, radius=0)]
    """
    best, least = [(0, bits)], n * n / 2 * _COMPARED
    for n_chunks in range(1, bits + 2):
        low, n_wide = divmod(bits + 1, n_chunks)
        for narrow in range(4, _WIDEST + 1):
            left = _BITS - narrow * (n_chunks - n_wide)
            wide = min(_WIDEST, left // n_wide) if n_wide else 0
            if left < 0 or (n_wide and wide < narrow):
                continue
            parts = [(narrow, low - 1)] * (n_chunks - n_wide) + [(wide, low)] * n_wide
            cost = sum(_cost(n, width, radius) for width, radius in parts)
            if cost < least:
                best, least = parts, cost
    if best[0][0] == 0:
        return [Chunk(0, 0, 0)]
    starts = np.cumsum([0, *(width for width, _ in best)]).tolist()
    return [Chunk(start, width, radius) for start, (width, radius) in zip(starts, best, strict=False)]


def _cost(n: int, width: int, radius: int) -> float:
    cells = sum(comb(width, r) for r in range(radius + 1))
    return float(cells * n / 2 * (n / 2**width * _COMPARED + _PROBED) + n * _PLACED)


def _near(words: UInt64[np.ndarray, "4 n"], others: UInt64[np.ndarray, "4 m"] | None, bits: int, workers: int) -> Pairs:
    """Pairs of columns that differ in at most `bits`, found chunk by chunk; without `others` of one set, and of none with itself."""
    same = others is None
    other = words if others is None else others
    if not words.shape[1] or not other.shape[1]:
        return np.empty((0, 2), np.int64)
    chunks = chunks_for(max(words.shape[1], other.shape[1]), bits)
    masks = np.array([_mask(chunk) for chunk in chunks], np.uint64)
    radii = np.array([chunk.radius for chunk in chunks], np.int64)
    found = []
    for number, chunk in enumerate(chunks):
        placed = _placed(words, chunk)
        placed_other = placed if same else _placed(other, chunk)
        n_cells = 1 << chunk.width
        ranges = list(blocks(n_cells, size=max(1, n_cells // (16 * workers))))
        if n_cells == 1:  # all are compared with all: parted by rows
            ranges = list(blocks(words.shape[1], size=max(1, words.shape[1] // (16 * workers))))
        flips = _flips(chunk)

        def of(
            part: tuple[int, int],
            placed: Any = placed,
            placed_other: Any = placed_other,
            flips: Any = flips,
            number: int = number,
            by_rows: bool = n_cells == 1,
        ) -> np.ndarray:
            kernel_pairs: np.ndarray = _compare(
                *placed, *placed_other, flips, part[0], part[1], by_rows, same, bits, masks, radii, number
            )
            return kernel_pairs

        with ThreadPoolExecutor(workers) as pool:
            found += list(pool.map(of, ranges))
    pairs: Pairs = np.concatenate(found)
    return pairs


def _mask(chunk: Chunk) -> Sequence[int]:
    """The bits of a chunk, as four words."""
    whole = ((1 << chunk.width) - 1) << chunk.start
    return [whole >> (64 * word) & (2**64 - 1) for word in range(4)]


def _flips(chunk: Chunk) -> Int64[np.ndarray, " f"]:
    """What turns the number of a cell into those of the cells that differ in at most the radius; nothing first."""
    chosen = [some for radius in range(chunk.radius + 1) for some in combinations(range(chunk.width), radius)]
    return np.array([sum(1 << bit for bit in some) for some in chosen], np.int64)


def _placed(
    words: UInt64[np.ndarray, "4 n"], chunk: Chunk
) -> tuple[UInt64[np.ndarray, "4 n"], Int64[np.ndarray, " n"], Int64[np.ndarray, " c"]]:
    """Hashes in the order of a chunk's cells, their numbers, and where each cell begins."""
    low, shift = divmod(chunk.start, 64)
    cells = words[low] >> np.uint64(shift)
    if shift + chunk.width > 64:
        cells |= words[low + 1] << np.uint64(64 - shift)
    cells &= np.uint64((1 << chunk.width) - 1)
    starts = np.zeros((1 << chunk.width) + 1, np.int64)
    order = np.empty(words.shape[1], np.int64)
    _count(cells, starts, order)
    return np.take(words, order, axis=1), order, starts


@compiled
def _count(cells: Any, starts: Any, order: Any) -> None:
    """A counting sort: `starts` becomes where each cell begins, `order` the numbers by cell."""
    for cell in cells:
        starts[cell + 1] += 1
    for cell in range(1, len(starts)):
        starts[cell] += starts[cell - 1]
    nexts = starts[:-1].copy()
    for number in range(len(cells)):
        cell = cells[number]
        order[nexts[cell]] = number
        nexts[cell] += 1


@compiled
def _compare(
    one: Any, order: Any, starts: Any, two: Any, other_order: Any, other_starts: Any, flips: Any,
    first: int, last: int, by_rows: bool, same: bool, bits: int, masks: Any, radii: Any, chunk: int,
) -> Any:  # fmt: skip
    found = np.empty((64, 2), np.int64)
    n_found = 0
    a0, a1, a2, a3 = one[0], one[1], one[2], one[3]
    b0, b1, b2, b3 = two[0], two[1], two[2], two[3]
    for cell in range(0 if by_rows else first, 1 if by_rows else last):
        start, stop = (first, last) if by_rows else (starts[cell], starts[cell + 1])
        if start == stop:
            continue
        for flip in flips:
            beside = cell ^ flip
            if same and beside < cell:
                continue
            low, high = other_starts[beside], other_starts[beside + 1]
            if low == high:
                continue
            for i in range(start, stop):
                x0, x1, x2, x3 = a0[i], a1[i], a2[i], a3[i]
                begin = i + 1 if same and flip == 0 else low
                n_near = 0
                c0, c1, c2, c3 = b0[begin:high], b1[begin:high], b2[begin:high], b3[begin:high]
                for j in range(len(c0)):  # several at a time in one instruction, where it branches nowhere
                    apart: int = (
                        popcount(x0 ^ c0[j]) + popcount(x1 ^ c1[j]) + popcount(x2 ^ c2[j]) + popcount(x3 ^ c3[j])
                    )
                    n_near += apart <= bits
                if n_near == 0:
                    continue
                for j in range(begin, high):
                    y0, y1, y2, y3 = x0 ^ b0[j], x1 ^ b1[j], x2 ^ b2[j], x3 ^ b3[j]
                    if popcount(y0) + popcount(y1) + popcount(y2) + popcount(y3) > bits:
                        continue
                    is_new = True
                    for earlier in range(chunk):
                        mask = masks[earlier]
                        apart = (
                            popcount(y0 & mask[0])
                            + popcount(y1 & mask[1])
                            + popcount(y2 & mask[2])
                            + popcount(y3 & mask[3])
                        )
                        if apart <= radii[earlier]:
                            is_new = False
                            break
                    if is_new:
                        if n_found == len(found):
                            larger = np.empty((2 * n_found, 2), np.int64)
                            larger[:n_found] = found
                            found = larger
                        found[n_found, 0] = order[i]
                        found[n_found, 1] = other_order[j]
                        n_found += 1
    return found[:n_found].copy()
