"""A batch computed in parts: as much at a time as the caches of a processor hold."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, UInt8

PART = 8
"""Pictures that a CPU computes at a time. Of batches of 64, `tiny` does 216 a second in ONNX Runtime, in parts of 8 288; and no part
asks for a block of more than 64 MB, which glibc would give back to the system at once (`kept_memory`)."""


def in_parts(
    compute: Callable[[UInt8[np.ndarray, "p h w 3"]], Float32[np.ndarray, "p d"]],
    batch: UInt8[np.ndarray, "b h w 3"],
    size: int = PART,
) -> Float32[np.ndarray, "b d"]:
    """What `compute` gives for at most `size` pictures at a time, as one array.

    >>> in_parts(lambda part: part.reshape(len(part), -1).astype(np.float32), np.ones((5, 1, 1, 3), np.uint8), 2).shape
    (5, 3)
    """
    if len(batch) <= size:
        return compute(batch)
    return np.concatenate([compute(batch[start : start + size]) for start in range(0, len(batch), size)])
