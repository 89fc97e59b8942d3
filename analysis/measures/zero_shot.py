"""The zero-shot protocol: pictures are given the class whose text is nearest, by cosine."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.analysis.measures.accuracy import classes_before
from cladescope.analysis.measures.answers import Answers
from cladescope.analysis.measures.outcomes import Outcome
from cladescope.arrays import blocks, normalise

TOP_K = (1, 3, 5)


def zero_shot(
    vectors: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    asked: Bool[np.ndarray, " n"],
    class_vectors: Float[np.ndarray, "c d"],
    *,
    kind: str,
    ks: Sequence[int] = TOP_K,
) -> dict[str, Outcome]:
    """Whether each picture's class is among the k nearest class vectors, under names such as `asis top-1`.

    Of equally near classes the one with the smaller number comes first, so that an encoder which tells nothing apart
    gains nothing. Memory: 4 n d bytes and a block of `BLOCK_BYTES`.

    >>> vectors = np.array([[1.0, 0.2], [0.3, 1.0]])
    >>> found = zero_shot(vectors, np.array([0, 0]), np.array([True, True]), np.eye(2), kind="asis", ks=[1, 2])
    >>> found["asis top-1"].value, found["asis top-2"].value
    (0.5, 1.0)
    """
    places = positions(normalise(vectors), class_vectors, classes)
    return {f"{kind} top-{k}": Outcome(((places < k) & asked).astype(float), asked.astype(float)) for k in ks}


def positions(
    vectors: Float[np.ndarray, "n d"], class_vectors: Float[np.ndarray, "c d"], classes: Int[np.ndarray, " n"]
) -> Int64[np.ndarray, " n"]:
    """How many classes come before each picture's own, by score.

    >>> positions(np.array([[1.0, 0.2]]), np.eye(2), np.array([1]))
    array([1])
    """
    c = len(class_vectors)
    places = np.empty(len(vectors), np.int64)
    for start, stop in blocks(len(vectors), size=max(1, BLOCK_BYTES // (16 * c))):
        scores = vectors[start:stop] @ class_vectors.T
        places[start:stop] = classes_before(scores, classes[start:stop])
    return places


def zero_shot_answers(
    vectors: Float[np.ndarray, "n d"],
    asked: Bool[np.ndarray, " n"],
    class_vectors: Float[np.ndarray, "c d"],
    *,
    scale: float | None = None,
) -> Answers:
    """The nearest class of each picture that is asked; its probability is the softmax of `scale` times the cosines.

    `scale` is what the encoder was trained with (Radford et al. 2021, CLIP, https://arxiv.org/abs/2103.00020, section
    2.3); without it answers have no probability. Memory as for `zero_shot`.

    >>> answers = zero_shot_answers(np.array([[1.0, 0.2]]), np.array([True]), np.eye(2), scale=1.0)
    >>> answers.named, answers.confidence.round(2)
    (array([0]), array([0.69]))
    """
    rows = np.flatnonzero(asked)
    unit = normalise(vectors[rows])
    named, confidence = np.empty(len(rows), np.int64), np.empty(len(rows))
    for start, stop in blocks(len(rows), size=max(1, BLOCK_BYTES // (16 * len(class_vectors)))):
        scores = unit[start:stop] @ class_vectors.T
        best = scores.argmax(axis=1)
        named[start:stop] = best
        if scale is not None:
            below = scores - scores[np.arange(stop - start), best][:, None]
            confidence[start:stop] = 1 / np.exp(scale * below).sum(axis=1, dtype=np.float64)
    return Answers(rows, named, confidence=None if scale is None else confidence)
