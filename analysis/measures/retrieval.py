"""The retrieval protocol: each picture is asked against all others, and finds those of its own class or taxon."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.analysis.measures.average_precision import average_precision
from cladescope.analysis.measures.outcomes import Outcome
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
    vectors: Float[np.ndarray, "n d"], codes: Mapping[str, Int[np.ndarray, " n"]], *, ks: Sequence[int] = K
) -> Retrieved:
    """Recall@k and mean average precision of each kind of likeness: `codes` number the class of a picture, -1 for none.

    Every picture is a query against all others (leave-one-out), by cosine, equal ones in the order of their rows.
    recall@k is whether one of the first k is of the query's class; average precision is the mean, over the pictures of
    its class, of the precision down to them, over the whole list. A query without a class, or alone in it, is not
    asked. A kind in which nothing can be asked is left out. Time grows with n^2; memory: 12 n d bytes and a few blocks
    of `BLOCK_BYTES`.

    Raises InputError where nothing at all can be asked, or for a vector without direction.

    >>> vectors = np.array([[1.0, 0.0], [0.9, 0.1], [0.6, 0.5], [0.0, 1.0]])
    >>> found = retrieval(vectors, {"class": np.array([0, 1, 0, 1])}, ks=[1]).outcomes
    >>> found["class recall@1"].value, round(found["class mAP"].value, 3)
    (0.0, 0.458)
    """
    n = len(vectors)
    sizes = {kind: np.bincount(code[code >= 0], minlength=1) for kind, code in codes.items()}
    can = {kind: (code >= 0) & (sizes[kind][code] > 1) for kind, code in codes.items()}
    can = {kind: asked for kind, asked in can.items() if asked.any()}
    if not can:
        raise InputError(f"no two of {n} pictures are of one class: there is nothing to find again")
    names = [f"recall@{k}" for k in ks] + ["mAP"]
    scored = {f"{kind} {name}": np.zeros(n) for kind in can for name in names}
    first = np.empty(n, np.int64)
    for rows, order in _rankings(normalise(vectors)):
        first[rows] = order[:, 0]
        for kind, asked in can.items():
            code = codes[kind]
            same = (code[order] == code[rows][:, None]) & asked[rows][:, None]
            for k in ks:
                scored[f"{kind} recall@{k}"][rows] = same[:, :k].any(axis=1)
            scored[f"{kind} mAP"][rows] = np.where(asked[rows], average_precision(same), 0.0)
    outcomes = {name: Outcome(values, can[name.split(" ")[0]].astype(np.float64)) for name, values in scored.items()}
    return Retrieved(outcomes, first)


def _rankings(unit: Float[np.ndarray, "n d"]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of a block of queries, and for each the other n - 1 rows from the nearest to the farthest."""
    n = len(unit)
    for start, stop in blocks(n, size=max(1, BLOCK_BYTES // (32 * n))):
        rows = np.arange(start, stop)
        scores = unit[start:stop] @ unit.T
        scores[rows - start, rows] = -np.inf
        yield rows, np.argsort(-scores, axis=1, kind="stable")[:, : n - 1]
