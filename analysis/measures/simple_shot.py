"""The few-shot protocol of BioCLIP's evaluation: which pictures are given in each fold, and what SimpleShot makes of them.

Five folds for each number of shots; pictures of a class are shuffled, the first k are given, all others asked. Stevens et
al. 2024, BioCLIP, https://arxiv.org/abs/2311.18803, and Gu et al. 2025, BioCLIP 2, https://arxiv.org/abs/2505.23883.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from cladescope.analysis.measures.accuracy import in_order_of_appearance, nearest_mean
from cladescope.analysis.measures.outcomes import Outcome
from cladescope.arrays import normalise
from cladescope.errors import InputError

N_FOLDS = 5
SHOTS = (1, 5)


@dataclass(frozen=True, eq=False, slots=True)
class Fold:
    """One draw."""

    k: int
    number: int
    given: Int64[np.ndarray, " s"]
    """Rows of the support set, class by class in the order of first appearance."""
    asked: Int64[np.ndarray, " t"]
    """Rows of the query set."""


def draw_folds(
    classes: Int[np.ndarray, " n"],
    shots: Sequence[int] = SHOTS,
    *,
    is_test: Bool[np.ndarray, " n"] | None = None,
    folds: int = N_FOLDS,
    v1: bool = False,
) -> Iterator[Fold]:
    """Every fold of every number of shots, in this order.

    Fold f shuffles each class, in the order of first appearance, with Python's generator seeded with f once for all
    classes, as BioCLIP 2's evaluation does. With `v1` the shuffled order stays for the folds that follow, so that each
    draw, and so that of 5 shots, depends on those before it: as BioCLIP's first evaluation does.

    Without `is_test` all pictures that are not given are asked. With it the given ones come from the pictures that are
    not of the test part, and exactly the test part is asked. A class of fewer than k pictures gives what it has.

    >>> [fold.given.tolist() for fold in draw_folds(np.array([7, 7, 3, 3]), [1], folds=3)]
    [[0, 2], [1, 3], [1, 3]]
    """
    rows = np.arange(len(classes)) if is_test is None else np.flatnonzero(~is_test)
    members: dict[int, list[int]] = {}
    for row in rows.tolist():
        members.setdefault(int(classes[row]), []).append(row)
    for k in shots:
        for number in range(folds):
            generator = random.Random(number)  # the reference's generator, for its draws
            given: list[int] = []
            asked: list[int] = []
            for of_class in members.values():
                shuffled = of_class if v1 else of_class.copy()
                generator.shuffle(shuffled)
                given += shuffled[:k]
                asked += shuffled[k:]
            tested = np.array(asked, np.int64) if is_test is None else np.flatnonzero(is_test)
            yield Fold(k, number, np.array(given, np.int64), tested)


def check_shots(k: int, classes: Int[np.ndarray, " n"], *, is_test: Bool[np.ndarray, " n"] | None = None) -> str | None:
    """Why k shots cannot be drawn, or None where they can.

    >>> check_shots(2, np.array([7, 7, 3]))
    'no class has more than 2 pictures (the largest has 2), so that none is left to ask'
    """
    if is_test is None:
        largest = int(np.bincount(classes).max())
        if largest > k:
            return None
        return f"no class has more than {k} pictures (the largest has {largest}), so that none is left to ask"
    largest = int(np.bincount(classes[~is_test]).max())
    return None if largest >= k else f"no class has {k} training pictures (the largest has {largest})"


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

    Memory: 12 n d bytes, and a block of `metrics.BLOCK_BYTES`.

    Raises InputError for shots that cannot be drawn, for a vector without direction, and for a test part with a class
    of which no training picture is there.

    >>> vectors = np.array([[1.0, 0.1], [1.0, 0.0], [0.1, 1.0], [0.0, 1.0]])
    >>> few_shot(vectors, np.array([7, 7, 3, 3]), [1])["1-shot"].value
    1.0
    """
    for k in shots:
        if (reason := check_shots(k, classes, is_test=is_test)) is not None:
            raise InputError(f"{k} shots: {reason}: ask for fewer")
    if is_test is not None and len(missing := np.setdiff1d(classes[is_test], classes[~is_test])):
        raise InputError(
            f"{len(missing)} classes of the test part have no usable training picture, the first is number {missing[0]}: "
            "add some, or pool the parts with --parts all"
        )
    unit = normalise(vectors)
    scored = {k: np.zeros(len(classes)) for k in shots}
    n_asked = {k: np.zeros(len(classes)) for k in shots}
    accuracies: dict[int, list[float]] = {k: [] for k in shots}
    for fold in draw_folds(classes, shots, is_test=is_test, folds=folds, v1=v1):
        named = simple_shot_labels(unit[fold.given], classes[fold.given], unit[fold.asked])
        right = named == classes[fold.asked]
        scored[fold.k][fold.asked] += right
        n_asked[fold.k][fold.asked] += 1
        accuracies[fold.k].append(float(right.mean()))
    return {f"{k}-shot": Outcome(scored[k], n_asked[k], tuple(accuracies[k])) for k in shots}


def simple_shot_labels(
    support: Float[np.ndarray, "s d"], labels: Int[np.ndarray, " s"], queries: Float[np.ndarray, "q d"]
) -> Int[np.ndarray, " q"]:
    """Class of the nearest mean of each query, all of unit length: SimpleShot with CL2N.

    Support and queries are centred on the support's mean and brought to unit length; class means are not, and the
    nearest is Euclidean. Of equally near classes the one that comes first in `labels` is taken. Wang et al. 2019,
    SimpleShot, https://arxiv.org/abs/1911.04623.

    >>> simple_shot_labels(np.eye(2), np.array([7, 3]), np.array([[0.6, 0.8]]))
    array([3])
    """
    classes = in_order_of_appearance(labels)
    names = np.empty(classes.max() + 1, labels.dtype)
    names[classes] = labels
    named: Int[np.ndarray, " q"] = names[nearest_mean(support, classes, queries, np.arange(len(queries)))]
    return named
