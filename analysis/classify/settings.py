"""The one number of a method that pictures may choose: neighbours of k-NN, C of logistic regression, alpha of ridge regression.

It is chosen among the pictures that are learnt from, each asked about others, so that it knows nothing of pictures that later say how sure
answers are. Pictures that are kin choose with one voice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from cladescope.analysis.classify.draws import draw_parts
from cladescope.errors import InputError
from cladescope.shown import counted

AUTO = "auto"
"""In place of a number: let the pictures choose."""
MOST_CHOOSING = 4_000
"""Pictures that choose, at most: drawn at random of more."""

_LEAST = 1e-6
_SCALES = (5.0, 10.0, 20.0, 40.0, 80.0)
"""Of votes, under the best of which a number of neighbours is judged."""


@dataclass(frozen=True)
class Setting:
    """A number of a method, and how it was come by.

    >>> print(Setting("alpha", 0.1, (10.0, 1.0, 0.1), 1200))
    0.1, chosen of 0.1 to 10 by 1,200 pictures
    >>> print(Setting("k", 5.0))
    5
    """

    name: str
    value: float
    tried: tuple[float, ...] = ()
    """Those among which it was chosen; empty where it was given."""
    n_asked: int = 0
    """Pictures that chose it; with none of several tried it is the usual one."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values that JSON knows."""
        return {"name": self.name, "value": self.value, "tried": list(self.tried), "chosen_by": self.n_asked}

    @classmethod
    def of_dict(cls, told: Mapping[str, Any] | None) -> "Setting | None":
        """What `to_dict` gave; None for None."""
        if told is None:
            return None
        return cls(str(told["name"]), float(told["value"]), tuple(map(float, told["tried"])), int(told["chosen_by"]))

    def __str__(self) -> str:
        if not self.tried:
            return f"{self.value:g}"
        if not self.n_asked:
            return f"{self.value:g}, the usual one: no class has two pictures that could choose"
        ends = f"{min(self.tried):g} to {max(self.tried):g}"
        return f"{self.value:g}, chosen of {ends} by {counted(self.n_asked, 'picture')}"


def given_setting(name: str, value: object, *, whole: bool = False) -> float | None:
    """A number above 0, a whole one if `whole`; None for "auto". Raises InputError for anything else.

    >>> given_setting("C", 10), given_setting("C", "auto")
    (10.0, None)
    """
    if isinstance(value, str) and value == AUTO:
        return None
    kind = "a whole number from 1 on" if whole else "a number above 0"
    wrong = InputError(f"{name} is {value!r}: expected {kind}, or {AUTO!r}")
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise wrong
    number = float(value)
    if not np.isfinite(number) or number <= 0 or (whole and number % 1):
        raise wrong
    return number


def choosing_rows(
    classes: Int[np.ndarray, " n"],
    kin: Int[np.ndarray, " n"] | None = None,
    *,
    most: int = MOST_CHOOSING,
    seed: int = 0,
) -> Int[np.ndarray, " m"]:
    """Pictures that choose a setting: one of those with one number in `kin`, at most so many, in their order.

    >>> choosing_rows(np.array([0, 0, 1, 1]), np.array([7, 7, 8, 9])).size
    3
    """
    order = np.random.default_rng([seed, 14]).permutation(len(classes))
    if kin is not None:
        _, first = np.unique(np.asarray(kin)[order], return_index=True)
        order = order[np.sort(first)]
    return np.sort(order[:most])


def can_be_asked(classes: Int[np.ndarray, " n"]) -> np.ndarray:
    """Whether each picture has another of its class."""
    _, place, size = np.unique(classes, return_inverse=True, return_counts=True)
    there: np.ndarray = size[place] > 1
    return there


def class_folds(
    classes: Int[np.ndarray, " n"], n_folds: int, *, seed: int = 0
) -> list[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]]:
    """Pictures to learn from and to ask, fold by fold, each class spread over the folds; one whose class is not learnt from is not asked.

    >>> [len(asked) for _, asked in class_folds(np.array([0, 0, 1, 1, 2]), 2)]
    [2, 2]
    """
    parts = draw_parts(classes, n_folds, seed=seed)
    found = []
    for number in range(n_folds):
        told = parts != number
        there = np.unique(classes[told])
        asked = ~told & np.isin(classes, there)
        if asked.any() and len(there) > 1:
            found.append((np.flatnonzero(told), np.flatnonzero(asked)))
    return found


def likeliest_k(scores: Float32[np.ndarray, "m k"], is_own: np.ndarray, tried: tuple[int, ...]) -> int:
    """The number of neighbours under which the classes of pictures are likeliest, of those tried.

    `scores` are cosines of the nearest others of m pictures, the nearest first; `is_own` says which are of the picture's class. Votes are
    those of `NeighbourVote`, under the best scale of several, since the scale is calibrated later.
    """
    lifted = (scores - scores[:, :1]).astype(np.float64)
    losses = []
    for k in tried:
        near, own = lifted[:, :k], is_own[:, :k]
        of_scales = []
        for scale in _SCALES:
            weights = np.exp(scale * near)
            share = (weights * own).sum(axis=1) / weights.sum(axis=1)
            of_scales.append(-np.log(np.maximum(share, _LEAST)).mean())
        losses.append(min(of_scales))
    return tried[int(np.argmin(losses))]
