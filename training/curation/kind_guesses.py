"""Guesses of what pictures show an organism as, learnt from pictures whose source says it, with a confidence that is measured.

A logistic regression on vectors of unit length is asked about pictures that it did not learn from. Of the guesses of each kind, those as sure as some
score are right in a share whose lower bound (Clopper and Pearson 1934, one-sided, 95 %) is the confidence of that score; a kind is guessed from the score on
whose confidence is what was asked for. The pictures of one observation, specimen or content count as one, since they are right or wrong together. What
is measured holds for pictures like those whose kind is known.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Float64, Int, Real

from cladescope.arrays import normalise

LEAST: Final = 30
"""Fewest pictures of a kind that is learnt."""
MOST: Final = 5000
"""Most pictures of a kind that are learnt from."""
_FOLDS: Final = 5
_STEPS: Final = 10
"""Scores that are looked at: those which a tenth, two tenths, ... of the guesses of a kind reach."""
_DOUBT: Final = 0.05
_C: Final = 10.0


@dataclass(frozen=True, eq=False)
class Guesser:
    """What guesses kinds; nothing where too little was known."""

    kinds: tuple[str, ...]
    """Those that were learnt, in the order of the model's answers."""
    model: Any
    """None where nothing is guessed."""
    steps: Mapping[str, tuple[tuple[float, float], ...]]
    """By kind the scores that are sure enough, the least first, and their confidence."""
    told: Mapping[str, Any]
    """What was learnt and measured, in plain values."""

    def guess(self, vectors: Real[np.ndarray, "n d"]) -> tuple[list[str | None], list[float | None]]:
        """The kind of each picture and its confidence, or None for both."""
        kinds: list[str | None] = [None] * len(vectors)
        sure: list[float | None] = [None] * len(vectors)
        if self.model is None or not len(vectors):
            return kinds, sure
        scores = _scores(self.model, vectors)
        for row, best in enumerate(scores.argmax(axis=1).tolist()):
            reached = [bound for score, bound in self.steps[self.kinds[best]] if scores[row, best] >= score]
            if reached:
                kinds[row], sure[row] = self.kinds[best], max(reached)
        return kinds, sure


def learn(
    vectors: Real[np.ndarray, "n d"], kinds: Sequence[str], names: Sequence[str], *, confidence: float
) -> Guesser:
    """Learn kinds from pictures, of which no two show the same thing, and measure how sure the guesses are.

    `names` decide, by a hash, by which of five models a picture is asked about; kinds of fewer than `LEAST` pictures are not learnt, and asking about them counts as a wrong guess.
    """
    from threadpoolctl import threadpool_limits

    n = Counter(kinds)
    learnt = tuple(sorted(kind for kind in n if n[kind] >= LEAST))
    told: dict[str, Any] = {"known": dict(sorted(n.items())), "learnt": list(learnt)}
    if len(learnt) < 2:
        told["why none is guessed"] = (
            f"{len(learnt)} kinds with {LEAST} or more pictures whose source says it: two are needed"
        )
        return Guesser(learnt, None, {}, told)
    codes = np.array([learnt.index(kind) if kind in learnt else -1 for kind in kinds], np.int64)
    unit = normalise(vectors.astype(np.float32)).astype(np.float64)
    # A number of threads must not decide the last digits.
    with threadpool_limits(1, user_api="blas"):
        scores = _out_of_fold(unit, codes, _folds(names, codes))
        model = _fitted(unit[codes >= 0], codes[codes >= 0])
    guessed = scores.argmax(axis=1)
    steps = {}
    for code, kind in enumerate(learnt):
        of_kind = guessed == code
        found = steps_of(scores[of_kind, code], codes[of_kind] == code)
        steps[kind] = tuple((score, bound) for score, bound in found if bound >= confidence)
        told[kind] = {
            "guessed when held out": int(of_kind.sum()),
            "of these right": int((codes[of_kind] == code).sum()),
            "from the score": min((score for score, _ in steps[kind]), default=None),
            "best confidence": max((bound for _, bound in found), default=None),
        }
    return Guesser(learnt, model, steps, told)


def steps_of(scores: Float64[np.ndarray, " n"], right: np.ndarray) -> list[tuple[float, float]]:
    """Some scores, the least first, and the lower bound of the share of right guesses among those that reach each.

    >>> [(score, round(bound, 3)) for score, bound in steps_of(np.linspace(0.1, 1, 10), np.arange(10) > 0)][:2]
    [(0.1, 0.606), (0.2, 0.717)]
    """
    ordered = np.sort(scores)[::-1]
    n = len(ordered)
    places = sorted({-(-n * step // _STEPS) - 1 for step in range(1, _STEPS + 1)}, reverse=True) if n else []
    found = {}
    for score in ordered[places].tolist():
        reached = scores >= score
        found[score] = lower_bound(int(right[reached].sum()), int(reached.sum()))
    return sorted(found.items())


def lower_bound(right: int, n: int) -> float:
    """The share that so many of n right guesses show at least, but for one case in twenty (Clopper and Pearson).

    >>> round(lower_bound(30, 30), 3), lower_bound(0, 30)
    (0.905, 0.0)
    """
    from scipy.stats import beta

    return float(beta.ppf(_DOUBT, right, n - right + 1)) if right else 0.0


def _folds(names: Sequence[str], codes: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """A fold for each picture; every kind is in all of them alike."""
    order = sorted(
        range(len(names)),
        key=lambda row: (codes[row], hashlib.blake2b(names[row].encode(), digest_size=16).digest()),
    )
    folds = np.empty(len(names), np.int64)
    folds[order] = np.arange(len(names)) % _FOLDS
    return folds


def _out_of_fold(
    unit: Float[np.ndarray, "n d"], codes: Int[np.ndarray, " n"], folds: Int[np.ndarray, " n"]
) -> Float64[np.ndarray, "n k"]:
    scores = np.zeros((len(unit), int(codes.max()) + 1))
    for fold in range(_FOLDS):
        others = (folds != fold) & (codes >= 0)
        scores[folds == fold] = _fitted(unit[others], codes[others]).predict_proba(unit[folds == fold])
    return scores


def _fitted(unit: Float[np.ndarray, "n d"], codes: Int[np.ndarray, " n"]) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=_C, max_iter=1000).fit(unit, codes)


def _scores(model: Any, vectors: Real[np.ndarray, "n d"]) -> Float64[np.ndarray, "n k"]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        found: Float64[np.ndarray, "n k"] = model.predict_proba(
            normalise(vectors.astype(np.float32)).astype(np.float64)
        )
    return found
