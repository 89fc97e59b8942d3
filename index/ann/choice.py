"""The choice among search parameters that were tried: the fastest with which every kind of query finds the target's share."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt

import numpy as np
from jaxtyping import Bool, Float32, Float64

from cladescope.index.ann.queries import PICTURE, STORED, Queries
from cladescope.index.ann.recall import standard_error

LEAST_FAR, MOST_FAR = 0.001, 0.2
"""Shares of left-out pictures that may count as far: at least, where nothing else is far, and at most."""
N_THRESHOLDS = 16
"""Scores that are tried as the one below which a query is far."""
NEVER = -2.0
"""A score that every hit exceeds."""
FEWEST_FAR = 20
"""Far queries from which parameters for them are chosen; where there are fewer, nothing is known of them and they are answered
exactly."""
BY_WAY = 0.8
"""A search between near and far ones must bring the time of a query down to so much: the more is chosen, the more is by chance."""
CAUTION = 1.645
"""Standard errors by which a kind must exceed the target over the queries that choose, so that others reach it too: 95 % of one side."""
PICTURE_WEIGHT = 0.9
"""Part of the queries that are pictures, for what a choice costs."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What a set of parameters did; None is the exact search."""

    parameters: dict[str, int] | None
    seconds: float
    """Processor time of a query, many asked at once."""
    shares: Float64[np.ndarray, " q"]
    best: Float32[np.ndarray, " q"]
    """Score of each query's first hit."""


@dataclass(frozen=True)
class Choice:
    """Parameters, and the least recall of a kind over the queries that chose them; None is the exact search."""

    near: dict[str, int]
    far: dict[str, int] | None
    composed: dict[str, int] | None
    far_below: float
    worst: float
    seconds: float
    """Processor time of a query that is not composed, expected."""
    met: bool
    """Whether every kind reached the target with `CAUTION` to spare."""
    midway: dict[str, int] | None = None
    """Narrower ones that far queries are asked with before `far`; None where that gains nothing."""
    farther_below: float = NEVER
    """Score after `midway` below which `far` is next."""

    @property
    def bounds(self) -> tuple[float, float]:
        """The scores below which a query is far and farther."""
        return self.far_below, self.farther_below


def choose(
    tried: Sequence[Trial], queries: Queries, target: float, *, bounds: tuple[float, float] | None = None
) -> Choice:
    """The fastest parameters that meet a target for every kind, or those whose worst kind is best.

    A kind meets the target where its mean exceeds it by `CAUTION` standard errors (`meets`). `bounds` leaves the scores below which a query
    is far and farther as they are.
    """
    composed = _for_composed(tried, queries, target)
    worst_composed = worst(queries.where(queries.composed), composed.shares[queries.composed])
    others = queries.where(~queries.composed)
    tried = [replace(one, shares=one.shares[~queries.composed], best=one.best[~queries.composed]) for one in tried]
    pictures = others.kinds.get(PICTURE, others.kinds.get(STORED, np.zeros(len(others), bool)))
    pairs = [
        (near, threshold)
        for near in tried[:-1]
        for threshold in (_thresholds(near, pictures) if bounds is None else bounds[:1])
    ]

    def best_of(ways: _Ways, before: Choice | None, limit: float) -> Choice | None:
        best = before
        for near, threshold in pairs:
            is_far = near.best < threshold
            if best is not None and best.met and near.seconds >= limit:
                continue
            if best is not None and best.met and not meets(target, others, np.where(is_far, 1.0, near.shares)):
                continue
            for way in ways(near, is_far, tried, pictures):
                if best is not None and best.met and way.seconds >= limit:
                    continue
                shares = way.shares
                least = min(worst(others, shares), worst_composed)
                met = meets(target, others, shares)
                if best is None or (met, -way.seconds if met else least) > _order(best):
                    best = way.choice(threshold, composed, worst=least, met=met)
                    limit = min(limit, best.seconds) if met else limit
        return best

    best = best_of(_at_once, None, np.inf)
    assert best is not None
    if not best.met:
        return best
    by_way = partial(_by_way, farther_below=None if bounds is None else bounds[1])
    return best_of(by_way, best, BY_WAY * best.seconds) or best


def _order(choice: Choice) -> tuple[bool, float]:
    return choice.met, -choice.seconds if choice.met else choice.worst


