"""How deep an answer may go: the deepest taxon such that the chance of a wrong answer stays under a risk.

A picture's answer moves along one path, from the best root to its best child and on (`ClassTree.descend`); where it stops
is a threshold on probability that labelled pictures decide. Nothing here needs a model: probabilities in, nodes out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from cladescope.analysis.class_tree import ClassTree
from cladescope.errors import InputError
from cladescope.taxon import RANK_INDEX, Taxon

NOTHING_ALLOWED = np.inf
"""A threshold that no probability reaches: every answer is "not known"."""


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
    if len(truth) != len(probabilities):
        raise InputError(f"{len(truth)} true taxa for {len(probabilities)} pictures: expected one each")
    nodes = tree.roll_up(probabilities)
    path = tree.descend(nodes)
    wrong = _is_wrong(tree, path, truth)
    first = wrong.argmax(axis=1)
    rows = np.arange(len(path))
    found = nodes[rows, path[rows, first]].astype(np.float64)
    return np.where(wrong.any(axis=1), found, 0.0)


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


def without_own(tree: ClassTree, probabilities: Float[np.ndarray, "q c"], truth: Sequence[Taxon]) -> np.ndarray:
    """Probabilities as if each picture's own taxon were not among the classes: its classes get 0, the others all.

    It imitates taxa never seen. Exact where classes are scored apart from each other (zero-shot, class means): a softmax
    over the others is the same renormalised. Where the own class has all, the others share equally.
    """
    found = np.array(probabilities, copy=True)
    rows: dict[int, list[int]] = {}
    for row, taxon in enumerate(truth):
        node = tree.node_of(taxon)
        if node is not None:
            rows.setdefault(node, []).append(row)
    for node, members in rows.items():
        own = np.flatnonzero((tree.class_nodes == node).any(axis=1))
        found[np.array(members)[:, None], own] = 0.0
        left = found[members].sum(axis=1, keepdims=True)
        if len(own) == tree.n_classes:
            raise InputError(
                f"every class lies in {tree.taxon(node)}: nothing is left without it, so give more classes"
            )
        spread = np.ones(tree.n_classes, found.dtype)
        spread[own] = 0.0
        found[members] = np.where(left > 0, found[members] / np.where(left > 0, left, 1.0), spread / spread.sum())
    return found


@dataclass(frozen=True, eq=False)
class BackOff:
    """Where answers stop, decided by labelled pictures that the classifier has not learnt from.

    Conformal risk control (Angelopoulos et al. 2024, https://arxiv.org/abs/2208.02814, eq. 4): the loss "the answer is
    wrong" falls as the threshold grows, because an answer moves up one path. Over the draw of the calibration pictures and
    one new picture the chance of a wrong answer is at most the risk, *if the new picture is exchangeable with the
    calibration pictures*: of the same places, cameras and share of strangers. It is a promise over all pictures, not for
    each species, and says nothing of pictures from elsewhere.
    """

    critical: Float64[np.ndarray, " n"]
    """Of each calibration picture, see `critical_values`."""
    n_unseen: int = 0
    """How many of them were asked as if their species were not among the classes."""

    def __post_init__(self) -> None:
        """Raises InputError where there is no calibration picture, or a value is no probability."""
        if not len(self.critical):
            raise InputError("no calibration picture: give labelled pictures of taxa that the classifier knows")
        if not ((self.critical >= 0) & (self.critical <= 1 + 1e-5)).all():
            raise InputError("critical values must be probabilities, from 0 to 1: make them with critical_values")

    def threshold(self, risk: float) -> float:
        """Least probability of a node that may be answered; `NOTHING_ALLOWED` where too few pictures allow any.

        With n calibration pictures no risk below 1 / (n + 1) can be promised. Raises InputError for a risk outside (0, 1).

        >>> BackOff(np.array([0.9, 0.6, 0.2, 0.0])).threshold(0.5) > 0.6
        True
        """
        if not 0.0 < risk < 1.0:
            raise InputError(f"the risk is {risk}: expected a share above 0 and below 1, such as 0.1")
        n = len(self.critical)
        allowed = int(np.floor(risk * (n + 1) + 1e-9)) - 1
        if allowed < 0:
            return NOTHING_ALLOWED
        if allowed >= n:
            return 0.0
        # At most `allowed` pictures may have a critical value that reaches the threshold.
        largest = np.sort(self.critical)[::-1]
        return float(np.nextafter(largest[allowed], np.inf))

    def answer(
        self, tree: ClassTree, probabilities: Float[np.ndarray, "q c"], risk: float
    ) -> tuple[Int[np.ndarray, " q"], Float[np.ndarray, " q"]]:
        """The deepest node of each picture's path that reaches the threshold, -1 for none, and its probability.

        The probability of no answer is 1: that it is some organism.
        """
        nodes = tree.roll_up(probabilities)
        path = tree.descend(nodes)
        rows = np.arange(len(path))[:, None]
        reached = (path >= 0) & (nodes[rows, path] >= self.threshold(risk))
        answered = np.where(reached, path, -1).max(axis=1)
        chance = np.where(answered >= 0, nodes[rows[:, 0], answered], 1.0).astype(nodes.dtype)
        return answered, chance


def is_right(tree: ClassTree, answered: Int[np.ndarray, " q"], truth: Sequence[Taxon]) -> Bool[np.ndarray, " q"]:
    """Whether each answered node holds the true taxon, or lies in its clade; no answer (-1) is right."""
    path = np.full((len(answered), len(RANK_INDEX)), -1)
    met = answered >= 0
    path[met] = tree.lineage[answered[met]]
    return np.logical_not(_is_wrong(tree, path, truth).any(axis=1))
