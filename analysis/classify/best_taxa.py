"""The best taxa of a rank for each picture, over any number of classes, in memory that grows with neither.

Classes pass in the tree's order, some hundred at a time, so that those of one taxon come one after another: its sum is whole
when the next begins, and only the best so far are kept. The sum over all classes, which turns sums into probabilities, is
known at the end. This module does no more; `class_tree.roll_up` gives every node, from all probabilities of a picture.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float32, Float64, Int, Real
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.arrays import blocks
from cladescope.errors import InputError
from cladescope.processor import n_cores
from cladescope.taxonomy.taxon import RANK_INDEX

BLOCK_PICTURES = 4096
"""Pictures that are best asked together: each block of them reads every class vector once."""

_TILE_CLASSES = 512
_UNFILLED = -1.0


def best_taxa(
    gallery: ClassGallery, vectors: Real[np.ndarray, "q d"], rank: str, k: int
) -> tuple[Float32[np.ndarray, "q k_or_m"], Int[np.ndarray, "q k_or_m"]]:
    """The k likeliest of the m taxa of a rank for each picture: probabilities, highest first, and nodes of the tree.

    All m where there are fewer; ties by the smaller node. A taxon's probability is the sum over the classes in its clade, as
    `ClassTree.roll_up` has it, up to rounding. Each core takes its share of the pictures and holds 5 t q + 4 t d bytes for
    tiles of t = 512 classes, beside 4 bytes a class. The softmax over tiles is that of Milakov and Gimelshein 2018, Online
    normalizer calculation for softmax, https://arxiv.org/abs/1805.02867.

    Raises InputError where no class has the rank, and as `ClassGallery.probabilities` does.

    >>> from cladescope.analysis.classify.class_tree import ClassTree
    >>> from cladescope.taxonomy.taxon import Taxon
    >>> tree = ClassTree.from_taxa([Taxon(("Animalia", "Chordata")), Taxon(("Animalia",)), Taxon(("Fungi",))])
    >>> gallery = ClassGallery(np.eye(3, dtype=np.float32), ("a", "b", "c"), scale=1.0, tree=tree)
    >>> chances, nodes = best_taxa(gallery, np.eye(1, 3, dtype=np.float32), "kingdom", 5)
    >>> chances.round(2), [tree.taxon(node).name for node in nodes[0]]
    (array([[0.79, 0.21]], dtype=float32), ['Animalia', 'Fungi'])
    """
    tree = gallery.tree
    nodes = np.empty(0, np.int32) if tree is None else tree.at(rank)
    if tree is None or not len(nodes):
        raise InputError(f"no class has a {rank}: ask for another rank")
    queries = gallery.prepared(vectors) * np.float32(gallery.scale)
    gallery.check_prior()
    own = tree.class_nodes[:, RANK_INDEX[rank]]
    own = own[tree.order] if tree.order is not None else np.ascontiguousarray(own)
    k = min(k, len(nodes))
    cores = n_cores()
    shares = [queries[start:stop] for start, stop in blocks(len(queries), size=max(1, -(-len(queries) // cores)))]
    # Two threads that multiply one pair of matrices wait for each other, badly so beside other work; two products do not.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores) as pool:
        found = list(pool.map(lambda share: _over_classes(gallery, share, own, k), shares))
    if not found:
        return np.empty((0, k), np.float32), np.empty((0, k), np.int64)
    return np.concatenate([chances for chances, _ in found]), np.concatenate([best for _, best in found])


def _over_classes(
    gallery: ClassGallery, queries: Float32[np.ndarray, "q d"], own: Int[np.ndarray, " c"], k: int
) -> tuple[Float32[np.ndarray, "q k"], Int[np.ndarray, "q k"]]:
    """For queries that are multiplied by the scale, and the node of each class in the tree's order, -1 for none."""
    assert gallery.tree is not None
    order, c = gallery.tree.order, len(gallery)
    x = np.ascontiguousarray(queries.T)
    best = _Best(len(queries), k)
    buffer = np.empty((min(c, _TILE_CLASSES), len(queries)), np.float32)
    for start, stop in blocks(c, size=_TILE_CLASSES):
        rows = slice(start, stop) if order is None else order[start:stop]
        scores = np.matmul(gallery.vectors[rows].astype(np.float32, copy=False), x, out=buffer[: stop - start])
        if gallery.bias is not None:
            scores += np.float32(gallery.scale) * gallery.bias[rows, None]
        if gallery.log_prior is not None:
            scores += gallery.log_prior[rows, None]
        best.add(scores, own[start:stop], goes_on=stop < c and bool(own[stop] == own[stop - 1]))
    return best.found()


