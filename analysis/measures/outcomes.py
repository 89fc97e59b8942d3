"""From what each picture scored to a figure with its interval.

A measure asks some pictures, some of them several times (in every fold in which they are not given): its value is what
they scored over how often they were asked. Intervals resample pictures, so they speak of other pictures like these;
what another draw of the given ones would change is told by the folds.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Real

from cladescope.analysis.measures.accuracy import BLOCK_BYTES
from cladescope.arrays import blocks
from cladescope.errors import InputError

LEVEL = 0.95
N_RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Outcome:
    """What each picture of a task scored in one measure."""

    scored: Float[np.ndarray, " n"]
    """Sum of its scores, for instance in how many folds it was right."""
    asked: Float[np.ndarray, " n"]
    """How often it was asked; 0 where it is none of the measure's pictures."""
    folds: tuple[float, ...] = ()
    """Value of each fold, where there are several."""

    @property
    def value(self) -> float:
        """Mean score of a question."""
        return float(self.scored.sum() / self.asked.sum())


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
    def of(cls, outcome: Outcome) -> "Figure":
        """The figure of what pictures scored.

        >>> right, asked = np.array([1.0, 0.0, 2.0, 0.0]), np.array([1.0, 1.0, 2.0, 0.0])
        >>> figure = Figure.of(Outcome(right, asked))
        >>> figure.value, figure.n
        (0.75, 3)
        """
        low, high = ratio_interval(outcome.scored, outcome.asked)
        return cls(
            value=outcome.value,
            low=low,
            high=high,
            n=int((outcome.asked > 0).sum()),
            std=float(np.std(outcome.folds)) if outcome.folds else None,
            folds=outcome.folds,
        )


def difference(first: Outcome, other: Outcome) -> tuple[float, float, float]:
    """`other` minus `first` on the same questions, and its interval: they differ if it leaves out 0.

    Raises InputError where they were not asked the same.
    """
    if not np.array_equal(first.asked, other.asked):
        raise InputError("two encoders were not asked the same pictures: their difference means nothing")
    gained = other.scored - first.scored
    low, high = ratio_interval(gained, first.asked)
    return float(gained.sum() / first.asked.sum()), low, high


def ratio_interval(
    scored: Real[np.ndarray, " n"],
    asked: Real[np.ndarray, " n"],
    *,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Lower and upper end of the percentile bootstrap interval of sum(scored) / sum(asked), resampling pictures.

    A picture comes with all that it was asked. Where each is asked once, this is `accuracy.bootstrap_interval`. Memory: a
    block of `BLOCK_BYTES`. Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13 (a ratio of means).

    Raises InputError where no picture was asked.

    >>> low, high = ratio_interval(np.array([2.0] * 80 + [0.0] * 20), np.full(100, 2.0))
    >>> round(low, 2), round(high, 2)
    (0.72, 0.88)
    """
    questions = np.stack([scored, asked], axis=1).astype(np.float64)[asked > 0]
    if not len(questions):
        raise InputError(f"none of {len(asked)} pictures was asked: there is nothing to measure")
    distinct, counts = np.unique(questions, axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    n = len(questions)
    ratios = []
    for start, stop in blocks(n_resamples, size=max(1, BLOCK_BYTES // (8 * len(distinct)))):
        # How often each kind of picture is drawn is multinomial: no need to draw pictures.
        drawn = rng.multinomial(n, counts / n, size=stop - start) @ distinct
        ratios.append(drawn[:, 0] / drawn[:, 1])
    low, high = np.quantile(np.concatenate(ratios), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
