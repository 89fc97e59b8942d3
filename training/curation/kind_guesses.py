"""Kinds of pictures guessed from their vectors, with a confidence that is measured on held-out pictures of known kind.

Logistic regression learns from pictures whose kind is known. How often it is right is asked of such pictures that it did not learn from: of other sources, where each kind is known from
two at least, else of other observations. The surest guesses of a kind are looked at, all of them, the surer half, the surer quarter and so on. A kind is guessed as surely as
the largest of these whose share of right guesses is at least what is asked for with a probability of 95 % (lower bound of Clopper and Pearson 1934,
https://doi.org/10.1093/biomet/26.4.404, with the 5 % shared among those that are looked at), and above the share of the kind itself, which a guess without looking has.
This holds for pictures that are like those that were held out, and as mixed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

FEWEST: Final = 30
"""Known pictures, each of another observation, that a kind needs; and guesses whose share of right ones says something."""
RISK: Final = 0.05
N_FOLDS: Final = 5


class Level(NamedTuple):
    """Guesses of a kind that were as sure, or surer."""

    surety: float
    """The least probability among them, as the regression has it."""
    n: int
    right: int
    low: float
    """Lower bound of the share of right guesses."""

    @property
    def share(self) -> float:
        """Share of right guesses."""
        return self.right / self.n


@dataclass(frozen=True, eq=False)
class Guesser:
    """A regression, and how sure it must be to guess each kind."""

    model: Any
    levels: Mapping[str, Sequence[Level]]
    """By kind, the surest first; none for a kind that is not guessed."""
    told: Mapping[str, object]

    def guess(self, vectors: Float[np.ndarray, "n d"]) -> tuple[list[str | None], Float[np.ndarray, " n"]]:
        """The kind of each picture, None where it is not sure, and its confidence: the share of right guesses among held-out ones as sure."""
        kinds: list[str | None] = [None] * len(vectors)
        confidences = np.full(len(vectors), np.nan)
        if self.model is None or not len(vectors):
            return kinds, confidences
        probabilities = self.model.predict_proba(vectors)
        for row, place in enumerate(probabilities.argmax(axis=1).tolist()):
            kind = str(self.model.classes_[place])
            met = next((one for one in self.levels[kind] if probabilities[row, place] >= one.surety), None)
            if met is not None:
                kinds[row], confidences[row] = kind, met.share
        return kinds, confidences


def learn(
    vectors: Float[np.ndarray, "n d"],
    kinds: Sequence[str],
    sources: Sequence[str],
    *,
    confidence: float,
    seed: int,
) -> Guesser:
    """Learn kinds from pictures that are known, each of another observation, and measure how surely they are guessed.

    Kinds of fewer than `FEWEST` pictures are left out; with fewer than two left, nothing is guessed.

    >>> rng = np.random.default_rng(0)
    >>> kinds = ["live", "drawing"] * 100
    >>> made = learn(rng.normal(size=(200, 2)) + 9 * np.array([[1, 0], [0, 1]] * 100), kinds, ["a"] * 200, confidence=0.9, seed=0)
    >>> made.guess(np.array([[9.0, 0.0], [0.0, 9.0]]))[0]
    ['live', 'drawing']
    """
    from threadpoolctl import threadpool_limits

    every = np.array(kinds, object)
    there, numbers = np.unique(every.astype(str), return_counts=True)
    known = dict(zip(there.tolist(), numbers.tolist(), strict=True))
    enough = [kind for kind, n in known.items() if n >= FEWEST]
    told: dict[str, object] = {"known pictures": known, "fewest": FEWEST, "confidence": confidence}
    if len(enough) < 2:
        what = "fewer than two kinds have enough known pictures: nothing is guessed"
        return Guesser(None, {}, {**told, "guesses": {}, "note": what})
    kept = np.isin(every, enough)
    truth, given, of = every[kept].astype(str), vectors[kept], np.array(sources, object)[kept].astype(str)
    by_source = all(len(set(of[truth == kind])) > 1 for kind in enough)
    predicted, surety = np.empty(len(truth), object), np.zeros(len(truth))
    with threadpool_limits(1):  # sums in another order are other sums
        for learnt, asked in _folds(truth, of, by_source=by_source, seed=seed):
            model = _fitted(given[learnt], truth[learnt])
            probabilities = model.predict_proba(given[asked])
            predicted[asked] = model.classes_[probabilities.argmax(axis=1)]
            surety[asked] = probabilities.max(axis=1)
        model = _fitted(given, truth)
    levels = {
        kind: levels_of(
            surety[predicted == kind],
            (truth == kind)[predicted == kind],
            confidence=confidence,
            base=float((truth == kind).mean()),
        )
        for kind in enough
    }
    guesses = {
        kind: [
            {"surety": one.surety, "n": one.n, "right": one.right, "share": one.share, "low": one.low} for one in found
        ]
        for kind, found in levels.items()
    }
    folds = "held out by source" if by_source else "held out by observation"
    return Guesser(model, levels, {**told, "note": folds, "guesses": guesses})


def levels_of(
    surety: Float[np.ndarray, " n"], is_right: Bool[np.ndarray, " n"], *, confidence: float, base: float
) -> list[Level]:
    """The shares of the surest guesses that are right often enough, the surest first; none where no share is.

    >>> levels_of(np.linspace(1, 0, 200), np.linspace(1, 0, 200) > 0.5, confidence=0.9, base=0.5)[-1][1:3]
    (100, 100)
    """
    from scipy.stats import beta

    sizes = []
    size = len(surety)
    while size >= FEWEST:
        sizes.append(size)
        size //= 2
    ordered = -np.sort(-surety)
    found = []
    for size in reversed(sizes):
        least = float(ordered[size - 1])
        n, right = int((surety >= least).sum()), int(is_right[surety >= least].sum())
        low = float(beta.ppf(RISK / len(sizes), right, n - right + 1)) if right else 0.0
        if low >= confidence and low > base:
            found.append(Level(least, n, right, low))
    return found


def _folds(
    truth: np.ndarray, sources: np.ndarray, *, by_source: bool, seed: int
) -> list[tuple[Int[np.ndarray, " l"], Int[np.ndarray, " a"]]]:
    """What is learnt from and what is asked, in each turn."""
    from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold

    if by_source:
        return list(LeaveOneGroupOut().split(truth, truth, sources))
    return list(StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(truth, truth))


def _fitted(vectors: Float[np.ndarray, "n d"], truth: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    from cladescope.analysis.classify.linear_models import C_USUAL

    return LogisticRegression(C=C_USUAL, max_iter=1000).fit(vectors.astype(np.float64), truth)