class _Best:
    """The k best taxa so far of q pictures; sums are in units of exp(highest score so far)."""

    def __init__(self, q: int, k: int) -> None:
        self._top = np.full(q, -np.inf, np.float32)
        self._total: Float64[np.ndarray, " q"] = np.zeros(q)
        self._sums = np.full((k, q), _UNFILLED, np.float32)
        self._nodes = np.full((k, q), -1)
        self._open: Float32[np.ndarray, " q"] | None = None
        """The sum so far of a taxon whose classes go on in the next tile."""

    def add(self, scores: Float32[np.ndarray, "t q"], own: Int[np.ndarray, " t"], *, goes_on: bool) -> None:
        """Take the next tile of classes, whose scores are overwritten; `goes_on` if its last taxon does so after it."""
        top = np.maximum(self._top, scores.max(axis=0))
        shift = np.where(np.isfinite(top), top, np.float32(0))  # a prior may rule out all classes so far
        self._shrink(np.exp(self._top - shift))
        self._top = top
        np.subtract(scores, shift, out=scores)
        np.exp(scores, out=scores)
        self._total += scores.sum(axis=0)
        starts = np.flatnonzero(np.diff(own, prepend=-2))
        sums = scores if len(starts) == len(own) else _summed(scores, starts)
        if self._open is not None:
            sums[0] += self._open
        self._open = sums[-1].copy() if goes_on else None
        closed = len(starts) - goes_on
        self._offer(sums[:closed], own[starts[:closed]])

    def found(self) -> tuple[Float32[np.ndarray, "q k"], Int[np.ndarray, "q k"]]:
        """Probabilities and nodes, once every class was added."""
        return (self._sums / self._total).astype(np.float32).T, self._nodes.T

    def _shrink(self, factor: Float32[np.ndarray, " q"]) -> None:
        self._total *= factor
        self._sums *= factor
        self._sums[self._nodes < 0] = _UNFILLED
        if self._open is not None:
            self._open *= factor

    def _offer(self, sums: Float32[np.ndarray, "g q"], nodes: Int[np.ndarray, " g"]) -> None:
        """Keep what is better than the worst that is kept; nodes come in ascending order, so that of equals the first stays."""
        k, q = self._sums.shape
        sums[nodes < 0] = _UNFILLED
        better = sums > self._sums[-1]
        if len(sums) > k and self._nodes[-1].min(initial=0) < 0:
            better &= sums >= np.partition(sums, -k, axis=0)[-k]
        group, picture = np.divmod(np.flatnonzero(better), q)
        if not len(group):
            return
        changed = np.unique(picture)
        values = np.concatenate([self._sums[:, changed].ravel(), sums[group, picture]])
        who = np.concatenate([self._nodes[:, changed].ravel(), nodes[group]])
        whose = np.concatenate([np.tile(changed, k), picture])
        order = np.lexsort((who, -values, whose))
        whose = whose[order]
        place = np.arange(len(whose)) - np.searchsorted(whose, whose)
        kept = place < k
        self._sums[place[kept], whose[kept]] = values[order][kept]
        self._nodes[place[kept], whose[kept]] = who[order][kept]


def _summed(scores: Float32[np.ndarray, "t q"], starts: Int[np.ndarray, " g"]) -> Float32[np.ndarray, "g q"]:
    """Sums of consecutive rows, from each start to the next: several times as fast as `np.add.reduceat` along rows."""
    t = len(scores)
    groups = csr_array((np.ones(t, np.float32), np.arange(t), np.append(starts, t)), shape=(len(starts), t))
    found: Float32[np.ndarray, "g q"] = groups @ scores
    return found
