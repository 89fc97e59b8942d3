"""Choosing search parameters by measurement: the fastest with which every kind of query finds the target's share.

Three sets are chosen: `near` for queries that resemble what is stored, `far` for those whose best hit scores less than most left-out
pictures', as that of a text does, and `composed` for those that are made of several things; and one `midway`, where far queries are
answered faster so. All are chosen (`choice`) over one half of the queries; figures come from the other.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float32, Int64

from cladescope.index.ann.card import Step
from cladescope.index.ann.choice import Choice, Trial, choose, worst
from cladescope.index.ann.engine import Engine
from cladescope.index.ann.queries import Queries
from cladescope.index.ann.recall import recalled
from cladescope.index.ann.stopwatch import processor_time
from cladescope.index.late_faiss import faiss

FEWEST_TRIALS = 6
ENOUGH = 0.9995
"""With a recall of so much for every kind, wider parameters are not tried."""
N_ALONE = 16
"""Queries that are compared with all rows one by one, for a time; FAISS takes less for each of many."""


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
    bounds: tuple[float, float] | None = None,
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
        met = met or choose([trial, exact], queries, target, bounds=bounds).met
        if worst(queries, trial.shares) >= ENOUGH:
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


def pareto(tried: Sequence[Trial], queries: Queries) -> list[dict[str, object]]:
    """Parameters that no others beat in both the worst kind's recall and speed, slowest last (`faiss.OperatingPoints`)."""
    points = faiss.OperatingPoints()
    for number, trial in enumerate(tried):
        points.add(worst(queries, trial.shares), trial.seconds, str(number), number)
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
        bounds = None if first is None else first.bounds
        tried = trials(engine, queries, truth, k, target, bounds=bounds)
        choice = choose(tried, queries, target, bounds=bounds)
        if first is None:
            first, curve = choice, pareto(tried, queries)
        steps.append(Step(k=k, near=choice.near, far=choice.far, midway=choice.midway, composed=choice.composed))
    assert first is not None
    return steps, first, curve
