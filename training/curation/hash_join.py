"""All pairs of perceptual hashes that differ in few bits: exact, in memory that is bounded by the number of hashes and of pairs.

Of two hashes that differ in at most b bits, cut into m chunks, at least one chunk differs in at most t_i bits where the t_i + 1 add up to more than b (the
pigeonhole principle; Norouzi et al. 2012, Fast Search in Hamming Space with Multi-Index Hashing, https://arxiv.org/abs/1307.2982; Qin et al. 2018, GPH,
with thresholds that differ by chunk). Hashes are sorted by the first bits of a chunk, and the hashes of each value are compared with those of the values
that differ from it in at most t_i bits. Their order makes these neighbours lie near each other in memory, so no table of hashes is probed at random.
"""

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Int16, Int64, UInt8, UInt64

from cladescope.compiled import compiled

BITS: Final = 256
_WORDS: Final = BITS // 64
_MOST_KEY_BITS: Final = 24
_PER_VISIT, _PER_HASH = 6.0, 40.0
"""What it costs to look at the hashes of one value, and to sort a hash, in comparisons of two hashes."""
_TASKS: Final = 64
_ROOM: Final = 1 << 12


@dataclass(frozen=True, eq=False)
class Near:
    """Pairs of rows whose hashes differ in few bits, in order."""

    pairs: Int64[np.ndarray, "p 2"]
    """For one set the lower row first; for two the row of the first set first."""
    bits: Int16[np.ndarray, " p"]
    """In how many bits each pair differs."""


@dataclass(frozen=True)
class Chunk:
    """Bits that hashes are sorted by, and how many of them may differ."""

    start: int
    width: int
    most: int


def near_hashes(hashes: UInt8[np.ndarray, "n 32"], bits: int, *, workers: int = 1) -> Near:
    """All pairs of rows whose hashes differ in at most so many bits.

    Memory: 32 n bytes for the hashes as words, 56 n and 4 * 2^24 beside them, and some 40 bytes for each pair. The answer does not depend on `workers` (threads).

    >>> hashes = np.zeros((3, 32), np.uint8)
    >>> hashes[1] = 255
    >>> hashes[2, 0] = 5
    >>> found = near_hashes(hashes, 31)
    >>> found.pairs.tolist(), found.bits.tolist()
    ([[0, 2]], [2])
    """
    words = words_of(hashes)
    return _joined(words, words, bits, itself=True, workers=workers)


def near_between(
    first: UInt8[np.ndarray, "n 32"], second: UInt8[np.ndarray, "m 32"], bits: int, *, workers: int = 1
) -> Near:
    """All pairs of a row of one set and a row of another whose hashes differ in at most so many bits. Memory: as `near_hashes`, of both sets."""
    return _joined(words_of(first), words_of(second), bits, itself=False, workers=workers)


def first_equal(hashes: UInt8[np.ndarray, "n 32"]) -> Int64[np.ndarray, " n"]:
    """For each row the first row of the same hash. Memory: 64 n bytes.

    >>> first_equal(np.array([[1] * 32, [2] * 32, [1] * 32], np.uint8)).tolist()
    [0, 1, 0]
    """
    words = words_of(hashes)
    order = np.lexsort(words.T)
    is_new = np.ones(len(order), bool)
    is_new[1:] = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    # The sort is stable, so that the first of a run is the lowest row.
    found = np.empty(len(order), np.int64)
    found[order] = order[is_new][np.cumsum(is_new) - 1]
    return found


def words_of(hashes: UInt8[np.ndarray, "n 32"]) -> UInt64[np.ndarray, "n 4"]:
    """Hashes as four words each; in every word the first bit of the hash is the highest."""
    found: UInt64[np.ndarray, "n 4"] = np.ascontiguousarray(hashes).view(">u8").astype(np.uint64)
    return found


