"""Class means in blocks: sums of labelled vectors, classes added and removed, and galleries made of them.

Means are what SimpleShot and prototypes are made of. They are kept as sums and numbers of pictures, so that a class comes
or goes without the other pictures. `shrinkage` says how means lean on each other; `fitting` chooses and calibrates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Real
from scipy.sparse import csr_matrix

from cladescope.analysis.class_gallery import ClassGallery, centred
from cladescope.analysis.class_tree import ClassTree
from cladescope.arrays import blocks, normalise
from cladescope.errors import InputError

BLOCK_ROWS = 1 << 15
"""Vectors that are widened, centred and summed at a time."""


@dataclass(frozen=True, eq=False)
class ClassMeans:
    """Sums of the unit vectors of c classes, about a centre or the origin; 8 c d bytes."""

    labels: tuple[str, ...]
    sums: Float64[np.ndarray, "c d"]
    counts: Int[np.ndarray, " c"]
    centre: Float32[np.ndarray, " d"] | None = None
    """Mean of the pictures that were first fitted (SimpleShot); it stays when classes come and go."""

    @classmethod
    def of(
        cls, vectors: Real[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], labels: Sequence[str], *, centre: bool
    ) -> "ClassMeans":
        """Fit: `classes` are positions in `labels`, and every label has a picture.

        With `centre` vectors are of unit length, centred on their mean and of unit length again (CL2N of Wang et al. 2019,
        SimpleShot, https://arxiv.org/abs/1911.04623). Memory: 8 c d bytes and a block.

        Raises InputError for a class without pictures and for a vector without direction.

        >>> means = ClassMeans.of(np.eye(2), np.array([1, 1]), ("tit",), centre=False)
        Traceback (most recent call last):
        cladescope.errors.InputError: class numbers reach 1, expected 0 to 0
        """
        if len(classes) and classes.max() >= len(labels):
            raise InputError(f"class numbers reach {classes.max()}, expected 0 to {len(labels) - 1}")
        counts = np.bincount(classes, minlength=len(labels))
        if (counts == 0).any():
            raise InputError(f"class {labels[int(counts.argmin())]!r} has no picture: leave it out, or add some")
        middle = _mean(vectors) if centre else None
        return cls(tuple(labels), _sums(vectors, classes, len(labels), middle), counts, middle)

    @property
    def means(self) -> Float64[np.ndarray, "c d"]:
        """Mean of each class."""
        found: Float64[np.ndarray, "c d"] = self.sums / self.counts[:, None]
        return found

    def add_class(self, label: str, vectors: Real[np.ndarray, "n d"]) -> "ClassMeans":
        """With one class more, at the end. The centre stays that of the fit.

        Raises InputError for a label that is there already, and for no vectors.
        """
        if label in self.labels:
            raise InputError(f"there is a class {label!r} already: remove it first, or choose another name")
        if not len(vectors):
            raise InputError(f"class {label!r} has no picture: leave it out, or add some")
        added = _sums(vectors, np.zeros(len(vectors), np.int64), 1, self.centre)
        return replace(
            self,
            labels=(*self.labels, label),
            sums=np.concatenate([self.sums, added]),
            counts=np.append(self.counts, len(vectors)),
        )

    def remove_class(self, label: str) -> "ClassMeans":
        """Without one class. The centre stays that of the fit.

        Raises InputError for a label that is not there.
        """
        if label not in self.labels:
            raise InputError(f"there is no class {label!r}: it cannot be removed")
        row = self.labels.index(label)
        return replace(
            self,
            labels=(*self.labels[:row], *self.labels[row + 1 :]),
            sums=np.delete(self.sums, row, axis=0),
            counts=np.delete(self.counts, row),
        )

    def gallery(
        self,
        *,
        scale: float,
        tree: ClassTree | None = None,
        means: Float64[np.ndarray, "c d"] | None = None,
    ) -> ClassGallery:
        """Class vectors to ask: nearest mean in Euclidean distance where there is a centre, else by cosine.

        `means` takes the place of the classes' own, where they lean on others.
        """
        found = (self.means if means is None else means).astype(np.float32)
        if self.centre is None:
            return ClassGallery(normalise(found), self.labels, scale, tree=tree)
        return ClassGallery(2 * found, self.labels, scale, tree=tree, bias=-_squares(found), centre=self.centre)


def _squares(means: Float32[np.ndarray, "c d"]) -> Float32[np.ndarray, " c"]:
    """Squared lengths."""
    squares: Float32[np.ndarray, " c"] = np.einsum("cd,cd->c", means, means)
    return squares


def _mean(vectors: Real[np.ndarray, "n d"]) -> Float32[np.ndarray, " d"]:
    """Mean of the unit vectors, summed in float64 block by block."""
    total = np.zeros(vectors.shape[1])
    for start, stop in blocks(len(vectors), size=BLOCK_ROWS):
        total += normalise(vectors[start:stop]).sum(axis=0, dtype=np.float64)
    return (total / len(vectors)).astype(np.float32)


def _sums(
    vectors: Real[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    n_classes: int,
    centre: Float[np.ndarray, " d"] | None,
) -> Float64[np.ndarray, "c d"]:
    """Sum of each class's unit vectors: products of a sparse one-hot matrix with blocks."""
    sums = np.zeros((n_classes, vectors.shape[1]))
    for start, stop in blocks(len(vectors), size=BLOCK_ROWS):
        unit = normalise(vectors[start:stop]).astype(np.float32, copy=False)
        rows = np.arange(stop - start)
        found, inverse = np.unique(classes[start:stop], return_inverse=True)
        one_hot = csr_matrix((np.ones(len(rows)), (inverse, rows)), shape=(len(found), len(rows)))
        sums[found] += one_hot @ (unit if centre is None else centred(unit, centre))
    return sums
