"""Outliers: pictures that lie farther from their own taxon than its members usually do."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from cladescope.index.neighbour_graph import nearest_others

K = 5
MIN_MEMBERS = 12
"""Fewer members say too little of what a taxon usually has; the next wider taxon is asked."""


@dataclass(frozen=True, eq=False)
class Outliers:
    """How far each picture lies from its own; NaN where there were too few to say."""

    z: Float64[np.ndarray, " n"]
    distance: Float64[np.ndarray, " n"]
    compared: Int[np.ndarray, " n"]
    """Rank of the taxon that a picture was compared within, by its place among the columns of codes; -1 for the whole set."""


def find(
    vectors: Float[np.ndarray, "n d"], codes: Int[np.ndarray, "n ranks"], *, k: int = K, members: int = MIN_MEMBERS
) -> Outliers:
    """Robust z of the mean distance, 1 - cosine, to the k nearest of the own taxon, left-one-out.

    A picture is compared within the narrowest taxon of `members` pictures or more, else within the whole set. z is
    (x - median) / (1.4826 MAD) over the taxon (Iglewicz & Hoaglin 1993), with the logarithm of the distance as x, for
    distances are skewed; the deviation counts as 0.05 at least. Codes are -1 where a rank is missing. Memory: 4 m d
    bytes for the largest taxon, of m pictures.

    >>> vectors = np.eye(2, dtype=np.float32)[[0] * 14 + [1]]
    >>> int(np.argmax(find(vectors, np.zeros((15, 7), np.int64)).z))
    14
    """
    n = len(vectors)
    z, distance = np.full(n, np.nan), np.full(n, np.nan)
    compared = np.full(n, -1, np.int64)
    open_ = np.ones(n, bool)
    for rank in [*reversed(range(codes.shape[1])), -1]:
        column = codes[:, rank] if rank >= 0 else np.zeros(n, np.int64)
        order = np.argsort(column, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(column[order])) + 1):
            if len(part) < members or column[part[0]] < 0 or not open_[part].any():
                continue
            far = _mean_distance(vectors[part], k)
            x = np.log(np.maximum(far, 1e-5))
            middle = np.median(x)
            spread = max(1.4826 * float(np.median(np.abs(x - middle))), 0.05)
            new = open_[part]
            z[part[new]] = ((x - middle) / spread)[new]
            distance[part[new]], compared[part[new]] = far[new], rank
            open_[part] = False
    return Outliers(z, distance, compared)


def _mean_distance(vectors: Float[np.ndarray, "m d"], k: int) -> Float64[np.ndarray, " m"]:
    scores, _ = nearest_others(vectors, np.arange(len(vectors)), min(k, len(vectors) - 1))
    near: Float64[np.ndarray, " m"] = 1.0 - scores.astype(np.float64).mean(axis=1)
    return near