def plan(n: int, m: int, bits: int) -> tuple[Chunk, ...]:
    """The chunks by which n hashes are compared with m others at the least expected cost, as for hashes whose bits are thrown like coins.

    >>> plan(100, 100, 31)
    (Chunk(start=0, width=0, most=0),)
    >>> [chunk.most for chunk in plan(10_000_000, 10_000_000, 31)]
    [2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1]
    """
    best: tuple[Chunk, ...] = (Chunk(0, 0, 0),)
    least = float(n) * m
    for number in range(1, min(bits + 1, 64) + 1):
        needed = bits + 1
        low, more = divmod(needed, number)
        # `more` chunks may differ in `low` bits, the others in one bit fewer: the numbers plus one add up to what is needed.
        allowed = [low] * more + [low - 1] * (number - more)
        cost, chunks = 0.0, []
        for place, most in enumerate(allowed):
            start, stop = place * BITS // number, (place + 1) * BITS // number
            costs = {
                width: _cost(n, m, width, most) for width in range(most + 1, min(stop - start, _MOST_KEY_BITS) + 1)
            }
            if not costs:
                cost = math.inf
                break
            width = min(costs, key=lambda one: costs[one])
            cost += costs[width]
            chunks.append(Chunk(start, width, most))
        if cost < least:
            best, least = tuple(chunks), cost
    return best


def _cost(n: int, m: int, width: int, most: int) -> float:
    balls = sum(math.comb(width, k) for k in range(most + 1))
    return balls * (_PER_VISIT * min(2.0**width, n) + n * m / 2.0**width) + _PER_HASH * (n + m)


def _joined(
    first: UInt64[np.ndarray, "n 4"], second: UInt64[np.ndarray, "m 4"], bits: int, *, itself: bool, workers: int
) -> Near:
    assert 0 <= bits < BITS
    chunks = plan(len(first), len(second), bits)
    table = np.array([[chunk.start, chunk.width, chunk.most] for chunk in chunks], np.int64)
    parts = []
    for number in range(len(chunks)):
        parts += _by_chunk(first, second, table, number, bits, itself, workers)
    found = np.concatenate([np.empty((0, 3), np.int64), *parts])
    order = np.lexsort([found[:, 1], found[:, 0]])
    found = found[order]
    return Near(np.ascontiguousarray(found[:, :2]), found[:, 2].astype(np.int16))


def _by_chunk(
    first: UInt64[np.ndarray, "n 4"],
    second: UInt64[np.ndarray, "m 4"],
    table: Int64[np.ndarray, "c 3"],
    number: int,
    bits: int,
    itself: bool,
    workers: int,
) -> list[Int64[np.ndarray, "_ 3"]]:
    """Pairs that this chunk finds, and none before it; in parts."""
    start, width, most = (int(one) for one in table[number])
    masks = np.array(
        [sum(1 << bit for bit in some) for k in range(most + 1) for some in itertools.combinations(range(width), k)],
        np.int64,
    )
    # Masks of low bits first: what they lead to lies near.
    masks.sort()
    columns = _columns(start, width)
    one = _sorted_by(first, start, width, columns)
    other = one if itself else _sorted_by(second, start, width, columns)
    n_values = 1 << width
    edges = np.unique(np.linspace(0, n_values, min(_TASKS, n_values) + 1).astype(np.int64))
    # One value alone, as where all are compared with all, is parted by its rows.
    rows = (
        np.unique(np.linspace(0, len(first), _TASKS + 1).astype(np.int64)) if width == 0 else np.array([0, len(first)])
    )
    tasks = (
        [(0, 1, int(a), int(b)) for a, b in itertools.pairwise(rows)]
        if width == 0
        else [(int(a), int(b), 0, len(first)) for a, b in itertools.pairwise(edges)]
    )

    def run(task: tuple[int, int, int, int]) -> Int64[np.ndarray, "_ 3"]:
        room = _ROOM
        while True:
            out = np.empty((room, 3), np.int64)
            n = _compare(
                first, second, *one, *other, masks, task[0], task[1], task[2], task[3], bits, itself, table, number, out
            )
            if n <= room:
                return out[:n].copy()
            room = n

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, tasks))


