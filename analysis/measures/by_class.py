"""Accuracy in which classes weigh alike, and that of classes with many and with few pictures to learn from."""

import numpy as np
from jaxtyping import Int, Num

from cladescope.analysis.measures.outcomes import Outcome
from cladescope.errors import InputError

MANY, FEW = 100, 20


def balanced_mean(values: Num[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> float:
    """Mean over labels of the mean of each.

    >>> balanced_mean(np.array([1.0, 1.0, 1.0, 0.0]), np.array([4, 4, 4, 9]))
    0.5
    """
    _, label = np.unique(labels, return_inverse=True)
    return float((np.bincount(label, weights=values) / np.bincount(label)).mean())


def macro(outcome: Outcome, classes: Int[np.ndarray, " n"]) -> Outcome:
    """The same scores, weighed so that each class counts as much: the value is the mean over classes of the value in each.

    A class of which nothing was asked does not count. In intervals the weights stay as they are.

    >>> macro(Outcome(np.array([1.0, 1.0, 1.0, 0.0]), np.ones(4)), np.array([3, 3, 3, 7])).value
    0.5
    """
    _, number = np.unique(classes, return_inverse=True)
    asked = np.bincount(number, weights=outcome.asked)[number]
    weight = np.divide(1.0, asked, out=np.zeros(len(asked)), where=asked > 0)
    return Outcome(outcome.scored * weight, outcome.asked * weight)


def by_frequency(
    outcome: Outcome,
    classes: Int[np.ndarray, " n"],
    n_training: Int[np.ndarray, " n"],
    *,
    many: int = MANY,
    few: int = FEW,
) -> dict[str, Outcome]:
    """`macro` over classes with more than `many` training pictures (head), fewer than `few` (tail), and between.

    `n_training` is how many the class of each picture has. A part of which nothing was asked is left out. Liu et al. 2019,
    Open Long-Tailed Recognition, https://arxiv.org/abs/1904.05160, section 4.

    Raises InputError for `few` above `many`.

    >>> found = by_frequency(Outcome(np.array([1.0, 0.0, 1.0]), np.ones(3)), np.array([1, 2, 2]), np.array([101, 3, 3]))
    >>> {name: part.value for name, part in found.items()}
    {'head': 1.0, 'tail': 0.5}
    """
    if few > many:
        raise InputError(f"few is {few} and many is {many}, expected few <= many")
    parts = {"head": n_training > many, "middle": (n_training >= few) & (n_training <= many), "tail": n_training < few}
    return {
        name: macro(Outcome(outcome.scored * part, outcome.asked * part), classes)
        for name, part in parts.items()
        if (outcome.asked[part] > 0).any()
    }