@dataclass(frozen=True, eq=False)
class _Way:
    """Trials that answer a query one after the other: `near`, those that are far `midway`, where there is such, and the rest `far`."""

    near: Trial
    is_far: Bool[np.ndarray, " q"]
    far: Trial
    seconds: float
    midway: Trial | None = None
    farther_below: float = NEVER

    @property
    def shares(self) -> Float64[np.ndarray, " q"]:
        """Recall of each query."""
        far = self.far.shares
        if self.midway is not None:
            far = np.where(self.midway.best < self.farther_below, far, self.midway.shares)
        return np.where(self.is_far, far, self.near.shares)

    def choice(self, far_below: float, composed: Trial, *, worst: float, met: bool) -> Choice:
        """The parameters."""
        assert self.near.parameters is not None
        return Choice(
            near=self.near.parameters,
            far=self.far.parameters,
            composed=composed.parameters,
            far_below=far_below,
            worst=worst,
            seconds=self.seconds,
            met=met,
            midway=None if self.midway is None else self.midway.parameters,
            farther_below=self.farther_below,
        )


_Ways = Callable[[Trial, Bool[np.ndarray, " q"], Sequence[Trial], Bool[np.ndarray, " q"]], Iterable[_Way]]


def _at_once(
    near: Trial, is_far: Bool[np.ndarray, " q"], tried: Sequence[Trial], pictures: Bool[np.ndarray, " q"]
) -> Iterator[_Way]:
    """A narrow search, and one wider one for all that are far."""
    again = _weighted(is_far, pictures)
    for far in _known(_wider(near, tried), is_far):
        yield _Way(near, is_far, far, near.seconds + far.seconds * again)


def _by_way(
    near: Trial,
    is_far: Bool[np.ndarray, " q"],
    tried: Sequence[Trial],
    pictures: Bool[np.ndarray, " q"],
    *,
    farther_below: float | None,
) -> Iterator[_Way]:
    """A narrow search, a wider one for all that are far, and a still wider one for those that are farther."""
    again = _weighted(is_far, pictures)
    for midway in _known(_wider(near, tried), is_far)[:-1]:
        for threshold in _spread(midway.best[is_far]) if farther_below is None else (farther_below,):
            farther = is_far & (midway.best < threshold)
            more = _weighted(farther, pictures)
            for far in _known(_wider(midway, tried), farther):
                seconds = near.seconds + midway.seconds * again + far.seconds * more
                yield _Way(near, is_far, far, seconds, midway, threshold)


def _wider(than: Trial, tried: Sequence[Trial]) -> Sequence[Trial]:
    return [one for one in tried if one.parameters is None or one.seconds > than.seconds]


def _known(tried: Sequence[Trial], asked: Bool[np.ndarray, " q"]) -> Sequence[Trial]:
    """Of too few queries nothing is known but what the exact search finds."""
    return tried if asked.sum() >= FEWEST_FAR else tried[-1:]


def _spread(scores: Float32[np.ndarray, " m"]) -> list[float]:
    return sorted({float(score) for score in np.quantile(scores, np.linspace(0, 1, N_THRESHOLDS // 2))})


def _for_composed(tried: Sequence[Trial], queries: Queries, target: float) -> Trial:
    """The fastest that meets a target for queries made of several things; the exact search, which is the last, where few tell."""
    asked = queries.where(queries.composed)
    for one in sorted(tried, key=lambda one: one.seconds) if len(asked) >= FEWEST_FAR else ():
        if meets(target, asked, one.shares[queries.composed]):
            return one
    return tried[-1]


def worst(queries: Queries, shares: Float64[np.ndarray, " q"]) -> float:
    """The least mean of a kind; 1 without queries."""
    return min((float(shares[of_kind].mean()) for of_kind in queries.kinds.values()), default=1.0)


def meets(target: float, queries: Queries, shares: Float64[np.ndarray, " q"]) -> bool:
    """Whether each kind's mean exceeds a target by `CAUTION` standard errors, as large as they were if the mean were the target.

    Misses are counts: their variance grows with their number, so that a sample with few by chance has too small a variance.
    """
    for of_kind in queries.kinds.values():
        mean = float(shares[of_kind].mean())
        if mean < target:
            return False
        if mean < 1:
            error = standard_error(shares[of_kind], queries.groups[of_kind]) * sqrt((1 - target) / (1 - mean))
            if mean - CAUTION * error < target:
                return False
    return True


def _thresholds(near: Trial, pictures: Bool[np.ndarray, " q"]) -> list[float]:
    if not pictures.any():
        return [NEVER]
    least, most = np.quantile(near.best[pictures], [LEAST_FAR, MOST_FAR])
    # Among the scores of texts it lies, and as few pictures as can be are to be far.
    others = near.best[~pictures] if not pictures.all() else near.best
    tried = np.quantile(others, np.linspace(0, 1, N_THRESHOLDS))
    return sorted({float(score) for score in (least, *tried[tried <= most])})


def _weighted(is_far: Bool[np.ndarray, " q"], pictures: Bool[np.ndarray, " q"]) -> float:
    """Share of queries that are asked a second time."""
    shares = [float(some.mean()) if len(some) else 0.0 for some in (is_far[pictures], is_far[~pictures])]
    return PICTURE_WEIGHT * shares[0] + (1 - PICTURE_WEIGHT) * shares[1]
