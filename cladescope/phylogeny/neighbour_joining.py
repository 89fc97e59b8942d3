"""Neighbour joining: the tree of a matrix of distances, without the assumption that all tips are equally far from a root."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from cladescope.errors import InputError
from cladescope.phylogeny.tree import Tree

_BLOCK = 1 << 18
"""Bytes of the rows that are looked through at a time, so that they stay in the cache."""


def neighbour_joining(distances: Float[np.ndarray, "n n"], labels: Sequence[str | None] | None = None) -> Tree:
    """The neighbour-joining tree of n tips, which are the last n rows, in the order of the matrix.

    Saitou & Nei 1987, https://doi.org/10.1093/oxfordjournals.molbev.a040454, by the criterion of Studier & Keppler 1988; exact, of equal
    criteria the first. The tree has no root: row 0 is where the last three branches meet (of two tips the middle between them). Distances along a
    tree give back that tree with its lengths; others may give branches of negative length, which stay as they are.

    Time n^3 / 3 twice, memory 8 n^2 bytes; 600 tips take 0.1 s, 2,000 some 3 s.

    Raises InputError for no tip, labels or sides of other lengths, distances that are not finite, not symmetric or not 0 to itself.

    >>> quartet = np.array([[0, 3, 7, 8], [3, 0, 8, 9], [7, 8, 0, 5], [8, 9, 5, 0]], float)
    >>> tree = neighbour_joining(quartet, list("abcd"))
    >>> tree.tip_labels, bool((tree.cophenetic() == quartet).all())
    (('a', 'b', 'c', 'd'), True)
    """
    n = len(distances)
    names: list[str | None] = [None] * n if labels is None else list(labels)
    _check(distances, names)
    if n == 1:
        return Tree(parent=np.array([-1]), length=np.array([np.nan]), label=tuple(names))
    pairs, lengths, last, last_lengths = _joined(distances.astype(np.float64))
    n_inner = len(pairs) + 1
    # Nodes are numbered as they are made, tips first; rows the other way round, tips last, so that parents stand before children.
    row_of = np.concatenate([np.arange(n_inner, n_inner + n), np.arange(n_inner - 1, 0, -1)])
    parent, length = np.full(n_inner + n, -1), np.full(n_inner + n, np.nan)
    for made, (pair, two) in enumerate(zip(pairs, lengths, strict=True)):
        parent[row_of[pair]], length[row_of[pair]] = row_of[n + made], two
    parent[row_of[last]], length[row_of[last]] = 0, last_lengths
    return Tree(parent=parent, length=length, label=(*[None] * n_inner, *names))


def _check(distances: Float[np.ndarray, "n n"], labels: Sequence[str | None]) -> None:
    n = len(distances)
    if not n:
        raise InputError("a matrix of no tip, expected one or more")
    if len(labels) != n:
        raise InputError(f"found {len(labels)} labels for {n} tips, expected one each")
    if not np.isfinite(distances).all():
        raise InputError(f"{(~np.isfinite(distances)).sum()} of {n * n} distances are not finite: leave those tips out")
    near = 1e-9 * max(float(np.abs(distances).max()), 1e-30)
    if np.abs(distances - distances.T).max() > near or np.abs(np.diag(distances)).max() > near:
        raise InputError("distances differ from a to b and from b to a, or are not 0 from a to a: expected both")


def _joined(
    d: Float[np.ndarray, "n n"],
) -> tuple[
    list[Int[np.ndarray, " 2"]], list[Float[np.ndarray, " 2"]], Int[np.ndarray, " ends"], Float[np.ndarray, " ends"]
]:
    """Nodes that are joined one after the other with their lengths, and the nodes that are left, three or two, with theirs.

    `d` is written over: of the m nodes that are left the first m rows and columns, infinite to itself.
    """
    n = m = len(d)
    total = d.sum(axis=1)
    np.fill_diagonal(d, np.inf)
    node = np.arange(n)
    pairs, lengths = [], []
    while m > 3:
        i, j = _best(d[:m, :m], total[:m] / (m - 2))
        between = d[i, j]
        lean = (total[i] - total[j]) / (2 * (m - 2))
        pairs.append(node[[i, j]])
        lengths.append(np.array([between / 2 + lean, between / 2 - lean]))
        new = (d[i, :m] + d[j, :m] - between) / 2
        new[[i, j]] = 0
        total[:m] += new - d[i, :m] - d[j, :m]
        # The new node takes the place of the first, the last node that of the second.
        node[i], node[j] = 2 * n - m, node[m - 1]
        total[i] = new.sum()
        d[i, :m] = d[:m, i] = new
        d[i, i] = np.inf
        d[j, :m], d[:m, j] = d[m - 1, :m], d[:m, m - 1]
        d[j, j], total[j] = np.inf, total[m - 1]
        m -= 1
    if m < 3:
        return pairs, lengths, node[:m], np.full(m, d[0, 1] / 2)
    a, b, c = d[0, 1], d[0, 2], d[1, 2]
    return pairs, lengths, node[:3], np.array([a + b - c, a + c - b, b + c - a]) / 2


def _best(d: Float[np.ndarray, "m m"], mean: Float[np.ndarray, " m"]) -> tuple[int, int]:
    """The two nodes of least d - mean - mean, the first of equal ones."""
    m = len(d)
    size = max(1, _BLOCK // (8 * m))
    scores = np.empty((size, m))
    best, found = np.inf, (0, 1)
    for start in range(0, m, size):
        stop = min(m, start + size)
        part = np.subtract(d[start:stop], mean, out=scores[: stop - start])
        part -= mean[start:stop, None]
        place = int(part.argmin())
        if part.flat[place] < best:
            best, found = float(part.flat[place]), (start + place // m, place % m)
    i, j = found
    return (i, j) if i < j else (j, i)
