"""Probes of the nearest pictures: purity, the height at which neighbours meet, retrieval, hubness."""

import numpy as np
from jaxtyping import Float, Int


def purity(
    labels: Int[np.ndarray, " n"], queries: Int[np.ndarray, " q"], rows: Int[np.ndarray, "q k"]
) -> Float[np.ndarray, " q"]:
    """Share of each query's k neighbours that have its label: (1/k) sum_j [y_j = y_i]; a neighbour without (-1) has not.

    With k = 1 the agreement of nearest neighbours; Manning et al. 2008, Introduction to Information Retrieval, section 16.3.
    """
    same: Float[np.ndarray, " q"] = (labels[rows] == labels[queries][:, None]).mean(axis=1)
    return same


def taxonomic_distance(a: Int[np.ndarray, "... ranks"], b: Int[np.ndarray, "... ranks"]) -> Int[np.ndarray, "..."]:
    """Ranks from two paths up to where they meet: 0 for the same path, 7 where not even the kingdom is shared.

    Ranks are compared from the kingdom down, as `cladescope.taxonomy.taxon.lca` does. Codes are of `cladescope.taxonomy.rank_table.rank_codes`.
    """
    shared = np.logical_and.accumulate(a == b, axis=-1)
    return np.asarray(a.shape[-1] - shared.sum(axis=-1))


def hierarchical_precision(
    codes: Int[np.ndarray, "l ranks"],
    lineage: Int[np.ndarray, " n"],
    queries: Int[np.ndarray, " q"],
    rows: Int[np.ndarray, "q k"],
) -> Float[np.ndarray, " q"]:
    """HP@k: how like each query its k neighbours are, over how like the k most alike pictures are; 1 is the best order.

    Alike is the share of ranks down to where two lineages meet, 1 - `taxonomic_distance` / ranks. Barz & Denzler 2019,
    Hierarchy-based Image Embeddings, https://arxiv.org/abs/1809.09924, equation 10. Takes 8 q k bytes; the best order comes
    from counts of each clade, so that no pair is looked at.

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
        _, clade = np.unique(codes[:, :depth], axis=0, return_inverse=True)
        others = (
            np.bincount(clade.ravel(), weights=pictures)[clade.ravel()] - 1
        )  # all in the clade but the query itself
        reached = np.minimum(others, k)
        best += (reached - taken) * depth / ranks
        taken = reached
    most = best[lineage[queries]]
    return np.where(most > 0, found.sum(axis=1) / np.where(most > 0, most, 1), 0.0)


def k_occurrence(rows: Int[np.ndarray, "q k"], n: int) -> Int[np.ndarray, " n"]:
    """How often each of n pictures is among the k nearest of another."""
    return np.bincount(rows.ravel(), minlength=n)


def skewness(counts: Int[np.ndarray, " n"]) -> float:
    """Third standardised moment of the k-occurrences, 0 where all are alike.

    Radovanovic et al. 2010, Hubs in Space, https://www.jmlr.org/papers/v11/radovanovic10a.html, equation 1.

    >>> round(skewness(np.array([0, 0, 0, 4])), 3)
    1.155
    """
    spread = float(counts.std())
    return float(((counts - counts.mean()) ** 3).mean() / spread**3) if spread else 0.0
