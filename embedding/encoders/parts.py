"""A batch computed in parts, of a size that spares memory and caches of a processor, one after another or side by side."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float32, UInt8

LARGEST_PART = 32
"""Pictures that a CPU computes at a time, at most: more gain nothing."""
SHARE = 4
"""Times smaller that parts are which cores compute side by side, for each has some memory of its own."""
LARGEST_BLOCK = 64 * 2**20
"""Bytes of the largest block of memory that is asked for. What is larger leaves the caches, and the heap of a thread gives it back to the
system at once (`kept_memory`)."""


def part_size(largest: int) -> int:
    """Pictures to compute at a time, a power of two, where the largest result of a layer has so many numbers of four bytes a picture.

    >>> part_size(96 * 112 * 112), part_size(50 * 3072), part_size(10**9)  # MobileNetV2, ViT-B-32, something huge
    (8, 32, 1)
    """
    fitting = max(1, LARGEST_BLOCK // (4 * max(1, largest)))
    return int(min(LARGEST_PART, 1 << (fitting.bit_length() - 1)))


def in_parts(
    compute: Callable[[UInt8[np.ndarray, "p h w 3"]], Float32[np.ndarray, "p d"]],
    batch: UInt8[np.ndarray, "b h w 3"],
    size: int,
) -> Float32[np.ndarray, "b d"]:
    """What `compute` gives for at most `size` pictures at a time, as one array.

    >>> in_parts(lambda part: part.reshape(len(part), -1).astype(np.float32), np.ones((5, 1, 1, 3), np.uint8), 2).shape
    (5, 3)
    """
    if len(batch) <= size:
        return compute(batch)
    return np.concatenate([compute(batch[start : start + size]) for start in range(0, len(batch), size)])


class SideBySide:
    """Batches computed in parts at the same time, each part by one core from the first layer to the last.

    Cores that share a part wait for each other in every layer, and the slowest of them, which had something to decode meanwhile, keeps all
    waiting. `compute` must let go of Python's lock, and may be called by several threads at once.

    >>> sums = SideBySide(lambda part: part.sum((1, 2)).astype(np.float32), size=2, n_threads=2)
    >>> sums(np.ones((3, 4, 4, 3), np.uint8))[:, 0].tolist()
    [16.0, 16.0, 16.0]
    """

    def __init__(
        self,
        compute: Callable[[UInt8[np.ndarray, "p h w 3"]], Float32[np.ndarray, "p d"]],
        *,
        size: int,
        n_threads: int,
        begin: Callable[[], None] | None = None,
    ) -> None:
        """Of a part at most `size` pictures, and of a small batch so few that each of `n_threads` has some; each thread does `begin` first."""
        self._compute, self._size, self._n_threads = compute, size, n_threads
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix="compute", initializer=begin)

    def __call__(self, batch: UInt8[np.ndarray, "b h w 3"]) -> Float32[np.ndarray, "b d"]:
        """The vectors of a batch; where a part fails, its error."""
        size = min(self._size, max(1, math.ceil(len(batch) / self._n_threads)))
        if len(batch) <= size:
            return self._compute(batch)
        parts = (batch[start : start + size] for start in range(0, len(batch), size))
        return np.concatenate(list(self._threads.map(self._compute, parts)))
