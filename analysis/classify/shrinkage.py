"""Class means that lean on the tree: a species with few pictures on its genus, the genus on its family."""

import numpy as np
from jaxtyping import Float64, Int

from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.measures.class_sums import class_sums
from cladescope.errors import InputError


def shrunk_means(
    tree: ClassTree, sums: Float64[np.ndarray, "c d"], counts: Int[np.ndarray, " c"], *, kappa: float
) -> Float64[np.ndarray, "c d"]:
    """Means of classes, each mixed with kappa pseudo-pictures of the taxon above it.

    From the roots down m' = (n m + kappa m'_parent) / (n + kappa), with m the mean of the n pictures in a clade, over the
    ranks that are there; roots keep their mean. James & Stein's estimator along a tree: Efron & Morris 1975, Data analysis
    using Stein's estimator, https://doi.org/10.1080/01621459.1975.10479864. kappa 0 gives the plain means. Memory:
    24 n d bytes for the n nodes of the tree.

    Raises InputError for kappa below 0.

    >>> from cladescope.taxonomy.taxon import Taxon
    >>> tree = ClassTree.from_taxa([Taxon(("Animalia", "Chordata")), Taxon(("Animalia", "Arthropoda"))])
    >>> shrunk_means(tree, np.array([[2.0], [0.0]]), np.array([1, 1]), kappa=1.0)
    array([[1.5],
           [0.5]])
    """
    if not kappa >= 0:
        raise InputError(f"kappa is {kappa}: expected a number of pseudo-pictures, 0 or more")
    if kappa == 0:
        plain: Float64[np.ndarray, "c d"] = sums / counts[:, None]
        return plain
    totals, n = tree.roll_up(sums.T).T, tree.roll_up(counts[None].astype(np.float64))[0]
    leaning = totals / n[:, None]
    for rank in np.unique(tree.rank):  # a parent's mean is done before its children's
        nodes = np.flatnonzero((tree.rank == rank) & (tree.parent >= 0))
        above = leaning[tree.parent[nodes]]
        leaning[nodes] = (totals[nodes] + kappa * above) / (n[nodes] + kappa)[:, None]
    # A class leans on what its taxon leans on, and not on itself.
    node = tree.class_node
    parent = tree.parent[node]
    above = np.where((parent >= 0)[:, None], leaning[parent], leaning[node])
    found: Float64[np.ndarray, "c d"] = (sums + kappa * above) / (counts + kappa)[:, None]
    return found


def kappa_of(tree: ClassTree, sums: Float64[np.ndarray, "c d"], counts: Int[np.ndarray, " c"]) -> float:
    """Pseudo-pictures by empirical Bayes: variance of pictures about their class over that of classes about the parent.

    For vectors of unit length, which have sum n and mean square 1, so that sums say all. Both variances are by moments
    (Efron & Morris 1975): within = (n - sum n_s |m_s|^2) / (n - c), and between from the distances of the classes of one
    parent to their mean, less what within explains. 1 where no class has two pictures or no parent two classes: nothing
    can be said then. At most 100.

    >>> from cladescope.taxonomy.taxon import Taxon
    >>> tree = ClassTree.from_taxa([Taxon(("Animalia", "Chordata")), Taxon(("Animalia", "Arthropoda"))])
    >>> kappa_of(tree, np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1, 1]))
    1.0
    """
    n, c = int(counts.sum()), len(counts)
    means = sums / counts[:, None]
    squares = np.einsum("cd,cd->c", means, means)
    _, group = np.unique(tree.parent[tree.class_node], return_inverse=True)
    sizes = np.bincount(group)
    freedom = int((sizes - 1).sum())
    if n == c or not freedom:
        return 1.0
    within = float(n - counts @ squares) / (n - c)
    middles = class_sums(means, group)[0] / sizes[:, None]
    spread = means - middles[group]
    explained = float(((1 - 1 / sizes[group]) / counts).sum()) * within
    between = (float(np.einsum("cd,cd->", spread, spread)) - explained) / freedom
    return 100.0 if between <= within / 100 else within / between