def _columns(start: int, width: int) -> tuple[int, ...]:
    """The words in the order in which they are compared: those that are not sorted by first, as these tell the most."""
    held = range(start // 64, (start + max(width, 1) - 1) // 64 + 1) if width else range(0)
    return tuple(sorted(range(_WORDS), key=lambda word: (word in held, word)))


def _sorted_by(
    words: UInt64[np.ndarray, "n 4"], start: int, width: int, columns: tuple[int, ...]
) -> tuple[Any, Any, Any, Any]:
    """Where the hashes of each value start, their rows, and their words in two halves."""
    keys = _keys(words, start, width)
    order = np.argsort(keys, kind="stable").astype(np.int32)
    starts = np.zeros((1 << width) + 1, np.int32)
    np.cumsum(np.bincount(keys, minlength=1 << width), out=starts[1:])
    near = np.ascontiguousarray(words[:, columns[:2]][order])
    far = np.ascontiguousarray(words[:, columns[2:]][order])
    return starts, order, near, far


def _keys(words: UInt64[np.ndarray, "n 4"], start: int, width: int) -> Int64[np.ndarray, " n"]:
    """The value of some bits, at most two words long."""
    if width == 0:
        return np.zeros(len(words), np.int64)
    word, bit = divmod(start, 64)
    found = words[:, word] << np.uint64(bit)
    if bit + width > 64:
        found |= words[:, word + 1] >> np.uint64(64 - bit)
    keys: Int64[np.ndarray, " n"] = (found >> np.uint64(64 - width)).astype(np.int64)
    return keys


@compiled
def _ones(word: Any) -> Any:
    """Bits that are set; LLVM makes one instruction of this sum (Warren 2012, Hacker's Delight, 5-1)."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@compiled
def _is_found_before(one: Any, other: Any, table: Any, number: int) -> bool:
    """Whether a chunk before this one finds the pair, too; words in the order of the hash."""
    for chunk in range(number):
        start, width, most = table[chunk, 0], table[chunk, 1], table[chunk, 2]
        word, bit = start // 64, start % 64
        found = (one[word] ^ other[word]) << np.uint64(bit)
        if bit + width > 64:
            found |= (one[word + 1] ^ other[word + 1]) >> np.uint64(64 - bit)
        if _ones(found >> np.uint64(64 - width)) <= np.uint64(most):
            return True
    return False


@compiled
def _compare(
    first: Any, second: Any, starts: Any, order: Any, near: Any, far: Any, other_starts: Any, other_order: Any, other_near: Any,
    other_far: Any, masks: Any, low: int, high: int, from_row: int, to_row: int, bits: int, itself: bool, table: Any,
    number: int, out: Any,
) -> int:  # fmt: skip
    """Compare the hashes of the values from `low` to `high` with those of each value that a mask leads to; returns how many pairs there are,
    of which as many are written as there is room for."""
    n = 0
    room = len(out)
    limit = np.uint64(bits)
    for mask in masks:
        for value in range(low, high):
            there = value ^ mask
            if itself and there < value:
                continue
            begin, end = max(starts[value], from_row), min(starts[value + 1], to_row)
            if begin == end:
                continue
            other_begin, other_end = other_starts[there], other_starts[there + 1]
            for i in range(begin, end):
                a, b = near[i, 0], near[i, 1]
                for j in range(i + 1 if itself and mask == 0 else other_begin, other_end):
                    if _ones(a ^ other_near[j, 0]) + _ones(b ^ other_near[j, 1]) > limit:
                        continue
                    total = (
                        _ones(a ^ other_near[j, 0])
                        + _ones(b ^ other_near[j, 1])
                        + _ones(far[i, 0] ^ other_far[j, 0])
                        + _ones(far[i, 1] ^ other_far[j, 1])
                    )
                    if total > limit:
                        continue
                    row, other = np.int64(order[i]), np.int64(other_order[j])
                    if _is_found_before(first[row], second[other], table, number):
                        continue
                    if n < room:
                        out[n, 0] = min(row, other) if itself else row
                        out[n, 1] = max(row, other) if itself else other
                        out[n, 2] = np.int64(total)
                    n += 1
    return n
