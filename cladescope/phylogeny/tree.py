"""A rooted tree as arrays: its tips, depths, path distances and lowest common ancestors.

Reading and writing files is in `cladescope.phylogeny.newick`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from cladescope.errors import InputError

_MOST_ROWS = 20_000
"""Rows that `cophenetic` takes at once: their matrix fills 3.2 GB."""


@dataclass(frozen=True, eq=False)
class Tree:
    """A rooted tree: row 0 is the root and every parent stands before its children.

    Raises InputError if the fields differ in length, there is not exactly one root in row 0, a parent
    stands after its child, a length is infinite or a label is empty.

    >>> tree = Tree(parent=np.array([-1, 0, 0]), length=np.array([np.nan, 1.0, 2.0]), label=(None, "a", "b"))
    >>> tree.n_tips, tree.tip_labels
    (2, ('a', 'b'))
    """

    parent: Int[np.ndarray, " nodes"]
    """Row of each node's parent; -1 for the root."""
    length: Float[np.ndarray, " nodes"]
    """Length of the branch above each node; NaN where none is given."""
    label: tuple[str | None, ...]
    """Name of each node; tips have one, inner nodes may."""

    def __post_init__(self) -> None:
        sizes = {len(self.parent), len(self.length), len(self.label)}
        if len(sizes) > 1 or 0 in sizes:
            raise InputError(
                f"found {len(self.parent)} parents, {len(self.length)} lengths and {len(self.label)} labels, "
                "expected one of each for every node and at least one node"
            )
        roots = np.flatnonzero(self.parent < 0)
        if roots.tolist() != [0] or self.parent[0] != -1:
            raise InputError(f"found roots in the rows {roots[:5].tolist()}, expected one, in row 0, with parent -1")
        late = np.flatnonzero(self.parent >= np.arange(len(self.parent)))
        if len(late):
            raise InputError(
                f"the parent of row {late[0]} is row {self.parent[late[0]]}, expected an earlier one: "
                "number every parent before its children"
            )
        if np.isinf(self.length).any():
            raise InputError("found an infinite branch length, expected a number, or NaN where none is known")
        if "" in self.label:
            raise InputError(f"the label of row {self.label.index('')} is empty, expected a name or None")

    @property
    def n_nodes(self) -> int:
        """Number of tips and inner nodes."""
        return len(self.parent)

    @cached_property
    def tips(self) -> Int[np.ndarray, " tips"]:
        """Rows of the nodes without children."""
        return np.flatnonzero(np.bincount(self.parent[1:], minlength=self.n_nodes) == 0)

    @property
    def n_tips(self) -> int:
        """Number of nodes without children; 1 for a tree that is only a root."""
        return len(self.tips)

    @property
    def tip_labels(self) -> tuple[str | None, ...]:
        """Names of the tips, in the order of `tips`; None for a nameless one, as in some published trees."""
        return tuple(self.label[row] for row in self.tips)

    def children(self) -> tuple[Int[np.ndarray, " starts"], Int[np.ndarray, " children"]]:
        """Starts and rows: row i has the children `rows[starts[i] : starts[i + 1]]`, in ascending order.

        >>> Tree(parent=np.array([-1, 0, 1, 0]), length=np.zeros(4), label=(None,) * 4).children()
        (array([0, 2, 3, 3, 3]), array([1, 3, 2]))
        """
        totals = np.bincount(self.parent[1:], minlength=self.n_nodes)
        return np.concatenate([[0], np.cumsum(totals)]), np.argsort(self.parent[1:], kind="stable") + 1

    def depth(self) -> Float[np.ndarray, " nodes"]:
        """Distance of each node from the root, in the unit of the lengths.

        The branch above the root does not count. Paths are summed by doubling, in about log2(longest path)
        passes over the nodes.

        Raises InputError if a branch below the root has no length.

        >>> Tree(parent=np.array([-1, 0]), length=np.array([9.0, 0.5]), label=(None, "a")).depth()
        array([0. , 0.5])
        """
        missing = int(np.isnan(self.length[1:]).sum())
        if missing:
            raise InputError(
                f"{missing} of {self.n_nodes - 1} branches have no length, so the tree has no distances: "
                "count branches with with_unit_lengths()"
            )
        total = self.length.astype(np.float64)
        total[0] = 0
        above = self.parent.copy()
        above[0] = 0
        while above.any():
            total += total[above]
            above = above[above]
        return total

    def with_unit_lengths(self) -> "Tree":
        """The same tree with every branch of length 1, so that distances count branches."""
        return replace(self, length=np.where(self.parent < 0, np.nan, 1.0))

    def lca(self, a: int, b: int) -> int:
        """Row of the lowest common ancestor of two rows; a node is its own ancestor.

        Raises InputError for a row that the tree does not have.
        """
        self._check_rows(np.array([a, b]))
        return _meeting(self.parent, a, b)

    def cophenetic(self, rows: Int[np.ndarray, " k"] | Sequence[int] | None = None) -> Float[np.ndarray, "k k"]:
        """Path distances between nodes: the sum of the branches from one to the other.

        `rows` are tips or inner nodes, all tips unless given; the matrix has their order. It fills 8 k^2
        bytes, twice that for rows that are not in depth-first order (files give them so); beside it the work
        takes some 150 bytes a node.

        Raises InputError for more than 20,000 rows, a row that the tree does not have, or branches without
        length.

        >>> tree = Tree(parent=np.array([-1, 0, 0]), length=np.array([0.0, 1.0, 2.0]), label=(None, "a", "b"))
        >>> tree.cophenetic()
        array([[0., 3.],
               [3., 0.]])
        """
        rows = self.tips if rows is None else np.asarray(rows, np.int64)
        if len(rows) > _MOST_ROWS:
            raise InputError(
                f"found {len(rows)} rows, expected at most {_MOST_ROWS} "
                f"(their distances fill {8e-9 * len(rows) ** 2:.1f} GB): choose a sample of the tips"
            )
        self._check_rows(rows)
        depth = self.depth()
        place = self._depth_first()
        order = np.argsort(place[rows], kind="stable")
        distances = self._shared_depths(rows, depth=depth, place=place)
        along = depth[rows[order]]
        for i in range(len(rows)):
            distances[i] = along[i] + along - 2 * distances[i]
        if (np.diff(order) > 0).all():
            return distances
        back = np.argsort(order)
        return distances[np.ix_(back, back)]

    def _depth_first(self) -> Int[np.ndarray, " nodes"]:
        """Place of each row when every clade is walked as a whole, and siblings by row."""
        starts, children = (array.tolist() for array in self.children())
        place = np.empty(self.n_nodes, np.int64)
        waiting = [0]
        for position in range(self.n_nodes):
            row = waiting.pop()
            place[row] = position
            waiting.extend(reversed(children[starts[row] : starts[row + 1]]))
        return place

    def _shared_depths(
        self,
        rows: Int[np.ndarray, " k"],
        *,
        depth: Float[np.ndarray, " nodes"],
        place: Int[np.ndarray, " nodes"],
    ) -> Float[np.ndarray, "k k"]:
        """Depth of the lowest common ancestor of every two of `rows`, in the order of `place`.

        There a clade is one span, so a node fills one block for each child: its span against all later ones.
        """
        parent = self.parent.tolist()
        chosen = np.bincount(rows, minlength=self.n_nodes)
        before = np.concatenate([[0], np.cumsum(chosen[np.argsort(place)])])[place].tolist()
        inside = chosen.tolist()
        for row in range(self.n_nodes - 1, 0, -1):
            inside[parent[row]] += inside[row]
        shared = np.empty((len(rows), len(rows)))
        for row in np.flatnonzero(inside).tolist():
            start, stop = before[row], before[row] + inside[row]
            if own := chosen[row]:
                shared[start : start + own, start:stop] = depth[row]
                shared[start + own : stop, start : start + own] = depth[row]
            if row:
                end = before[parent[row]] + inside[parent[row]]
                shared[start:stop, stop:end] = depth[parent[row]]
                shared[stop:end, start:stop] = depth[parent[row]]
        return shared

    def _check_rows(self, rows: Int[np.ndarray, " k"]) -> None:
        outside = rows[(rows < 0) | (rows >= self.n_nodes)]
        if len(outside):
            raise InputError(f"found row {outside[0]}, expected 0 to {self.n_nodes - 1}: the tree has no other nodes")


def _meeting(parent: Sequence[int] | Int[np.ndarray, " nodes"], a: int, b: int) -> int:
    """Lowest common ancestor: of two rows the larger cannot be above the other, so it is the one to leave."""
    while a != b:
        if a > b:
            a = int(parent[a])
        else:
            b = int(parent[b])
    return a
