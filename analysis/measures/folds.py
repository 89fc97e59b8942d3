"""Which pictures are given and which are asked in each fold of few-shot, as BioCLIP's evaluation draws them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Int64

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
    kin: Int[np.ndarray, " n"] | None = None,
    folds: int = N_FOLDS,
    v1: bool = False,
) -> Iterator[Fold]:
    """Every fold of every number of shots, in this order.

    Fold f shuffles each class, in the order of first appearance, with Python's generator seeded with f once for all
    classes, as BioCLIP 2's evaluation does. With `v1` the shuffled order stays for the folds that follow, so that each
    draw, and so that of 5 shots, depends on those before it: as BioCLIP's first evaluation does.

    Without `is_test` all pictures that are not given are asked. With it the given ones come from the pictures that are
    not of the test part, and exactly the test part is asked. A class of fewer than k pictures gives what it has.
    What is kin of a given picture (the same number in `kin`, see `embedding.kin`) is not asked in that fold.

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
            chosen = np.array(given, np.int64)
            yield Fold(k, number, chosen, tested if kin is None else tested[~np.isin(kin[tested], kin[chosen])])


def check_shots(k: int, classes: Int[np.ndarray, " n"], *, is_test: Bool[np.ndarray, " n"] | None = None) -> str | None:
    """Why k shots cannot be drawn, or None where they can.

    >>> check_shots(2, np.array([7, 7, 3]))
    'no class has more than 2 pictures (the largest has 2), so that none is left to ask'
    """
    if is_test is None:
        largest = _largest(classes)
        if largest > k:
            return None
        return f"no class has more than {k} pictures (the largest has {largest}), so that none is left to ask"
    largest = _largest(classes[~is_test])
    return None if largest >= k else f"no class has {k} training pictures (the largest has {largest})"


def _largest(classes: Int[np.ndarray, " n"]) -> int:
    """Pictures of the class that has most; 0 without pictures."""
    return int(np.unique(classes, return_counts=True)[1].max(initial=0))
