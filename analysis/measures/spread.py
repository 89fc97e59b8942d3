"""How vectors spread: how much of it lies between classes, and the silhouette."""

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.measures.class_sums import class_sums


def variance_parts(
    vectors: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Squared distance from each row's class mean to the mean of all, and from the row to the mean of all.

    Eta squared is the ratio of their sums, sum_c n_c |m_c - m|^2 / sum_i |x_i - m|^2, and the Fisher ratio (between over
    within) is eta^2 / (1 - eta^2). Fisher 1925, Statistical Methods for Research Workers, chapter VIII. Eta squared grows with the
    number of classes: compare it with its null.
    """
    centre = vectors.mean(axis=0, dtype=np.float64).astype(vectors.dtype)
    sums, counts = class_sums(vectors, labels)
    between = ((sums / counts[:, None] - centre) ** 2).sum(axis=1)
    return between[labels], ((vectors - centre) ** 2).sum(axis=1)


def alike_weights(groups: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """A weight for each row, so that each group has as much in all, whatever its rows; their sum is 1.

    >>> alike_weights(np.array([5, 5, 9])).tolist()
    [0.25, 0.25, 0.5]
    """
    _, group, count = np.unique(groups, return_inverse=True, return_counts=True)
    found: Float[np.ndarray, " n"] = 1 / (len(count) * count[group])
    return found


def weighted_eta_squared(
    vectors: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], weights: Float[np.ndarray, " n"]
) -> float:
    """Eta squared of rows that do not count alike: the share of the weighted variance that lies between classes; 0 where nothing differs.

    With equal weights it is that of `variance_parts`. Weights are above 0 and their sum is 1. Memory: 8 n d bytes.

    >>> points = np.array([[0.0], [2.0], [10.0]])
    >>> round(weighted_eta_squared(points, np.array([0, 0, 1]), alike_weights(np.array([0, 0, 1]))), 4)
    0.9759
    """
    parts = vectors * weights[:, None]
    centre = parts.sum(axis=0, dtype=np.float64)
    sums, _ = class_sums(parts, labels)
    share = np.bincount(labels, weights=weights)
    between = float(share @ ((sums / share[:, None] - centre) ** 2).sum(axis=1))
    total = float(weights @ ((vectors - centre) ** 2).sum(axis=1))
    return between / total if total else 0.0


def silhouette(
    vectors: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], queries: Int[np.ndarray, " q"]
) -> Float[np.ndarray, " q"]:
    """(b - a) / max(a, b) of some rows in the cosine distance, against all rows; 0 for the only one of its class.

    Rousseeuw 1987, https://doi.org/10.1016/0377-0427(87)90125-7. Vectors are of unit length: the mean distance to a class is
    1 - x . m_c, so no pair is left out and a mean over sampled rows is unbiased. Takes 4 q c bytes.
    """
    sums, counts = class_sums(vectors, labels)
    x, own = vectors[queries], labels[queries]
    distance = 1 - (x @ (sums / counts[:, None]).T)
    row = np.arange(len(queries))
    n_own = counts[own]
    # The row's distance to itself is 0, and it is no other member of its class.
    a = distance[row, own] * n_own / np.maximum(n_own - 1, 1)
    distance[row, own] = np.inf
    b = distance.min(axis=1)
    widest = np.maximum(np.maximum(a, b), 1e-12)
    found: Float[np.ndarray, " q"] = np.where(n_own > 1, (b - a) / widest, 0.0)
    return found
