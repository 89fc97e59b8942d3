"""The strongest links that hold vectors together, kept in memory that does not grow with the number of links."""

import numpy as np
from jaxtyping import Float32, Int64, Integer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

LEAST_ROOM = 1 << 22


class LinkForest:
    """A maximum spanning forest of links between n rows, made of links that come in blocks.

    Rows that a chain of links joins are joined by the forest, by the chain whose weakest link is strongest (Gower & Ross
    1969, https://doi.org/10.2307/2346439): it is the single-linkage dendrogram. A forest of a forest and further links is
    that of them all, so no more than 4 n links, or `LEAST_ROOM`, are held at a time. Memory: 64 bytes for each of these.

    >>> forest = LinkForest(3)
    >>> forest.add(np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([0.9, 0.7, 0.8], np.float32))
    >>> forest.links()[0].tolist(), forest.links()[1].tolist()
    ([[0, 1], [1, 2]], [0.8999999761581421, 0.800000011920929])
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._room = max(4 * n, LEAST_ROOM)
        self._parts: list[tuple[Integer[np.ndarray, " l"], Integer[np.ndarray, " l"], Float32[np.ndarray, " l"]]] = []
        self._held = 0

    def add(
        self, first: Integer[np.ndarray, " l"], second: Integer[np.ndarray, " l"], scores: Float32[np.ndarray, " l"]
    ) -> None:
        """Take links of two different rows and a score of -1 to 1; a link may come again."""
        self._parts.append((np.minimum(first, second), np.maximum(first, second), scores))
        self._held += len(first)
        if self._held > self._room:
            self._contract()

    def links(self) -> tuple[Int64[np.ndarray, "l 2"], Float32[np.ndarray, " l"]]:
        """The links of the forest, by their rows, the smaller first, and their scores."""
        self._contract()
        first, second, scores = self._parts[0]
        return np.stack([first, second], axis=1).astype(np.int64), scores

    def _contract(self) -> None:
        first, second, scores = (
            np.concatenate(part) for part in zip(*self._parts, (_NONE, _NONE, _NO_SCORE), strict=True)
        )
        _, once = np.unique(first.astype(np.int64) * self.n + second, return_index=True)
        # Above 0, for a length of 0 is no link to SciPy.
        lengths = 3.0 - scores[once].astype(np.float64)
        graph = coo_array((lengths, (first[once], second[once])), shape=(self.n, self.n)).tocsr()
        tree = minimum_spanning_tree(graph, overwrite=True).tocoo()
        self._parts = [(tree.row.astype(np.int64), tree.col.astype(np.int64), (3.0 - tree.data).astype(np.float32))]
        self._held = len(tree.data)


_NONE, _NO_SCORE = np.empty(0, np.int64), np.empty(0, np.float32)
