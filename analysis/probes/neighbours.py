"""Measures of the nearest pictures: the height at which they meet, hierarchical precision, hubness."""

import numpy as np
from jaxtyping import Float, Int


def taxonomic_distance(a: Int[np.ndarray, "... ranks"], b: Int[np.ndarray, "... ranks"]) -> Int[np.ndarray, "..."]:
    """Ranks from two paths up to where they meet: 0 for the same taxon of the last rank, 7 where not even the kingdom is shared.

    They meet at the lowest rank at which both have a name, and the same taxon: what is not known (-1) is not equal to what is not known. Codes
    are of `cladescope.taxonomy.rank_table.taxon_codes`, which tell taxa apart by their whole path.

    >>> taxonomic_distance(np.array([[3, -1, 7], [3, -1, -1]]), np.array([[3, -1, 7], [3, -1, -1]]))
    array([0, 2])
    """
    ranks = a.shape[-1]
    shared = (a == b) & (a >= 0)
    lowest = np.where(shared, np.arange(1, ranks + 1), 0).max(axis=-1)
    return np.asarray(ranks - lowest)


def hierarchical_precision(
    codes: Int[np.ndarray, "l ranks"],
    lineage: Int[np.ndarray, " n"],
    queries: Int[np.ndarray, " q"],
    rows: Int[np.ndarray, "q k"],
) -> Float[np.ndarray, " q"]:
    """HP@k: how like each query its k neighbours are, over how like the k most alike pictures are; 1 is the best order.

    Alike is the share of ranks down to where two lineages meet, 1 - `taxonomic_distance` / ranks. Barz & Denzler 2019,
    Hierarchy-based Image Embeddings, https://arxiv.org/abs/1809.09924, equation 10. Takes 8 q k bytes; the best order comes
    from counts of each taxon, so that no pair is looked at.

    >>> codes = np.array([[1, 1], [1, 2], [2, 3]])
    >>> hierarchical_precision(codes, np.array([0, 0, 1, 2]), np.array([0]), np.array([[2]]))
    array([0.5])
    """
    ranks, k = codes.shape[1], rows.shape[1]
    own = codes[lineage[queries]]
    found = 1 - taxonomic_distance(own[:, None], codes[lineage[rows]]) / ranks
    pictures = np.bincount(lineage, minlength=len(codes))
    best, taken = np.zeros(len(codes)), np.zeros(len(codes))
    for depth in range(ranks, 0, -1):
        _, taxon = np.unique(codes[:, depth - 1], return_inverse=True)
        others = np.bincount(taxon, weights=pictures)[taxon] - 1  # all of the taxon but the query itself
        others = np.where(codes[:, depth - 1] >= 0, others, 0)
        reached = np.maximum(taken, np.minimum(others, k))
        best += (reached - taken) * depth / ranks
        taken = reached
    most = best[lineage[queries]]
    return np.where(most > 0, found.sum(axis=1) / np.where(most > 0, most, 1), 0.0)


def k_occurrence(rows: Int[np.ndarray, "q k"], n: int) -> Int[np.ndarray, " n"]:
    """How often each of n pictures is among the k nearest of another."""
    return np.bincount(rows.ravel(), minlength=n)


def skewness(counts: Int[np.ndarray, " n"], weights: Float[np.ndarray, " n"] | None = None) -> float:
    """Third standardised moment of the k-occurrences, 0 where all are alike; of pictures of equal weight unless given.

    Radovanovic et al. 2010, Hubs in Space, https://www.jmlr.org/papers/v11/radovanovic10a.html, equation 1.

    >>> round(skewness(np.array([0, 0, 0, 4])), 3)
    1.155
    """
    centred = counts - np.average(counts, weights=weights)
    spread = float(np.sqrt(np.average(centred**2, weights=weights)))
    return float(np.average(centred**3, weights=weights)) / spread**3 if spread else 0.0
