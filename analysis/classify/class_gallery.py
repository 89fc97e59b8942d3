"""A gallery of class vectors: what zero-shot and few-shot make, and the one place where both are asked.

A classifier that is linear in the (centred) vector of a picture is a search among class vectors: the text of a taxon, the
mean of its pictures, the weights that a regression found. This module turns scores into probabilities over all classes,
block by block, so that memory does not grow with pictures times classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32, Real

from cladescope.analysis.classify.class_tree import ClassTree
from cladescope.analysis.measures.simple_shot import centred
from cladescope.arrays import blocks, normalise
from cladescope.errors import InputError

BLOCK_BYTES = 1 << 28
"""Most bytes of the probabilities of one block of pictures; at least one picture is in a block."""

_CLASS_BYTES = 1 << 26


@runtime_checkable
class Classes(Protocol):
    """What can be asked for probabilities: a gallery of class vectors, or any other classifier."""

    @property
    def labels(self) -> Sequence[str]:
        """What each class is called."""

    @property
    def tree(self) -> ClassTree | None:
        """The classes as taxa, in the same order; None where they are plain labels."""

    def probabilities(self, vectors: Real[np.ndarray, "q d"]) -> Float32[np.ndarray, "q c"]:
        """Of each class for each picture; they sum to 1."""


@dataclass(frozen=True, eq=False)
class ClassGallery:
    """c class vectors, and how a picture's vector x is compared with them: p = softmax(scale (x . w + bias) + log_prior).

    x is brought to unit length and, where there is a `centre`, moved by it and brought to unit length again (CL2N of
    Wang et al. 2019, SimpleShot, https://arxiv.org/abs/1911.04623). Zero-shot has texts for w, no bias, and the scale that
    the encoder was trained with (Radford et al. 2021, CLIP, https://arxiv.org/abs/2103.00020, section 2.3). The Euclidean
    distance to a class mean m becomes w = 2 m, bias = -|m|^2: the score is |x|^2 minus the squared distance.

    >>> gallery = ClassGallery(np.eye(2, dtype=np.float32), ("tit", "crow"), scale=2.0)
    >>> gallery.probabilities(np.array([[1.0, 0.0]])).round(2)
    array([[0.88, 0.12]], dtype=float32)
    """

    vectors: Float[np.ndarray, "c d"]
    """float32, or float16 for many classes: then widened block by block."""
    labels: Sequence[str]
    scale: float
    """1 / temperature."""
    tree: ClassTree | None = None
    bias: Float32[np.ndarray, " c"] | None = None
    centre: Float32[np.ndarray, " d"] | None = None
    log_prior: Float32[np.ndarray, " c"] | None = None
    """Natural logarithm of each class's odds beforehand, such as of a place or season; -inf rules a class out."""
    common_names: Sequence[str | None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raises InputError where the parts do not fit, and for vectors that are not finite."""
        c = len(self.vectors)
        if not c:
            raise InputError("no class is left to choose from: expected at least one, so widen the selection")
        counts = {"labels": len(self.labels), "tree": c if self.tree is None else self.tree.n_classes}
        counts |= {
            name: len(getattr(self, name))
            for name in ("bias", "log_prior", "common_names")
            if getattr(self, name) is not None
        }
        if odd := {name: count for name, count in counts.items() if count != c}:
            raise InputError(f"{c} class vectors and {odd}: expected as many of each")
        for start, stop in blocks(c, size=max(1, _CLASS_BYTES // (4 * self.vectors.shape[1]))):
            if not np.isfinite(self.vectors[start:stop]).all():
                row = start + int(np.flatnonzero(~np.isfinite(self.vectors[start:stop]).all(axis=1))[0])
                raise InputError(f"the vector of class {self.labels[row]!r} is not finite: make the classes anew")

    def __len__(self) -> int:
        return len(self.vectors)

    def only(self, rows: Bool[np.ndarray, " c"]) -> "ClassGallery":
        """Some of the classes. Raises InputError for none.

        >>> ClassGallery(np.eye(2, dtype=np.float32), ("tit", "crow"), scale=2.0).only(np.array([False, True])).labels
        ('crow',)
        """
        kept = np.flatnonzero(rows).tolist()
        return replace(
            self,
            vectors=self.vectors[kept],
            labels=tuple(self.labels[row] for row in kept),
            tree=None if self.tree is None else self.tree.only(rows),
            bias=None if self.bias is None else self.bias[kept],
            log_prior=None if self.log_prior is None else self.log_prior[kept],
            common_names=None if self.common_names is None else [self.common_names[row] for row in kept],
        )

    def prepared(self, vectors: Real[np.ndarray, "q d"]) -> Float32[np.ndarray, "q d"]:
        """Pictures' vectors as they are compared: of unit length, centred where the classes are.

        Raises InputError for vectors of another length, and for one without direction.
        """
        if vectors.shape[1] != self.vectors.shape[1]:
            raise InputError(
                f"vectors have {vectors.shape[1]} numbers and the classes {self.vectors.shape[1]}: "
                "they are of different encoders"
            )
        unit = normalise(vectors).astype(np.float32, copy=False)
        return unit if self.centre is None else centred(unit, self.centre)

    def check_prior(self) -> None:
        """Raise InputError where a prior rules out every class."""
        if self.log_prior is not None and not np.isfinite(self.log_prior).any():
            raise InputError("the prior rules out every class: expected odds above 0 for at least one")

    def scores(self, vectors: Real[np.ndarray, "q d"]) -> Float32[np.ndarray, "q c"]:
        """x . w + bias of each picture with each class, higher is better; a transposed view, class by class in memory."""
        x = np.ascontiguousarray(self.prepared(vectors).T)
        found = np.empty((len(self), x.shape[1]), np.float32)
        rows = max(1, _CLASS_BYTES // (4 * self.vectors.shape[1]))
        for start, stop in blocks(len(self), size=rows):
            np.matmul(self.vectors[start:stop].astype(np.float32, copy=False), x, out=found[start:stop])
        if self.bias is not None:
            found += self.bias[:, None]
        return found.T

    def probabilities(self, vectors: Real[np.ndarray, "q d"]) -> Float32[np.ndarray, "q c"]:
        """Of each class for each picture. Memory: 4 q c bytes, beside 64 MiB of widened class vectors.

        Raises InputError as `prepared` does, and where a prior rules out every class.
        """
        found = self.scores(vectors).T
        found *= np.float32(self.scale)
        self.check_prior()
        if self.log_prior is not None:
            found += self.log_prior[:, None]
        softmax(found)
        return found.T


def softmax(scores: Float[np.ndarray, "c q"]) -> None:
    """Turn each column of scores into probabilities, in place."""
    scores -= scores.max(axis=0)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=0, dtype=np.float64).astype(scores.dtype)


def block_rows(classes: Classes) -> int:
    """Pictures of a block whose probabilities, with those of the tree's nodes, fit `BLOCK_BYTES`."""
    width = 3 * len(classes.labels) + (0 if classes.tree is None else len(classes.tree))
    return max(1, BLOCK_BYTES // (4 * width))


def probability_blocks(
    classes: Classes, vectors: Real[np.ndarray, "q d"]
) -> Iterator[tuple[int, int, Float32[np.ndarray, "b c"]]]:
    """Probabilities of pictures, block by block: start, stop and the block.

    >>> gallery = ClassGallery(np.eye(3, dtype=np.float32), ("a", "b", "c"), scale=1.0)
    >>> [(start, stop, block.shape) for start, stop, block in probability_blocks(gallery, np.eye(3))]
    [(0, 3, (3, 3))]
    """
    for start, stop in blocks(len(vectors), size=block_rows(classes)):
        yield start, stop, classes.probabilities(vectors[start:stop])
