"""Probes of one rank that ask for nearest pictures: purity of the k nearest, and retrieval of all of a taxon."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.analysis.measures.average_precision import average_precision
from cladescope.analysis.measures.ranking import ranked
from cladescope.analysis.probes.measured_rank import MeasuredRank
from cladescope.analysis.probes.result import ProbeResult

N_GALLERY, N_ASKED = 5000, 300
"""Pictures of the gallery of the retrieval probe, and those of them that are asked."""


def purities(
    of: MeasuredRank, nearest: Int[np.ndarray, "q k"], queries: Int[np.ndarray, " q"]
) -> Iterator[ProbeResult]:
    """Share of the nearest, and of the 10 nearest, that have a query's own taxon; `nearest` are those of `queries`.

    Pictures without the rank leave the probe: they ask nothing, and as neighbours they are passed over.
    """
    labels, known = of.labels, of.known
    asked = np.flatnonzero(labels[queries] >= 0)
    named = labels[nearest[asked]] >= 0
    asked, first = asked[named.any(axis=1)], named.argmax(axis=1)[named.any(axis=1)]
    for k in dict.fromkeys((1, min(10, nearest.shape[1]))):
        rows, close = queries[asked], nearest[asked]
        close = close[np.arange(len(asked)), first][:, None] if k == 1 else close[:, :k]
        there = labels[close] >= 0
        usable = there.any(axis=1)
        rows, close, there = rows[usable], close[usable], there[usable]

        def shuffled(
            given: Int[np.ndarray, " m"],
            rows: Int[np.ndarray, " q"] = rows,
            close: Int[np.ndarray, "q k"] = close,
            there: Bool[np.ndarray, "q k"] = there,
        ) -> float:
            moved = labels.copy()
            moved[known] = given
            return float(_shares(moved[rows], moved[close], there).mean())

        if len(rows):
            yield of.result(
                f"{k}-NN purity", _shares(labels[rows], labels[close], there), rows, shuffled,
                moved=known, reference="Manning et al. 2008, section 16.3",
                meaning=f"Share of the {k} nearest pictures of the same {of.rank}.",
            )  # fmt: skip


def _shares(
    own: Int[np.ndarray, " q"], near: Int[np.ndarray, "q k"], there: Bool[np.ndarray, "q k"]
) -> Float[np.ndarray, " q"]:
    """Share of each query's neighbours, as far as they are there, that have its label."""
    same = (near == own[:, None]) & there
    return np.asarray(same.sum(axis=1) / np.maximum(there.sum(axis=1), 1))


def retrieval(of: MeasuredRank, some: Int[np.ndarray, " m"], rng: np.random.Generator) -> Iterator[ProbeResult]:
    """Mean average precision of finding a query's own taxon in a gallery of the rows `some`, or of 5,000 drawn from them."""
    gallery = some if len(some) <= N_GALLERY else np.sort(rng.choice(some, N_GALLERY, replace=False))
    if len(gallery) < 3:
        return
    ask = rng.choice(len(gallery), min(len(gallery), N_ASKED), replace=False)
    vectors = of.pictures.vectors
    scores = vectors[gallery[ask]] @ vectors[gallery].T
    scores[np.arange(len(ask)), ask] = -np.inf
    order = ranked(scores)[:, :-1]
    labels = of.labels[gallery]

    def precisions(labels: Int[np.ndarray, " g"]) -> Float[np.ndarray, " a"]:
        return average_precision(labels[order] == labels[ask][:, None])

    values = precisions(labels)
    usable = np.isfinite(values)
    if usable.any():
        yield of.result(
            "retrieval mAP", values[usable], gallery[ask[usable]], lambda given: _mean(precisions(given)),
            moved=gallery, slow=True, reference="Manning et al. 2008, section 8.4",
            meaning=f"Mean average precision of finding all pictures of the same {of.rank} among {len(gallery):,}.",
        )  # fmt: skip


def _mean(values: Float[np.ndarray, " n"]) -> float:
    """Mean of the finite values; NaN where there are none."""
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else float("nan")
