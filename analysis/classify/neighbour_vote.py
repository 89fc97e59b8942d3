"""A classifier that asks the nearest labelled pictures: the k best by exact search vote, the nearer the heavier."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Real

from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.arrays import normalise
from cladescope.errors import InputError
from cladescope.index.gallery import Gallery


@dataclass(frozen=True, eq=False)
class NeighbourVote:
    """n labelled unit vectors; a vote weighs exp(scale cosine), and the votes of a picture sum to 1.

    The weights are those of Wu et al. 2018, Instance Discrimination, https://arxiv.org/abs/1805.01978, section 3.4
    (there scale = 1 / 0.07). Classes of which no neighbour is have probability 0. Exact search: 4 n d bytes while it
    asks, as `Gallery.search`.

    >>> vote = NeighbourVote(np.eye(2, dtype=np.float16), np.array([0, 1]), ("tit", "crow"), k=1)
    >>> vote.probabilities(np.array([[1.0, 0.2]]))
    array([[1., 0.]], dtype=float32)
    """

    vectors: Float[np.ndarray, "n d"]
    """float16 halves the file; they are widened block by block."""
    classes: Int[np.ndarray, " n"]
    """Which label each vector has."""
    labels: tuple[str, ...]
    k: int = 5
    scale: float = 1 / 0.07
    tree: ClassTree | None = None

    def __post_init__(self) -> None:
        """Raises InputError where the parts do not fit."""
        if self.k < 1 or not len(self.vectors) or len(self.classes) != len(self.vectors):
            raise InputError(f"k is {self.k} and {len(self.vectors)} vectors are given: expected at least one of each")

    def only(self, rows: Bool[np.ndarray, " c"]) -> "NeighbourVote":
        """The pictures of some of the classes. Raises InputError for none.

        >>> vote = NeighbourVote(np.eye(2, dtype=np.float16), np.array([0, 1]), ("tit", "crow"), k=1)
        >>> vote.only(np.array([False, True])).classes
        array([0])
        """
        kept = rows[self.classes]
        return replace(
            self,
            vectors=self.vectors[kept],
            classes=(np.cumsum(rows) - 1)[self.classes[kept]],
            labels=tuple(self.labels[row] for row in np.flatnonzero(rows)),
            tree=None if self.tree is None else self.tree.only(rows),
        )

    def probabilities(self, vectors: Real[np.ndarray, "q d"]) -> Float32[np.ndarray, "q c"]:
        """Share of the votes of each class. Memory: 4 q c bytes beside the search. Raises InputError as `nearest` does."""
        scores, rows = self.nearest(vectors)
        weights = np.exp(self.scale * (scores - scores[:, :1]))
        weights /= weights.sum(axis=1, keepdims=True)
        votes = np.zeros((len(vectors), len(self.labels)), np.float32)
        np.add.at(votes, (np.arange(len(vectors))[:, None], self.classes[rows]), weights)
        return votes

    def nearest(self, vectors: Real[np.ndarray, "q d"]) -> tuple[Float32[np.ndarray, "q k"], Int[np.ndarray, "q k"]]:
        """Cosines and places of the pictures that vote, the nearest first.

        Raises InputError for vectors of another length, and for one without direction.
        """
        if vectors.shape[1] != self.vectors.shape[1]:
            raise InputError(
                f"vectors have {vectors.shape[1]} numbers and the classes {self.vectors.shape[1]}: "
                "they are of different encoders"
            )
        gallery = Gallery(np.arange(len(self.vectors)), self.vectors)
        return gallery.search(normalise(vectors).astype(np.float32, copy=False), min(self.k, len(gallery)))
