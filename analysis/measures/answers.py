"""The classes that pictures were given, question by question."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.measures.outcomes import Outcome


@dataclass(frozen=True, eq=False)
class Answers:
    """A class for each question; a picture may be asked several times, or never."""

    rows: Int[np.ndarray, " q"]
    """The picture of each question."""
    named: Int[np.ndarray, " q"]
    """The class that it was given."""
    fold: Int[np.ndarray, " q"] | None = None
    """The fold of each question, where there are several."""
    confidence: Float[np.ndarray, " q"] | None = None
    """The probability of each answer, where answers have one."""

    @classmethod
    def of_folds(cls, folds: Sequence[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]]) -> "Answers":
        """The answers of several folds, each its pictures and their classes.

        >>> Answers.of_folds([(np.array([0, 2]), np.array([7, 3])), (np.array([1]), np.array([7]))]).fold
        array([0, 0, 1])
        """
        rows, named = (np.concatenate([fold[part] for fold in folds]) for part in (0, 1))
        return cls(rows, named, np.repeat(np.arange(len(folds)), [len(fold[0]) for fold in folds]))

    def outcome(self, classes: Int[np.ndarray, " n"]) -> Outcome:
        """How often each picture was given its own class.

        >>> answers = Answers(np.array([0, 1, 0]), np.array([7, 7, 3]))
        >>> answers.outcome(np.array([7, 3])).scored
        array([1., 0.])
        """
        right = (self.named == classes[self.rows]).astype(np.float64)
        scored, asked = (self.summed(values, len(classes)) for values in (right, np.ones(len(right))))
        if self.fold is None:
            return Outcome(scored, asked)
        folds = np.unique(self.fold).tolist()
        return Outcome(scored, asked, tuple(float(right[self.fold == fold].mean()) for fold in folds))

    def summed(self, values: Float[np.ndarray, " q"], n: int) -> Float[np.ndarray, " n"]:
        """A value of each question, summed over those of each of n pictures."""
        total: Float[np.ndarray, " n"] = np.bincount(self.rows, weights=values, minlength=n)
        return total
