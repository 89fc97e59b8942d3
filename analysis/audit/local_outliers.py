"""The local outlier factor: pictures that lie apart from their neighbours, whatever these are called."""

import numpy as np
from jaxtyping import Bool, Float, Float64

from cladescope.index.neighbour_graph import nearest_others

K = 20
LEAST = 0.1
"""Pictures nearer to each other than this share of the usual distance to the farthest neighbour count as so near."""


def local_outlier_factor(vectors: Float[np.ndarray, "n d"], *, k: int = K) -> Float64[np.ndarray, " n"]:
    """How much sparser each picture lies than its k nearest: 1 as dense, 2 half as dense.

    Breunig et al. 2000, LOF: Identifying Density-Based Local Outliers, https://doi.org/10.1145/335191.335388, as scikit-learn has it, with the distance of
    unit vectors. We differ for copies, beside which everything would be an outlier: see `LEAST`. Above 100,000 vectors some neighbours are missed, as in
    `neighbour_graph`. Memory: 20 n k bytes.

    >>> line = np.array([[np.cos(a), np.sin(a)] for a in (0.0, 0.1, 0.2, 0.3, 0.4, 1.4)])
    >>> local_outlier_factor(line, k=2).round(1).tolist()
    [1.2, 1.2, 0.7, 1.2, 1.2, 6.7]
    """
    n = len(vectors)
    scores, near = nearest_others(vectors, np.arange(n), min(k, n - 1))
    distance = np.sqrt(np.maximum(2 - 2 * scores.astype(np.float64), 0))
    farthest = distance[:, -1]
    # Within the distance to a neighbour's own farthest one, all count as equally near to it.
    reach = np.maximum(np.maximum(distance, farthest[near]), LEAST * np.median(farthest))
    density = 1 / (reach.mean(axis=1) + 1e-10)
    found: Float64[np.ndarray, " n"] = density[near].mean(axis=1) / density
    return found


def sparsest(factors: Float64[np.ndarray, " n"], share: float) -> Bool[np.ndarray, " n"]:
    """Whether a picture is among at most a share of all, those of the largest factors above 1; of equal ones at the edge none.

    >>> sparsest(np.array([1.0, 3.0, 1.2, 0.9]), 0.5).tolist(), sparsest(np.array([2.0, 2.0, 2.0]), 0.5).tolist()
    ([False, True, True, False], [False, False, False])
    """
    n_most = int(share * len(factors) + 1e-9)
    edge = np.sort(factors)[len(factors) - n_most - 1] if n_most < len(factors) else -np.inf
    return np.asarray((factors > edge) & (factors > 1))
