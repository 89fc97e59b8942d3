"""The retrieval protocol: each picture is asked against all others, and finds those of its own class or taxon."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.analysis.measures.average_precision import average_precision
from cladescope.analysis.measures.outcomes import Outcome
from cladescope.analysis.measures.ranking import ranked
from cladescope.arrays import blocks, normalise
from cladescope.errors import InputError

K = (1, 5, 10)


@dataclass(frozen=True, eq=False)
class Retrieved:
    """What was found again."""

    outcomes: Mapping[str, Outcome]
    """Under names such as `label recall@1` and `genus mAP`."""
    first: Int[np.ndarray, " n"]
    """The row that each picture found first."""


def retrieval(
    vectors: Float[np.ndarray, "n d"],
    codes: Mapping[str, Int[np.ndarray, " n"]],
    *,
    kin: Int[np.ndarray, " n"] | None = None,
    ks: Sequence[int] = K,
) -> Retrieved:
    """Recall@k and mean average precision of each kind of likeness: `codes` number the class of a picture, -1 for none.

    Every picture is a query against all others (leave-one-out), by cosine, equal ones in the order of their rows.
    recall@k is whether one of the first k is of the query's class; average precision is the mean, over the pictures of
    its class, of the precision down to them, over the whole list. A query without a class, or alone in it, is not
    asked. A kind in which nothing can be asked is left out. Its kin (the same number in `kin`, see `embedding.kin`) are not among
    the others that a picture is asked against, nor among those that it could find. Time grows with n^2; memory: 12 n d bytes and a few blocks
    of `BLOCK_BYTES`.

    Raises InputError where nothing at all can be asked, or for a vector without direction.

    >>> vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.6, 0.5], [0.0, 1.0]])
    >>> found = retrieval(vectors, {"class": np.array([0, 1, 0, 1])}, ks=[1]).outcomes
    >>> found["class recall@1"].value, round(found["class mAP"].value, 3)
    (0.0, 0.458)
    """
    n = len(vectors)
    kin = np.arange(n) if kin is None else kin
    can = {kind: (code >= 0) & (_others(code, kin) > 0) for kind, code in codes.items()}
    can = {kind: asked for kind, asked in can.items() if asked.any()}
    if not can:
        raise InputError(f"no two of {n} pictures are of one class: there is nothing to find again")
    names = [f"recall@{k}" for k in ks] + ["mAP"]
    scored = {f"{kind} {name}": np.zeros(n) for kind in can for name in names}
    first = np.empty(n, np.int64)
    for rows, order in _rankings(normalise(vectors), kin):
        first[rows] = order[:, 0]
        stranger = kin[order] != kin[rows][:, None]
        for kind, asked in can.items():
            code = codes[kind]
            same = (code[order] == code[rows][:, None]) & asked[rows][:, None] & stranger
            for k in ks:
                scored[f"{kind} recall@{k}"][rows] = same[:, :k].any(axis=1)
            scored[f"{kind} mAP"][rows] = np.where(asked[rows], average_precision(same), 0.0)
    outcomes = {name: Outcome(values, can[name.split(" ")[0]].astype(np.float64)) for name, values in scored.items()}
    return Retrieved(outcomes, first)


def _others(code: Int[np.ndarray, " n"], kin: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """How many pictures of its class each has that are not its kin; pictures without a class count as one."""
    _, own, sizes = np.unique(code, return_inverse=True, return_counts=True)
    _, both, related = np.unique(np.stack([code, kin]), axis=1, return_inverse=True, return_counts=True)
    others: Int[np.ndarray, " n"] = sizes[own.ravel()] - related[both.ravel()]
    return others


def _rankings(unit: Float[np.ndarray, "n d"], kin: Int[np.ndarray, " n"]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of a block of queries, and for each the other n - 1 rows from the nearest to the farthest, its kin last."""
    n = len(unit)
    for start, stop in blocks(n, size=max(1, BLOCK_BYTES // (32 * n))):
        rows = np.arange(start, stop)
        scores = unit[start:stop] @ unit.T
        scores[kin[rows][:, None] == kin] = -2.0
        scores[rows - start, rows] = -np.inf
        yield rows, ranked(scores)[:, : n - 1]
