"""The path of a picture's answer down the tree, from the best root to its best child and on, and where on it the answer is wrong.

Nothing here needs a model: probabilities in, nodes out. Where an answer shall stop on its path is `back_off`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANKS, Taxon


@dataclass(frozen=True, eq=False)
class Traces:
    """The path of each picture's answer, and where on it the answer is wrong."""

    chances: Float64[np.ndarray, "q ranks"]
    """Probability of the node met at each rank; NaN where none is met."""
    wrong: Bool[np.ndarray, "q ranks"]
    standing: Float64[np.ndarray, " q"] | None = None
    """How near each picture lies to what is known (`Known.standing`); None where that was not measured."""

    def __len__(self) -> int:
        return len(self.chances)

    def __getitem__(self, rows: Any) -> "Traces":
        return Traces(self.chances[rows], self.wrong[rows], None if self.standing is None else self.standing[rows])

    @staticmethod
    def of_parts(parts: "Sequence[Traces]") -> "Traces":
        """Some traces as one; of none, an empty one. Where a picture stands is kept if all parts say it."""
        none = np.empty((0, len(RANKS)))
        chances = np.concatenate([none, *(part.chances for part in parts)])
        stand = [part.standing for part in parts if part.standing is not None]
        standing = np.concatenate(stand) if parts and len(stand) == len(parts) else None
        return Traces(chances, np.concatenate([none.astype(bool), *(part.wrong for part in parts)]), standing)

    @property
    def critical(self) -> Float64[np.ndarray, " q"]:
        """Probability of the first wrong node on each path; 0 where none is wrong. See `critical_values`."""
        first = self.wrong.argmax(axis=1)
        found = self.chances[np.arange(len(self)), first]
        return np.where(self.wrong.any(axis=1), found, 0.0)


def trace(
    tree: ClassTree,
    probabilities: Float[np.ndarray, "q c"],
    truth: Sequence[Taxon],
    standing: Float[np.ndarray, " q"] | None = None,
) -> Traces:
    """Where each picture's answer goes, from the best root to its best child and on. Raises as `critical_values` does."""
    if len(truth) != len(probabilities):
        raise InputError(f"{len(truth)} true taxa for {len(probabilities)} pictures: expected one each")
    path, chances = walk(tree, probabilities)
    return Traces(
        chances, _is_wrong(tree, path, truth), None if standing is None else standing.astype(np.float64, copy=False)
    )


def critical_values(
    tree: ClassTree, probabilities: Float[np.ndarray, "q c"], truth: Sequence[Taxon]
) -> Float64[np.ndarray, " q"]:
    """Probability of the first wrong node on each picture's path; 0 where none is wrong.

    An answer is wrong where a threshold lets it reach that node. A node is right if it is the true taxon or lies above
    it. A node below the true taxon (the picture is known to its genus only) counts as right: nothing says otherwise, and
    a cautious reader gives pictures that are known to the species. Of a taxon that the tree does not have, the lineage
    is right as far as it goes. Memory: that of `ClassTree.roll_up`.

    Raises InputError for another number of truths than pictures.

    >>> tree = ClassTree.from_taxa([Taxon(("Animalia", "Chordata")), Taxon(("Animalia", "Arthropoda"))])
    >>> critical_values(tree, np.array([[0.75, 0.25]]), [Taxon(("Animalia", "Arthropoda"))])
    array([0.75])
    """
    return trace(tree, probabilities, truth).critical


def walk(
    tree: ClassTree, probabilities: Float[np.ndarray, "q c"]
) -> tuple[Int[np.ndarray, "q ranks"], Float64[np.ndarray, "q ranks"]]:
    """The node of each picture's path at each rank, -1 where none is met, and its probability, NaN where none is met."""
    nodes = tree.roll_up(probabilities)
    path = tree.descend(nodes)
    rows = np.arange(len(path))[:, None]
    return path, np.where(path >= 0, nodes[rows, path], np.nan).astype(np.float64)


def without_own(tree: ClassTree, probabilities: Float[np.ndarray, "q c"], truth: Sequence[Taxon]) -> np.ndarray:
    """Probabilities as if each picture's own taxon were not among the classes: its classes get 0, the others all.

    It imitates taxa never seen. Exact where classes are scored apart from each other (zero-shot, class means): a softmax
    over the others is the same renormalised. Where the own class has all, the others share equally.
    """
    found = np.array(probabilities, copy=True)
    nodes = [tree.node_of(taxon) for taxon in truth]
    rows, own = tree.class_pairs(np.array([-1 if node is None else node for node in nodes], np.int64))
    n_own = np.bincount(rows, minlength=len(found))
    if len(whole := np.flatnonzero(n_own == tree.n_classes)):
        raise InputError(f"every class lies in {truth[whole[0]]}: nothing is left without it, so give more classes")
    found[rows, own] = 0.0
    left = found.sum(axis=1)
    found /= np.where((n_own > 0) & (left > 0), left, 1.0).astype(found.dtype)[:, None]
    bare = (n_own > 0) & ~(left > 0)
    found[bare] = (1 / (tree.n_classes - n_own[bare]))[:, None]
    found[rows[bare[rows]], own[bare[rows]]] = 0.0
    return found


def is_right(tree: ClassTree, answered: Int[np.ndarray, " q"], truth: Sequence[Taxon]) -> Bool[np.ndarray, " q"]:
    """Whether each answered node holds the true taxon, or lies in its clade; no answer (-1) is right."""
    path = np.full((len(answered), len(RANKS)), -1)
    met = answered >= 0
    path[met] = tree.lineage[answered[met]]
    return np.logical_not(_is_wrong(tree, path, truth).any(axis=1))


def _is_wrong(tree: ClassTree, path: Int[np.ndarray, "q ranks"], truth: Sequence[Taxon]) -> Bool[np.ndarray, "q ranks"]:
    """Which nodes of each path neither hold the true taxon nor lie in its clade."""
    deepest = {taxon: tree.lowest_node_above(taxon) for taxon in set(truth)}
    lowest = np.array([-1 if deepest[taxon] is None else deepest[taxon] for taxon in truth], np.int64)
    is_own = np.array([tree.node_of(taxon) is not None for taxon in truth], bool)
    line = np.where((lowest >= 0)[:, None], tree.lineage[lowest], -1)
    met = path >= 0
    above = met & (line == path)
    below = np.zeros_like(met)
    for place in range(path.shape[1]):
        below[:, place] = is_own & tree.contains(lowest, path[:, place])
    # Below a wrong node all is wrong, so that the loss falls as the threshold grows.
    return np.logical_or.accumulate(met & ~above & ~below, axis=1) & met
