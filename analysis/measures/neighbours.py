"""Whether the nearest other picture is of the same taxon, at each rank."""

import numpy as np
from jaxtyping import Float, Int, Real

from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.arrays import blocks, normalise
from cladescope.errors import InputError

_GALLERY_ROWS = 1 << 14


def nearest_agreement(
    vectors: Real[np.ndarray, "n d"], codes: Int[np.ndarray, "n ranks"]
) -> Float[np.ndarray, " ranks"]:
    """For each rank, the share of images whose nearest other image (by cosine) is of the same taxon.

    `codes` number the taxon of an image at each rank, -1 where it has none. An image without the rank does not count
    there; a neighbour without it is of another taxon. NaN for a rank that no image has. Of equally near images the one
    in the smaller row is taken, so duplicates find each other. Memory: 12 n d bytes and a block.

    Raises InputError for fewer than two images or a vector without direction.

    >>> vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    >>> nearest_agreement(vectors, np.array([[4, 0, -1], [4, 0, -1], [4, 1, -1]]))
    array([1. , 0.66666667,        nan])
    """
    if len(vectors) < 2:
        raise InputError(f"{len(vectors)} image(s): at least two are needed for one to have a nearest other")
    return agreement(codes, codes[nearest_other(vectors)])


def agreement(
    codes: Int[np.ndarray, "n ranks"], other_codes: Int[np.ndarray, "n ranks"]
) -> Float[np.ndarray, " ranks"]:
    """For each rank, the share of rows that have it (code not -1) whose other code is the same; NaN where none has it.

    >>> agreement(np.array([[1, 2], [1, -1]]), np.array([[1, 3], [0, -1]]))
    array([0.5, 0. ])
    """
    known = codes >= 0
    n_known = known.sum(axis=0)
    n_same = (known & (codes == other_codes)).sum(axis=0)
    shares: Float[np.ndarray, " ranks"] = np.where(n_known > 0, n_same / np.maximum(n_known, 1), np.nan)
    return shares


def nearest_other(vectors: Real[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
    """The other row that is nearest to each by cosine, the smallest of equal ones. Memory: 12 n d bytes and a block.

    Raises InputError for a vector without direction.

    >>> nearest_other(np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]))
    array([1, 0, 1])
    """
    unit = normalise(vectors)
    n = len(unit)
    nearest = np.zeros(n, np.int64)
    width = min(n, _GALLERY_ROWS)
    for start, stop in blocks(n, size=max(1, BLOCK_BYTES // (unit.itemsize * width))):
        best = np.full(stop - start, -np.inf, unit.dtype)
        for left, right in blocks(n, size=width):
            scores = unit[start:stop] @ unit[left:right].T
            own = np.arange(max(start, left), min(stop, right))
            scores[own - start, own - left] = -np.inf
            place = scores.argmax(axis=1)
            score = scores[np.arange(stop - start), place]
            nearest[start:stop] = np.where(score > best, left + place, nearest[start:stop])
            best = np.maximum(best, score)
    return nearest
