"""Choosing search parameters by measurement: the fastest with which every kind of query finds the target's share.

Three sets are chosen: `near` for queries that resemble what is stored, `far` for those whose best hit scores less than most left-out
pictures', as that of a text does, and `composed` for those that are made of several things. All are chosen over one half of the
queries; figures come from the other.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import faiss
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from cladescope.index.ann.card import Step
from cladescope.index.ann.engine import Engine
from cladescope.index.ann.queries import PICTURE, STORED, Queries
from cladescope.index.ann.recall import recalled, standard_error
from cladescope.index.ann.stopwatch import processor_time

QUANTILES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Shares of left-out pictures that may count as far."""
NEVER = -2.0
"""A score that every hit exceeds."""
FEWEST_FAR = 20
"""Far queries from which parameters for them are chosen; where there are fewer, nothing is known of them and they are answered
exactly."""
FEWEST_TRIALS = 6
ENOUGH = 0.9995
"""With a recall of so much for every kind, wider parameters are not tried."""
CAUTION = 1.645
"""Standard errors by which a kind must exceed the target over the queries that choose, so that others reach it too: 95 % of one side."""
PICTURE_WEIGHT = 0.9
"""Part of the queries that are pictures, for what a choice costs."""
N_ALONE = 16
"""Queries that are compared with all rows one by one, for a time; FAISS takes less for each of many."""


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
    """Parameters, and the least recall of a kind over the queries that chose them."""

    near: dict[str, int]
    far: dict[str, int] | None
    composed: dict[str, int] | None
    far_below: float
    worst: float
    seconds: float
    """Processor time of a query that is not composed, expected."""
    met: bool
    """Whether every kind reached the target with `CAUTION` to spare."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The exact answers."""

    positions: Int64[np.ndarray, "q k"]
    """The query itself is not among them."""
    scores: Float32[np.ndarray, "q k"]
    seconds: float
    """Processor time of a query that is asked alone."""


