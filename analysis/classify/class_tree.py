"""The classes of a classifier as nodes of the tree of life: their probabilities at every rank, and the way down.

A class is a taxon of any rank: a species, or a family for what is labelled no deeper. What a classifier says of the classes
is summed along the tree, so that a node has the probability of all classes in its clade, itself included. This module
holds the tree and these sums; `class_gallery` makes the probabilities, `backoff` decides how deep an answer may go.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import SupportsIndex

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from cladescope.analysis.classify.text_column import MadeTexts, TextColumn
from cladescope.errors import TaxonError
from cladescope.taxonomy.rank_table import rank_dictionary, rank_table
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS, Taxon


class ClassTree:
    """c classes and the n nodes of the tree that they hang from; about 80 bytes a class and 60 a node.

    A node is a taxon that is a class or above one. Nodes are numbered by their paths, so that a node comes right before
    its clade. Two classes may be one taxon (a species under two common names): they share a node.

    >>> tit, crow = Taxon(("Animalia", "Chordata", "Aves", None, "Paridae")), Taxon(("Animalia", "Chordata", "Aves"))
    >>> tree = ClassTree.from_taxa([tit, crow])
    >>> [tree.taxon(node).name for node in range(len(tree))]
    ['Animalia', 'Chordata', 'Aves', 'Paridae']
    >>> tree.roll_up(np.array([[0.25, 0.75]], np.float32))
    array([[1.  , 1.  , 1.  , 0.25]], dtype=float32)
    """

    def __init__(self, names: Sequence[str | None], codes: Int[np.ndarray, "c ranks"]) -> None:
        """For `from_table`, which says what the arguments are: see `cladescope.taxonomy.rank_table.rank_dictionary`."""
        unnamed = int((codes == 0).all(axis=1).sum())
        if unnamed or not len(codes):
            raise TaxonError(f"{unnamed} of {len(codes)} classes have no rank at all: expected a taxon for each class")
        self.n_classes = len(codes)
        order = np.lexsort(codes.T[::-1])
        # Classes that are sorted already need no copy of their probabilities.
        self.order: Int[np.ndarray, " c"] | None = None if (order == np.arange(len(codes))).all() else order
        """The classes sorted by path, so that those of one node stand together; None where they are sorted already."""
        ordered = codes[order]
        is_new = np.ones(ordered.shape, bool)
        is_new[1:] = np.logical_or.accumulate(ordered[1:] != ordered[:-1], axis=1)
        starts = [np.flatnonzero(is_new[:, rank]) for rank in range(len(RANKS))]
        named = [ordered[start, rank] > 0 for rank, start in enumerate(starts)]
        start = np.concatenate([rows[there] for rows, there in zip(starts, named, strict=True)])
        rank = np.repeat(np.arange(len(RANKS)), [int(there.sum()) for there in named])
        by_path = np.lexsort((rank, start))
        number = np.empty(len(by_path), np.int32)
        number[by_path] = np.arange(len(by_path))
        self.rank: Int[np.ndarray, " n"] = rank[by_path].astype(np.int32)
        """Rank of each node, as a position in `RANKS`."""
        self._names, self._codes = names, ordered[start[by_path]]
        nodes = [np.where(there, np.int32(0), np.int32(-1)) for there in named]
        self._steps = []
        """From the deepest rank up: which groups of the rank below begin a group, which of the groups have a node, and it."""
        below = np.arange(len(codes))
        for place in reversed(range(len(RANKS))):
            nodes[place][named[place]] = number[rank == place]
            self._steps.append((np.searchsorted(below, starts[place]), named[place], number[rank == place]))
            below = starts[place]
        above = np.stack([nodes[place][np.cumsum(is_new[:, place]) - 1] for place in range(len(RANKS))], axis=1)
        self.class_nodes: Int[np.ndarray, "c ranks"] = np.empty_like(above)
        """Node of each class at each rank, -1 where its path has no name there."""
        self.class_nodes[order] = above
        deepest = np.maximum.accumulate(above, axis=1)  # numbers grow on the way down
        before = np.concatenate([np.full((len(codes), 1), -1, np.int32), deepest[:, :-1]], axis=1)
        self.parent: Int[np.ndarray, " n"] = before[start[by_path], self.rank]
        """Nearest ancestor of each node, -1 for a root."""

    @classmethod
    def from_table(cls, table: pa.Table) -> "ClassTree":
        """The tree of classes given as rows with a column for each rank.

        Raises TaxonError for a row without any rank and a table without rows, InputError for columns that are no text.
        """
        names, codes = rank_dictionary(table)
        return cls(TextColumn(names), codes)

    @classmethod
    def from_taxa(cls, taxa: Sequence[Taxon]) -> "ClassTree":
        """The tree of classes given as taxa. Raises TaxonError where there are none."""
        return cls.from_table(rank_table(taxa))

    @classmethod
    def flat(cls, n_classes: int) -> "ClassTree":
        """A tree of one rank for so many plain labels, called by their numbers: what is done with taxa can be done with them.

        >>> tree = ClassTree.flat(3)
        >>> len(tree), tree.class_taxon(2).name
        (3, '2')
        """
        above: tuple[str | None, ...] = (None,) * (len(RANKS) - 1)
        return cls.from_taxa([Taxon((*above, str(number))) for number in range(n_classes)])

    def only(self, rows: Bool[np.ndarray, " c"]) -> "ClassTree":
        """The tree of some of the classes. Raises TaxonError for none."""
        return ClassTree.from_taxa([self.class_taxon(row) for row in np.flatnonzero(rows)])

    def __len__(self) -> int:
        """Number of nodes."""
        return len(self.rank)

    def taxon(self, node: SupportsIndex) -> Taxon:
        """The taxon of a node; it depends on nothing but the node's path."""
        path = self._codes[node, : self.rank[node] + 1].tolist()
        return Taxon(tuple(self._names[code - 1] if code else None for code in path))

    @cached_property
    def class_node(self) -> Int[np.ndarray, " c"]:
        """The node that each class itself is."""
        deepest: Int[np.ndarray, " c"] = self.class_nodes.max(axis=1)
        return deepest

    def class_taxon(self, row: SupportsIndex) -> Taxon:
        """The taxon of a class."""
        return self.taxon(self.class_node[row])

    @cached_property
    def _number(self) -> dict[tuple[str | None, ...], int]:
        return {self.taxon(node).path: node for node in range(len(self))}

    def node_of(self, taxon: Taxon) -> int | None:
        """The node of a taxon, None where no class lies in it."""
        return self._number.get(taxon.path)

    def lowest_node_above(self, taxon: Taxon) -> int | None:
        """The node of a taxon or of its nearest ancestor that is in the tree; None where there is none.

        >>> tree = ClassTree.from_taxa([Taxon(("Animalia", "Chordata"))])
        >>> tree.lowest_node_above(Taxon(("Animalia", "Arthropoda"))), tree.lowest_node_above(Taxon(("Plantae",)))
        (0, None)
        """
        found = (self.node_of(above) for above in reversed(taxon.lineage))
        return next((node for node in found if node is not None), None)

    def at(self, rank: str) -> Int[np.ndarray, " nodes"]:
        """The nodes of one rank, ascending."""
        return np.flatnonzero(self.rank == RANK_INDEX[rank])

    @cached_property
    def _by_parent(self) -> Int[np.ndarray, " n"]:
        return np.argsort(self.parent, kind="stable")

    def children(self, node: SupportsIndex) -> Int[np.ndarray, " nodes"]:
        """The nodes right below a node, of whatever rank, ascending; the roots for -1."""
        wanted = int(node)
        first, last = np.searchsorted(self.parent, [wanted, wanted + 1], sorter=self._by_parent)
        below: Int[np.ndarray, " nodes"] = self._by_parent[first:last]
        return below

    def contains(self, node: Int[np.ndarray, " q"], other: Int[np.ndarray, " q"]) -> Bool[np.ndarray, " q"]:
        """Whether each `other` node is the node or lies below it; nothing lies below -1, and -1 below nothing."""
        inside: Bool[np.ndarray, " q"] = (node >= 0) & (self.lineage[other, self.rank[node]] == node) & (other >= 0)
        return inside

    @cached_property
    def _classes_by_node(self) -> tuple[Int[np.ndarray, " starts"], Int[np.ndarray, " m"]]:
        """The classes in the clade of each node, node after node, and where those of each begin."""
        row, rank = np.nonzero(self.class_nodes >= 0)
        node = self.class_nodes[row, rank]
        starts = np.concatenate([[0], np.cumsum(np.bincount(node, minlength=len(self)))])
        return starts, row[np.argsort(node, kind="stable")]

    def class_pairs(self, nodes: Int[np.ndarray, " q"]) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
        """Each place in `nodes`, as often as classes lie in the clade of the node there, and these classes; none lies in that of -1."""
        starts, classes = self._classes_by_node
        rows = np.flatnonzero(nodes >= 0)
        counts = starts[nodes[rows] + 1] - starts[nodes[rows]]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(rows, counts), classes[np.repeat(starts[nodes[rows]], counts) + within]

    def classes_in(self, nodes: Int[np.ndarray, " q"]) -> Bool[np.ndarray, "q c"]:
        """Whether each class lies in the clade of each node, or is it; none in that of -1.

        >>> tree = ClassTree.from_taxa([Taxon(("Animalia", "Chordata")), Taxon(("Animalia", "Mollusca"))])
        >>> tree.classes_in(np.array([0, 2, -1])).tolist()
        [[True, True], [False, True], [False, False]]
        """
        found = np.zeros((len(nodes), self.n_classes), bool)
        found[self.class_pairs(nodes)] = True
        return found

    @cached_property
    def lineage(self) -> Int[np.ndarray, "n ranks"]:
        """Each node's ancestors and itself by rank, -1 where its path has no name; 28 bytes a node."""
        above = np.full((len(self), len(RANKS)), -1, np.int32)
        for rank in range(len(RANKS)):  # a parent's row is whole before its children's
            rows = np.flatnonzero(self.rank == rank)
            inner = self.parent[rows] >= 0
            above[rows[inner]] = above[self.parent[rows[inner]]]
            above[rows, rank] = rows
        return above

    def roll_up(self, probabilities: Float[np.ndarray, "q c"]) -> Float[np.ndarray, "q n"]:
        """Probability of each node: the sum over the classes in its clade.

        What pybioclip does over species (https://github.com/Imageomics/pybioclip), for classes of every rank. Memory:
        4 q (n + c) bytes beside the input, in float32. Quickest where the input lies class by class (a transposed
        array).
        """
        groups = probabilities.T if self.order is None else probabilities.T[self.order]
        found = np.empty((len(self), len(probabilities)), groups.dtype)
        for starts, named, nodes in self._steps:
            if len(starts) < len(groups):
                groups = np.add.reduceat(groups, starts, axis=0)
            found[nodes] = groups[named]
        rolled: Float[np.ndarray, "q n"] = found.T
        return rolled

    def names(self) -> MadeTexts:
        """The path of each class as text.

        >>> ClassTree.from_taxa([Taxon(("Animalia",)), Taxon(("Animalia", "Chordata"))]).names()[1]
        'Animalia > Chordata'
        """
        return MadeTexts(self.n_classes, lambda row: str(self.class_taxon(row)))

    def descend(self, node_scores: Float[np.ndarray, "q n"]) -> Int[np.ndarray, "q ranks"]:
        """From the best root to the best of its children and on to a tip: the node at each rank, -1 where none is met.

        The probabilities of the nodes met do not grow on the way. Of equal children the first is taken.
        """
        path = np.full((len(node_scores), len(RANKS)), -1)
        here = np.full(len(node_scores), -1)
        moving = np.arange(len(node_scores))
        while len(moving):
            stopped = []
            for node in np.unique(here[moving]).tolist():
                rows = moving[here[moving] == node]
                options = self.children(node)
                if not len(options):
                    stopped.append(rows)
                    continue
                best = options[node_scores[np.ix_(rows, options)].argmax(axis=1)]
                path[rows, self.rank[best]] = best
                here[rows] = best
            moving = np.setdiff1d(moving, np.concatenate([np.empty(0, np.int64), *stopped]))
        return path
