"""Probes of the species' mean vectors against their taxonomic distances: correlation, triplets, cophenetic correlation."""

import numpy as np
from jaxtyping import Bool, Float, Int, Num
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform
from scipy.stats import rankdata


def ranked(distances: Num[np.ndarray, "s s"]) -> Float[np.ndarray, "s s"]:
    """A symmetric matrix with its entries off the diagonal replaced by their ranks, ties by their mean."""
    return np.asarray(squareform(rankdata(squareform(distances, checks=False))))


def matrix_correlation(a: Float[np.ndarray, "s s"], b: Float[np.ndarray, "s s"]) -> float:
    """Pearson's correlation of two matrices over the entries off the diagonal; NaN where one is constant.

    Of ranks it is Spearman's; with rows and columns of one permuted together it is the Mantel test: Mantel 1967, The Detection of
    Disease Clustering and a Generalized Regression Approach.
    """
    kept = ~np.eye(len(a), dtype=bool)
    x, y = a[kept] - a[kept].mean(), b[kept] - b[kept].mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale else float("nan")


def triplets(distances: Int[np.ndarray, "s s"], n: int, *, seed: int) -> Int[np.ndarray, "3 t"]:
    """At most n sampled (anchor, nearer relative, farther relative), by taxonomic distance; ties are left out."""
    a, b, c = np.random.default_rng(seed).integers(len(distances), size=(3, n))
    b, c = np.where(distances[a, b] <= distances[a, c], [b, c], [c, b])
    kept = (distances[a, b] < distances[a, c]) & (a != b)
    return np.stack([a, b, c])[:, kept]


def right_triplets(distances: Num[np.ndarray, "s s"], triples: Int[np.ndarray, "3 t"]) -> Bool[np.ndarray, " t"]:
    """Whether the anchor is closer to its nearer relative; Schroff et al. 2015, FaceNet, https://arxiv.org/abs/1503.03832."""
    a, b, c = triples
    return np.asarray(distances[a, b] < distances[a, c])


def average_linkage(distances: Float[np.ndarray, "s s"]) -> tuple[Float[np.ndarray, "_ 4"], Float[np.ndarray, "s s"]]:
    """The average-linkage (UPGMA) tree as SciPy's linkage, and the heights at which its tips meet.

    Sokal & Michener 1958; the correlation of the heights with other distances is the cophenetic correlation of Sokal & Rohlf 1962.
    """
    tree = linkage(squareform(distances, checks=False), "average")
    return tree, squareform(cophenet(tree))
