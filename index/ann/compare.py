"""Choosing the kind of an index by measurement, within limits of memory and time."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, sqrt
from typing import Any

import numpy as np
from jaxtyping import Float16

from cladescope.errors import InputError
from cladescope.index.ann import kinds
from cladescope.index.ann.engine import Engine
from cladescope.index.ann.queries import Queries
from cladescope.index.ann.tune import exact_answers, steps_of

logger = logging.getLogger(__name__)

SAMPLE_ROWS = 50_000
K = 10
BUILD_PART = 0.8
"""Part of the time that building may take; the rest measures."""


@dataclass(frozen=True)
class Limits:
    """What an index may cost; None is no limit."""

    memory: int | None = None
    """Bytes of the finished index, vectors and all."""
    seconds: float | None = None

    def __bool__(self) -> bool:
        return self.memory is not None or self.seconds is not None


def compare(
    vectors: Float16[np.ndarray, "n d"],
    queries: Queries,
    names: Sequence[str],
    target: float,
    limits: Limits,
    *,
    n_all: int,
    seed: int = 0,
) -> tuple[kinds.Kind, list[dict[str, Any]]]:
    """The fastest kind that meets a target for every kind of query within the limits, or the one that comes nearest; and the table.

    An index of twice the size must be 1.4 times as fast. Kinds that a formula says do not fit are not tried; the others are built over
    at most `SAMPLE_ROWS` of the rows, drawn at random, and tuned there. From the sample to all rows, building grows as n log n for a
    graph, and as n for others; a query as log n for a graph, as the square root of n for cells, whose number grows so too, and as n
    where all rows are compared.

    Sizes are those over `n_all` rows, with those that are left out of `vectors` for now. Raises InputError where no kind is within the
    limits.
    """
    n, d = vectors.shape
    rows = np.sort(np.random.default_rng(seed).choice(n, min(n, SAMPLE_ROWS), replace=False))
    sample = vectors if len(rows) == n else vectors[rows]
    asked = queries if len(rows) == n else queries.where(queries.own < 0)
    grown = n / len(rows)
    table: list[dict[str, Any]] = []
    best: tuple[bool, float, kinds.Kind] | None = None
    for name in names:
        kind = kinds.of(name, n, d)
        size = kind.bytes_per_vector(d)
        row: dict[str, Any] = {"kind": name, "factory": kind.factory}
        row["bytes_per_vector"] = None if size is None else round(size)
        table.append(row)
        if limits.memory is not None and size is not None and size * n_all > limits.memory:
            row["left_out"] = f"takes {_size(size * n_all)}, more than {_size(limits.memory)}"
            continue
        began = time.monotonic()
        engine = Engine.built(kind if kind.is_graph else kinds.of(name, len(rows), d), sample, seed=seed)
        seconds = (time.monotonic() - began) * grown * (log(n) / log(max(len(rows), 2)) if kind.is_graph else 1)
        row["build_minutes"] = round(seconds / 60, 2)
        if limits.seconds is not None and seconds > BUILD_PART * limits.seconds:
            row["left_out"] = f"takes about {seconds / 60:.1f} minutes, more than {limits.seconds / 60:g} leave"
            continue
        if kind.is_flat:
            worst, per_query = 1.0, exact_answers(engine, asked, K).seconds * grown
        else:
            choice = steps_of(engine, asked, [min(K, len(rows) - 1)], target)[1]
            slower = log(n) / log(max(len(rows), 2)) if kind.is_graph else sqrt(grown)
            worst, per_query = choice.worst, choice.seconds * slower
        row |= {"worst_recall": round(worst, 4), "per_second": round(1 / max(per_query, 1e-9))}
        logger.info("%s: ann_recall %.4f at %d queries a second", name, worst, row["per_second"])
        met = worst >= target
        cost = per_query * sqrt(1.0 if size is None else size / (2 * d))
        if best is None or (met, -cost if met else worst) > best[:2]:
            best = (met, -cost if met else worst, kind)
    if best is None:
        told = "; ".join(f"{row['kind']} {row['left_out']}" for row in table)
        raise InputError(f"no kind of index is within the limits: {told}: allow more")
    return replace(best[2], notes=(*best[2].notes, _how(len(rows), n))), table


_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1, "bytes"))


def _size(n_bytes: float | int) -> str:
    return next(f"{n_bytes / unit:.3g} {name}" for unit, name in _UNITS if n_bytes >= unit or unit == 1)


def _how(n_sample: int, n: int) -> str:
    rows = f"a sample of {n_sample:,} rows" if n_sample < n else "all rows that were kept"
    return f"the kind was chosen by measuring over {rows}"
