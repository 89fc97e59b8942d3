"""Building an index: pictures left out, the structure made over the others, tuned, measured, and completed."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int32

from cladescope.errors import InputError
from cladescope.index.ann import kinds
from cladescope.index.ann.card import IndexCard, Step, recall_text
from cladescope.index.ann.choice import NEVER, Choice
from cladescope.index.ann.compare import Limits, compare
from cladescope.index.ann.engine import Engine, threads_for
from cladescope.index.ann.files import building, write
from cladescope.index.ann.held_out import HeldOut, held_out
from cladescope.index.ann.measure import Figures, failing, values_of
from cladescope.index.ann.queries import Queries, queries_of
from cladescope.index.ann.sweep import sweep
from cladescope.index.ann.tune import steps_of
from cladescope.index.ann.tuned import TunedIndex
from cladescope.index.defaults import AUTO, AUTO_MIN_ROWS, COMPARE, TARGET_RECALL
from cladescope.index.resident.snapshot import Snapshot, snapshot
from cladescope.index.store_reader import StoreReader
from cladescope.steps import step

logger = logging.getLogger(__name__)

STEPS = (10, 100)
"""Numbers of hits that search parameters are chosen for."""
NO_LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class Plan:
    """What an index is to be, and what it is measured with."""

    rows: Snapshot
    n_kept: int
    choosing: Queries
    measuring: Queries
    missing: tuple[str, ...]
    target: float
    seed: int
    folder: Path


def check_target(target_recall: float) -> None:
    """Raise InputError for a target that is no share above 0."""
    if not (isfinite(target_recall) and 0 < target_recall <= 1):
        raise InputError(f"target recall is {target_recall}: it must lie in 0 to 1, for instance 0.95")


def build(
    store: StoreReader,
    *,
    kind: str = AUTO,
    target_recall: float = TARGET_RECALL,
    limits: Limits = NO_LIMITS,
    seed: int = 0,
) -> IndexCard:
    """Build the store's index anew over one version of it, and return its card; the store may be read and written meanwhile.

    `auto` is `flat` below 20,000 rows; above, it is `hnsw`, which was the fastest wherever all were compared. Where that misses the
    target, and for the kind `compare` or within `limits`, all usual kinds are measured (`compare.compare`).

    Pictures are left out in whole groups of kin (`held_out`), and the structure is made over the others. One half of all queries
    (`queries`) chooses the fastest search parameters whose ann_recall at k = 10 reaches the target for every kind of query; the
    card's figures are of the other half. Then the pictures left out are added.

    Memory: the vectors (2 n d bytes), the index, and for a graph 4 n d bytes more, above 1 GiB in a file beside it.

    Raises InputError for a target outside 0 to 1, a kind that FAISS does not know or that is beyond the limits, or a store of fewer
    than two rows; StoreError where another builds, or the folder cannot be written; the earlier index then stays.
    """
    check_target(target_recall)
    n, d = store.count(), store.card.dim
    if n < 2:
        raise InputError(f"{store.path} holds {n} vectors: an index needs at least 2")
    is_open = kind == COMPARE or (kind == AUTO and n >= AUTO_MIN_ROWS)
    first = kinds.of({AUTO: kinds.GRAPH if is_open else kinds.FLAT, COMPARE: kinds.GRAPH}.get(kind, kind), n, d)
    with building(store.path, store.vectors_name) as path, threads_for(n):
        plan = _plan(store, target_recall, seed, path)
        if not limits and kind != COMPARE:
            draft = _drafted(plan, first)
            if draft.in_reach or not is_open:
                return _finished(plan, draft)
            logger.info("no parameters of %s meet the target: all kinds are compared", first.name)
        names = tuple(kinds.NAMES) if is_open else (first.name,)
        kept = plan.rows.vectors[: plan.n_kept]
        with step("comparing kinds of index"):
            wanted, compared = compare(
                kept, plan.choosing, names, target_recall, limits, n_all=len(plan.rows), seed=seed
            )
        return _finished(plan, _drafted(plan, wanted), compared if is_open else ())


def _plan(store: StoreReader, target: float, seed: int, path: Path) -> Plan:
    drawn: list[HeldOut] = []

    def last(table: pa.RecordBatch, codes: Int32[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        held = held_out(table, codes, seed=seed)
        # The rows of a snapshot come in this order.
        order = np.lexsort((codes, held.mask))
        drawn.append(held.taken(order))
        return held.mask

    rows = snapshot(store, last=last)
    (held,) = drawn
    n_kept = len(rows) - int(held.mask.sum())
    encoder = (lambda: store.encoder) if store.card.has_text else None
    queries, missing = queries_of(rows, n_kept, held, encoder, seed=seed)
    choosing, measuring = queries.halves(seed)
    if not len(choosing):
        missing += ("queries that chose nothing: there are too few, and those below chose the parameters",)
        choosing = measuring
    return Plan(rows, n_kept, choosing, measuring, missing, target, seed, path)


@dataclass(frozen=True, eq=False)
class Draft:
    """An index over the rows that are kept, and its card."""

    engine: Engine
    card: IndexCard
    in_reach: bool
    """Whether some parameters met the target over the queries that chose them; the card says whether others met it too."""


def _drafted(plan: Plan, kind: kinds.Kind) -> Draft:
    """Build, tune and measure an index of one kind."""
    began = time.monotonic()
    kept = plan.rows.vectors[: plan.n_kept]
    with step(f"building {kind.name}"):
        engine = Engine.built(kind, kept, seed=plan.seed, folder=plan.folder)
    built = time.monotonic()
    logger.info("built %s over %d vectors in %.1f s", kind.factory, plan.n_kept, built - began)
    with step(f"measuring {kind.name}"):
        card, in_reach = _measured(plan, kind, engine)
    card = replace(card, build_seconds=built - began, tune_seconds=round(time.monotonic() - built, 3))
    return Draft(engine, card, in_reach)


def _finished(plan: Plan, draft: Draft, compared: Sequence[dict[str, Any]] = ()) -> IndexCard:
    """Add the pictures that were left out, and write the index."""
    began = time.monotonic()
    draft.engine.add(plan.rows.vectors[plan.n_kept :])
    card = replace(
        draft.card,
        n_vectors=len(draft.engine),
        candidates=tuple(compared),
        build_seconds=round(draft.card.build_seconds + time.monotonic() - began, 3),
    )
    return write(plan.folder, draft.engine, plan.rows.rows, card)


def _measured(plan: Plan, kind: kinds.Kind, engine: Engine) -> tuple[IndexCard, bool]:
    """The card of an index over the rows that are kept, sizes and times left open, and whether its target is in reach."""
    steps, choice, curve = _tuned(plan, engine)
    rows = plan.rows.rows
    card = IndexCard(
        kind=kind.name,
        factory=kind.factory,
        n_vectors=len(engine),
        dim=plan.rows.vectors.shape[1],
        store_version=plan.rows.version,
        built_version=plan.rows.version,
        steps=steps,
        far_below=choice.far_below,
        farther_below=choice.farther_below,
        exact_below=0,
        build_seconds=0.0,
        tune_seconds=0.0,
        bytes_per_vector=0.0,
        target_recall=plan.target,
        target_met=False,
        not_measured=plan.missing,
        curve=curve,
    )
    figures = Figures(TunedIndex(card, rows, engine), plan.measuring)
    card = replace(
        card,
        queries=figures.by_kind(),
        classes=figures.by_value(values_of(rows, plan.measuring, "class")),
        sources=figures.by_value(values_of(rows, plan.measuring, "source")),
    )
    exact_below, filters = sweep(
        TunedIndex(card, rows, engine), plan.choosing, plan.measuring, plan.target, seed=plan.seed
    )
    short = failing(card.queries, plan.target, card.target_k)
    logger.info("ann_recall %s", recall_text(card.ann_recall))
    notes = (*kind.notes, *_wider(card), *_as_vectors(figures, card))
    card = replace(card, exact_below=exact_below, filters=filters, failing=short, target_met=not short, notes=notes)
    return card, choice.met


def _wider(card: IndexCard) -> list[str]:
    """Numbers of hits beyond `target_k` at which kinds of query fall short of the target."""
    notes = []
    for k in (int(k) for k in card.ann_recall if int(k) > card.target_k):
        if short := failing(card.queries, card.target_recall, k):
            reached = ", ".join(f"{name} {card.queries[name].recall[str(k)].mean:.4f}" for name in short)
            notes.append(f"at k = {k} these fall short of {card.target_recall}: {reached}")
    return notes


def _as_vectors(figures: Figures, card: IndexCard) -> list[str]:
    """Kinds of query that fall short of the target where they are given as one vector, not by their parts."""
    k = card.target_k
    return [
        f"{name} given as one vector, not by its parts: ann_recall@{k} {measured.recall[str(k)]}, below the target: search exactly"
        for name, measured in figures.as_vectors(k).items()
        if measured.recall[str(k)].mean < card.target_recall
    ]


def _tuned(plan: Plan, engine: Engine) -> tuple[tuple[Step, ...], Choice, tuple[dict[str, Any], ...]]:
    """Search parameters by number of hits, what was chosen for the first, and the trade-off."""
    if engine.is_flat:
        step = Step(k=max(STEPS), near={}, far=None)
        return (step,), Choice({}, None, None, NEVER, worst=1.0, seconds=0.0, met=True), ()
    ks = [k for k in STEPS if k < plan.n_kept] or [max(1, plan.n_kept - 1)]
    steps, choice, curve = steps_of(engine, plan.choosing, ks, plan.target)
    return tuple(steps), choice, tuple(curve)
