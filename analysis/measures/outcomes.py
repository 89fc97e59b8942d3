"""From what each picture scored to a figure with its interval.

A measure asks some pictures, some of them several times (in every fold in which they are not given): its value is what
they scored over how often they were asked. Intervals resample pictures, so they speak of other pictures like these;
what another draw of the given ones would change is told by the folds.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cladescope.analysis.measures.bootstrap import bootstrap_interval


class Measured(ABC):
    """What a figure is made of: an `Outcome`, or a measure that is no ratio of two sums (`macro_f1.MacroF1`)."""

    folds: tuple[float, ...]
    """Value of each fold or run, where there are several."""

    @property
    @abstractmethod
    def value(self) -> float:
        """The measure."""

    @property
    @abstractmethod
    def n_asked(self) -> int:
        """Pictures asked."""

    @abstractmethod
    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval of a bootstrap over pictures."""


@dataclass(frozen=True, eq=False)
class Outcome(Measured):
    """What each picture of a task scored in one measure."""

    scored: Float[np.ndarray, " n"]
    """Sum of its scores, for instance in how many folds it was right."""
    asked: Float[np.ndarray, " n"]
    """How often it was asked, or how much it weighs; 0 where it is none of the measure's pictures."""
    folds: tuple[float, ...] = ()
    """Value of each fold, where there are several."""

    @property
    def value(self) -> float:
        """Mean score of a question."""
        return float(self.scored.sum() / self.asked.sum())

    @property
    def n_asked(self) -> int:
        """Pictures asked."""
        return int((self.asked > 0).sum())

    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval of a bootstrap over pictures. Raises InputError where no picture was asked."""
        return bootstrap_interval(self.scored, self.asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of a result; shares of 1, not percent."""

    value: float
    low: float
    high: float
    """Ends of the 95 % interval of a bootstrap over pictures."""
    n: int
    """Pictures asked."""
    std: float | None = None
    """Population standard deviation over the folds."""
    folds: tuple[float, ...] = ()

    @classmethod
    def of(cls, outcome: Measured) -> "Figure":
        """The figure of what pictures scored.

        Raises InputError where no picture was asked.

        >>> right, asked = np.array([1.0, 0.0, 2.0, 0.0]), np.array([1.0, 1.0, 2.0, 0.0])
        >>> figure = Figure.of(Outcome(right, asked))
        >>> figure.value, figure.n
        (0.75, 3)
        """
        low, high = outcome.interval()
        return cls(
            value=outcome.value,
            low=low,
            high=high,
            n=outcome.n_asked,
            std=float(np.std(outcome.folds)) if outcome.folds else None,
            folds=outcome.folds,
        )