def exact_answers(engine: Engine, queries: Queries, k: int) -> Truth:
    """The exact k nearest of each query, itself left out."""
    found, _ = answers(engine.flat.search, queries, k)

    def alone(some: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        scores, positions = zip(*(engine.flat.search(query[None], k) for query in some), strict=True)
        return np.concatenate(scores), np.concatenate(positions)

    few = queries.where(np.arange(len(queries)) < N_ALONE)
    return Truth(*found, answers(alone, few, k)[1] if len(few) else 0.0)


def answers(
    ask: Callable[..., tuple[np.ndarray, np.ndarray]], queries: Queries, k: int
) -> tuple[tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"]], float]:
    """Positions and scores of k hits of each query, and the processor time of a query; `ask` takes vectors and `k`.

    One hit more is asked for where a query is a row of the index and leaves itself out, as a search by id does; never elsewhere,
    since more hits are looked for more widely.
    """
    positions, scores = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    seconds = 0.0
    for some, more in ((queries.own < 0, 0), (queries.own >= 0, 1)):
        if some.any():
            (found_scores, found), spent = processor_time(partial(ask, k=k + more), queries.vectors[some])
            positions[some], scores[some] = without_own(found, found_scores, queries.own[some], k)
            seconds += spent
    return (positions, scores), seconds / max(1, len(queries))


def without_own(
    found: Int64[np.ndarray, "q m"], scores: Float32[np.ndarray, "q m"], own: Int64[np.ndarray, " q"], k: int
) -> tuple[Int64[np.ndarray, "q k"], Float32[np.ndarray, "q k"]]:
    """The first k of some answers once each query's own position is taken out."""
    order = np.argsort((found == own[:, None]) & (own[:, None] >= 0), axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1)


def trials(
    engine: Engine,
    queries: Queries,
    truth: Truth,
    k: int,
    target: float,
    *,
    far_below: float | None = None,
) -> list[Trial]:
    """Each set of parameters of the engine's ladder tried, and the exact search last.

    Wider ones are left out where all kinds find nearly everything, and where the exact search is faster; those are tried in the
    end if nothing met the target before, for else a slow machine would choose parameters that miss it. Queries whose kinds all find
    nearly everything are not asked again: wider parameters find no less. Each `k_factor` is a ladder of its own.
    """
    exact = Trial(None, truth.seconds, np.ones(len(queries)), truth.scores[:, 0])
    nothing = Trial(None, 0.0, np.zeros(len(queries)), truth.scores[:, 0])
    found: list[Trial] = []
    done: set[int | None] = set()
    slow: set[int | None] = set()
    narrower: dict[int | None, Trial] = {}
    met = False
    waiting, put_off = deque(engine.ladder(k)), deque[dict[str, int]]()
    while waiting or (put_off and not met):
        if not waiting:
            waiting, put_off = put_off, waiting
            slow.clear()
        parameters = waiting.popleft()
        factor = parameters.get("k_factor")
        if factor in done or (met and factor in slow):
            continue
        if factor in slow:
            put_off.append(parameters)
            continue

        narrower[factor] = trial = _trial(engine, queries, truth, k, parameters, narrower.get(factor, nothing))
        found.append(trial)
        met = met or choose([trial, exact], queries, target, far_below=far_below).met
        if _worst(queries, trial.shares) >= ENOUGH:
            done.add(factor)
        if len(found) >= FEWEST_TRIALS and trial.seconds > truth.seconds:
            slow.add(factor)
    return [*found, exact]


def _trial(
    engine: Engine, queries: Queries, truth: Truth, k: int, parameters: dict[str, int], narrower: Trial
) -> Trial:
    """What some parameters do; what `narrower` ones did stands for queries whose kinds found nearly everything by them."""

    def ask(some: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return engine.search(some, k, parameters)

    asked = np.zeros(len(queries), bool)
    for of_kind in queries.kinds.values():
        if narrower.shares[of_kind].mean() < ENOUGH:
            asked |= of_kind
    ask(queries.vectors[:1], k)  # what is made once is not timed
    some = queries.where(asked)
    (positions, scores), seconds = answers(ask, some, k)
    shares, best = narrower.shares.copy(), narrower.best.copy()
    shares[asked] = recalled(engine.flat.vectors, some.vectors, truth.positions[asked], positions, k)
    best[asked] = scores[:, 0]
    # More work never takes less time: what seems so is noise.
    return Trial(parameters, max(seconds, narrower.seconds), shares, best)


def choose(tried: Sequence[Trial], queries: Queries, target: float, *, far_below: float | None = None) -> Choice:
    """The fastest parameters that meet a target for every kind, or those whose worst kind is best.

    A kind meets the target where its mean, less `CAUTION` standard errors, reaches it. `far_below` leaves that score as it is.
    """
    composed = _for_composed(tried, queries, target)
    worst_composed = _worst(queries.where(queries.composed), composed.shares[queries.composed])
    others = queries.where(~queries.composed)
    tried = [replace(one, shares=one.shares[~queries.composed], best=one.best[~queries.composed]) for one in tried]
    pictures = others.kinds.get(PICTURE, others.kinds.get(STORED, np.zeros(len(others), bool)))
    best: tuple[bool, float, Choice] | None = None
    for near in tried[:-1]:
        assert near.parameters is not None
        for threshold in _thresholds(near, pictures) if far_below is None else (far_below,):
            is_far = near.best < threshold
            again = _weighted(is_far, pictures)
            for far in tried if is_far.sum() >= FEWEST_FAR else tried[-1:]:
                seconds = near.seconds + far.seconds * again
                if far.parameters is not None and far.seconds < near.seconds:
                    continue
                if best is not None and best[0] and seconds >= -best[1]:
                    continue
                shares = np.where(is_far, far.shares, near.shares)
                worst = min(_worst(others, shares), worst_composed)
                met = _worst(others, shares, cautious=True) >= target
                choice = Choice(near.parameters, far.parameters, composed.parameters, threshold, worst, seconds, met)
                if best is None or (met, -seconds if met else worst) > best[:2]:
                    best = (met, -seconds if met else worst, choice)
    assert best is not None
    return best[2]


def _for_composed(tried: Sequence[Trial], queries: Queries, target: float) -> Trial:
    """The fastest that meets a target for queries made of several things; the exact search, which is the last, where few tell."""
    asked = queries.where(queries.composed)
    for one in sorted(tried, key=lambda one: one.seconds) if len(asked) >= FEWEST_FAR else ():
        if _worst(asked, one.shares[queries.composed], cautious=True) >= target:
            return one
    return tried[-1]


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
        far_below = None if first is None else first.far_below
        tried = trials(engine, queries, truth, k, target, far_below=far_below)
        choice = choose(tried, queries, target, far_below=far_below)
        if first is None:
            first, curve = choice, pareto(tried, queries)
        steps.append(Step(k=k, near=choice.near, far=choice.far, composed=choice.composed))
    assert first is not None
    return steps, first, curve


def _worst(queries: Queries, shares: Float64[np.ndarray, " q"], *, cautious: bool = False) -> float:
    means = (
        float(shares[of_kind].mean())
        - (CAUTION * standard_error(shares[of_kind], queries.groups[of_kind]) if cautious else 0.0)
        for of_kind in queries.kinds.values()
    )
    return min(means, default=1.0)


def _thresholds(near: Trial, pictures: Bool[np.ndarray, " q"]) -> list[float]:
    if not pictures.any():
        return [NEVER]
    return [float(np.quantile(near.best[pictures], part)) for part in QUANTILES]


def _weighted(is_far: Bool[np.ndarray, " q"], pictures: Bool[np.ndarray, " q"]) -> float:
    """Share of queries that are asked a second time."""
    parts = [float(is_far[some].mean()) if some.any() else 0.0 for some in (pictures, ~pictures)]
    return PICTURE_WEIGHT * parts[0] + (1 - PICTURE_WEIGHT) * parts[1]
