"""SimpleShot: a picture is named by the nearest class mean, and how often that is right in BioCLIP's few-shot protocol.

Five folds for each number of shots; pictures of a class are shuffled, the first k are given, all others asked. Stevens et
al. 2024, BioCLIP, https://arxiv.org/abs/2311.18803, and Gu et al. 2025, BioCLIP 2, https://arxiv.org/abs/2505.23883. The
classifier that is saved and asked again is `classify.few_shot.SimpleShot`, made of the same steps.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.analysis.measures.answers import Answers
from cladescope.analysis.measures.class_sums import class_sums
from cladescope.analysis.measures.folds import N_FOLDS, SHOTS, check_shots, draw_folds
from cladescope.analysis.measures.outcomes import Outcome
from cladescope.arrays import blocks, normalise
from cladescope.errors import InputError

_ROUNDING = 1e-6


def centred(unit: Float[np.ndarray, "n d"], centre: Float[np.ndarray, " d"]) -> Float[np.ndarray, "n d"]:
    """Unit vectors moved by the centre and brought to unit length again; one that equals it has no direction: zeros.

    >>> centred(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.0, 1.0])).round(2)
    array([[ 0.71, -0.71],
           [ 0.  ,  0.  ]])
    """
    moved: Float[np.ndarray, "n d"] = unit - centre
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    away = lengths > _ROUNDING
    np.divide(moved, lengths, out=moved, where=away)
    moved *= away
    return moved


def class_vectors(means: Float[np.ndarray, "c d"]) -> tuple[Float[np.ndarray, "c d"], Float[np.ndarray, " c"]]:
    """w and bias with which x . w + bias is highest for the nearest mean in Euclidean distance: 2 m and -|m|^2.

    >>> class_vectors(np.array([[3.0, 4.0]]))
    (array([[6., 8.]]), array([-25.]))
    """
    return 2 * means, -np.einsum("cd,cd->c", means, means)


def simple_shot_labels(
    support: Float[np.ndarray, "s d"], labels: Int[np.ndarray, " s"], queries: Float[np.ndarray, "q d"]
) -> Int[np.ndarray, " q"]:
    """Class of the nearest mean of each query, all of unit length: SimpleShot with CL2N.

    Support and queries are centred on the support's mean and brought to unit length; class means are not, and the
    nearest is Euclidean. Of equally near classes the one that comes first in `labels` is taken. Wang et al. 2019,
    SimpleShot, https://arxiv.org/abs/1911.04623, section 3.2, where the centre is that of a base set.

    >>> simple_shot_labels(np.eye(2), np.array([7, 3]), np.array([[0.6, 0.8]]))
    array([3])
    """
    names, first, place = np.unique(labels, return_index=True, return_inverse=True)
    appearance = np.argsort(first)
    number = np.empty(len(names), np.int64)
    number[appearance] = np.arange(len(names))
    centre = support.mean(axis=0, dtype=np.float64).astype(support.dtype)
    sums, counts = class_sums(centred(support, centre), number[place])
    vectors, bias = class_vectors((sums / counts[:, None]).astype(support.dtype))
    nearest = np.empty(len(queries), np.int64)
    width = vectors.itemsize * sum(vectors.shape)
    for start, stop in blocks(len(queries), size=max(1, BLOCK_BYTES // width)):
        scores = centred(queries[start:stop], centre) @ vectors.T + bias
        nearest[start:stop] = scores.argmax(axis=1)
    found: Int[np.ndarray, " q"] = names[appearance][nearest]
    return found


def few_shot(
    vectors: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    shots: Sequence[int] = SHOTS,
    *,
    is_test: Bool[np.ndarray, " n"] | None = None,
    folds: int = N_FOLDS,
    v1: bool = False,
) -> dict[str, Outcome]:
    """SimpleShot over the folds of `draw_folds`: an outcome for each number of shots, under names such as `1-shot`.

    Memory: 12 n d bytes, 24 bytes for each question, and a block of `BLOCK_BYTES`.

    Raises InputError for shots that cannot be drawn, for a vector without direction, and for a test part with a class
    of which no training picture is there.

    >>> vectors = np.array([[1.0, 0.1], [1.0, 0.0], [0.1, 1.0], [0.0, 1.0]])
    >>> few_shot(vectors, np.array([7, 7, 3, 3]), [1])["1-shot"].value
    1.0
    """
    answers = few_shot_answers(vectors, classes, shots, is_test=is_test, folds=folds, v1=v1)
    return {name: of_shots.outcome(classes) for name, of_shots in answers.items()}


def few_shot_answers(
    vectors: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    shots: Sequence[int] = SHOTS,
    *,
    is_test: Bool[np.ndarray, " n"] | None = None,
    kin: Int[np.ndarray, " n"] | None = None,
    folds: int = N_FOLDS,
    v1: bool = False,
) -> dict[str, Answers]:
    """What `few_shot` scores: the class that each picture got in each fold in which it was asked; `kin` as in `draw_folds`."""
    if min(shots, default=0) < 1 or folds < 1:
        raise InputError(f"found {min(shots, default=0)} shots and {folds} folds: both must be at least 1")
    for k in shots:
        if (reason := check_shots(k, classes, is_test=is_test)) is not None:
            raise InputError(f"{k} shots: {reason}: ask for fewer")
    if is_test is not None and len(missing := np.setdiff1d(classes[is_test], classes[~is_test])):
        raise InputError(
            f"{len(missing)} classes of the test part have no usable training picture, the first is number {missing[0]}: "
            "add some, or pool the parts (parts: all)"
        )
    unit = normalise(vectors)
    found: dict[int, list[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]]] = {k: [] for k in shots}
    for fold in draw_folds(classes, shots, is_test=is_test, kin=kin, folds=folds, v1=v1):
        if not len(fold.asked):
            raise InputError(
                f"{fold.k} shots: every other picture shows the photograph or observation of a given one, so that none is left "
                "to ask: ask for fewer"
            )
        named = simple_shot_labels(unit[fold.given], classes[fold.given], unit[fold.asked])
        found[fold.k].append((fold.asked, named))
    return {f"{k}-shot": Answers.of_folds(of_folds) for k, of_folds in found.items()}
