"""Choosing search parameters by measurement: the fastest with which every kind of query finds the target's share.

Two sets are chosen: `near` for queries that resemble what is stored, and `far` for those that are composed of several things, or
whose best hit scores less than most left-out pictures', as that of a text does. Both are chosen over one half of the queries;
figures come from the other.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import faiss
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from cladescope.index.ann.card import Step
from cladescope.index.ann.engine import Engine
from cladescope.index.ann.queries import PICTURE, STORED, Queries
from cladescope.index.ann.recall import recalled, standard_error

QUANTILES = (0.001, 0.01, 0.05, 0.1, 0.2)
"""Shares of left-out pictures that may count as far."""
NEVER = -2.0
"""A score that every hit exceeds."""
FEWEST_FAR = 20
"""Far queries from which parameters for them are chosen; where there are fewer, nothing is known of them and they are answered
exactly."""
FEWEST_TRIALS = 6
ENOUGH = 0.9995
"""With a recall of so much for every kind, wider parameters are not tried."""
PICTURE_WEIGHT = 0.9
"""Part of the queries that are pictures, for what a choice costs."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What a set of parameters did; None is the exact search."""

    parameters: dict[str, int] | None
    seconds: float
    """A query, all asked at once."""
    shares: Float64[np.ndarray, " q"]
    best: Float32[np.ndarray, " q"]
    """Score of each query's first hit."""


@dataclass(frozen=True)
class Choice:
    """Parameters, and the least recall of a kind over the queries that chose them."""

    near: dict[str, int]
    far: dict[str, int] | None
    far_below: float
    worst: float
    seconds: float
    """A query, expected."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The exact answers."""

    positions: Int64[np.ndarray, "q k"]
    """The query itself is not among them."""
    scores: Float32[np.ndarray, "q k"]
    seconds: float


def exact_answers(engine: Engine, queries: Queries, k: int) -> Truth:
    """The exact k nearest of each query, itself left out."""
    started = time.perf_counter()
    scores, found = engine.flat.search(queries.vectors, k + 1)
    seconds = (time.perf_counter() - started) / max(1, len(queries))
    return Truth(*without_own(found, scores, queries.own, k), seconds)


def without_own(
    found: Int64[np.ndarray, "q m"], scores: Float32[np.ndarray, "q m"], own: Int64[np.ndarray, " q"], k: int
) -> tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"]]:
    """The first k of some answers once each query's own position is taken out."""
    order = np.argsort((found == own[:, None]) & (own[:, None] >= 0), axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1)


def trials(engine: Engine, queries: Queries, truth: Truth, k: int, ladder: Sequence[dict[str, int]]) -> list[Trial]:
    """Each set of parameters tried, until all kinds find nearly everything or the exact search is faster; that one last."""
    found = []
    for parameters in ladder:
        engine.search(queries.vectors[:1], k + 1, parameters)  # what is made once is not timed
        started = time.perf_counter()
        scores, positions = engine.search(queries.vectors, k + 1, parameters)
        seconds = (time.perf_counter() - started) / max(1, len(queries))
        positions, scores = without_own(positions, scores, queries.own, k)
        shares = recalled(engine.flat.vectors, queries.vectors, truth.positions, positions, k)
        found.append(Trial(parameters, seconds, shares, scores[:, 0]))
        if _worst(queries, shares) >= ENOUGH or (len(found) >= FEWEST_TRIALS and seconds > truth.seconds):
            break
    return [*found, Trial(None, truth.seconds, np.ones(len(queries)), truth.scores[:, 0])]


def choose(tried: Sequence[Trial], queries: Queries, target: float, *, far_below: float | None = None) -> Choice:
    """The fastest pair of parameters that meets a target for every kind, or the one whose worst kind is best.

    A kind meets the target where its mean, less one standard error, reaches it. `far_below` leaves that score as it is.
    """
    pictures = queries.kinds.get(PICTURE, queries.kinds.get(STORED, np.zeros(len(queries), bool)))
    best: tuple[bool, float, Choice] | None = None
    for near in tried[:-1]:
        assert near.parameters is not None
        for threshold in _thresholds(near, pictures) if far_below is None else (far_below,):
            is_far = queries.far | (near.best < threshold)
            for far in tried if is_far.sum() >= FEWEST_FAR else tried[-1:]:
                if far.parameters is not None and far.seconds < near.seconds:
                    continue
                shares = np.where(is_far, far.shares, near.shares)
                worst = _worst(queries, shares)
                seconds = near.seconds + far.seconds * _weighted(is_far, pictures, queries.far)
                choice = Choice(near.parameters, far.parameters, threshold, worst, seconds)
                met = _worst(queries, shares, cautious=True) >= target
                if best is None or (met, -seconds if met else worst) > best[:2]:
                    best = (met, -seconds if met else worst, choice)
    assert best is not None
    return best[2]


def pareto(tried: Sequence[Trial], queries: Queries) -> list[dict[str, object]]:
    """Parameters that no others beat in both the worst kind's recall and speed, slowest last (`faiss.OperatingPoints`)."""
    points = faiss.OperatingPoints()
    for number, trial in enumerate(tried):
        points.add(_worst(queries, trial.shares), trial.seconds, str(number), number)
    kept = (points.optimal_pts.at(place) for place in range(points.optimal_pts.size()))
    rows = []
    for trial in sorted((tried[point.cno] for point in kept if point.cno >= 0), key=lambda trial: trial.seconds):
        recall = {name: round(float(trial.shares[of_kind].mean()), 4) for name, of_kind in queries.kinds.items()}
        row: dict[str, object] = {"parameters": trial.parameters, "per_second": round(1 / max(trial.seconds, 1e-9))}
        rows.append({**row, "recall": recall})
    return rows


def steps_of(
    engine: Engine, queries: Queries, ks: Sequence[int], target: float
) -> tuple[list[Step], Choice, list[dict[str, object]]]:
    """Steps for each of some numbers of hits, the choice at the first, and the trade-off there."""
    truth = exact_answers(engine, queries, max(ks))
    steps: list[Step] = []
    first: Choice | None = None
    curve: list[dict[str, object]] = []
    for k in ks:
        tried = trials(engine, queries, truth, k, engine.ladder())
        choice = choose(tried, queries, target, far_below=None if first is None else first.far_below)
        if first is None:
            first, curve = choice, pareto(tried, queries)
        steps.append(Step(k=k, near=choice.near, far=choice.far))
    assert first is not None
    return steps, first, curve


def _worst(queries: Queries, shares: Float64[np.ndarray, " q"], *, cautious: bool = False) -> float:
    means = (
        float(shares[of_kind].mean()) - (standard_error(shares[of_kind], queries.groups[of_kind]) if cautious else 0.0)
        for of_kind in queries.kinds.values()
    )
    return min(means, default=1.0)


def _thresholds(near: Trial, pictures: Bool[np.ndarray, " q"]) -> list[float]:
    if not pictures.any():
        return [NEVER]
    return [float(np.quantile(near.best[pictures], part)) for part in QUANTILES]


def _weighted(
    is_far: Bool[np.ndarray, " q"], pictures: Bool[np.ndarray, " q"], composed: Bool[np.ndarray, " q"]
) -> float:
    """Share of queries that are asked a second time; those that are composed are far whatever is chosen."""
    others = ~pictures & ~composed
    parts = [float(is_far[some].mean()) if some.any() else 0.0 for some in (pictures, others)]
    return PICTURE_WEIGHT * parts[0] + (1 - PICTURE_WEIGHT) * parts[1]
