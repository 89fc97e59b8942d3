"""Probes of shape that need no label: hyperbolicity and intrinsic dimension."""

import numpy as np
from jaxtyping import Float


def relative_delta(distances: Float[np.ndarray, "n n"], *, n_quadruples: int, seed: int) -> float:
    """Gromov's delta by sampled four-point conditions, as 2 delta / diameter: 0 for a tree, 1 at most.

    Of the sums d(x,y)+d(z,w), d(x,z)+d(y,w), d(x,w)+d(y,z) the two largest differ by at most 2 delta in a delta-hyperbolic
    space. Khrulkov et al. 2020, Hyperbolic Image Embeddings, https://arxiv.org/abs/1904.02239, section 3; they fix a base point
    and take all triples. A maximum over a sample is a lower bound.

    >>> line = np.abs(np.arange(5.0)[:, None] - np.arange(5.0))
    >>> relative_delta(line, n_quadruples=50, seed=0)
    0.0
    """
    x, y, z, w = np.random.default_rng(seed).integers(len(distances), size=(4, n_quadruples))
    d = distances
    sums = np.sort([d[x, y] + d[z, w], d[x, z] + d[y, w], d[x, w] + d[y, z]], axis=0)
    widest = float(d.max())
    return float((sums[2] - sums[1]).max()) / widest if widest else 0.0


def two_nn(distances: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"] | None = None) -> float:
    """Intrinsic dimension 1 / mean log(r2 / r1) from the two nearest distances; NaN where fewer than 2 rows differ.

    Facco et al. 2017, https://doi.org/10.1038/s41598-017-11873-y, by maximum likelihood instead of their fitted line. Rows with a
    copy (r1 = 0) are left out. Rows are of equal weight unless given.
    """
    apart = distances[:, 0] > 0
    if apart.sum() < 2:
        return float("nan")
    ratio = np.log(distances[apart, 1] / distances[apart, 0])
    inverse = float(np.average(ratio, weights=None if weights is None else weights[apart]))
    return 1 / inverse if inverse > 0 else float("nan")


def levina_bickel(distances: Float[np.ndarray, "n k"], weights: Float[np.ndarray, " n"] | None = None) -> float:
    """Intrinsic dimension by maximum likelihood, the inverse of the mean over rows of mean_j log(r_k / r_j).

    Levina & Bickel 2004, Maximum Likelihood Estimation of Intrinsic Dimension, averaged as MacKay & Ghahramani 2005 correct it.
    Rows with a copy are left out. Rows are of equal weight unless given.
    """
    apart = distances[:, 0] > 0
    if not apart.any():
        return float("nan")
    each = np.log(distances[apart, -1:] / distances[apart, :-1]).mean(axis=1)
    inverse = float(np.average(each, weights=None if weights is None else weights[apart]))
    return 1 / inverse if inverse > 0 else float("nan")
