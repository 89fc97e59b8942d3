"""What an encoder scores where each text has candidates of its own, which it puts in order (INQUIRE-Rerank).

Vendrow et al. 2024, INQUIRE, https://arxiv.org/abs/2411.02537; `src/eval_rerank_with_clip.py` and `src/metrics.py` of
github.com/inquire-benchmark/INQUIRE: the code counts AP, nDCG and the reciprocal rank over all candidates of a query, the paper speaks of 50 places.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from cladescope.analysis.benchmark.field_scoring import TOP, Scored
from cladescope.analysis.benchmark.questions import VALIDATION_QUERIES, Reranking
from cladescope.analysis.measures import BLOCK_BYTES
from cladescope.analysis.measures.outcomes import Measured, Outcome
from cladescope.analysis.measures.top_hits import gain_of_top, precision_of_top, reciprocal_rank
from cladescope.arrays import blocks, normalise
from cladescope.errors import InputError


def score_reranking(vectors: Float[np.ndarray, "n d"], texts: Float[np.ndarray, "q d"], asked: Reranking) -> Scored:
    """AP, nDCG and reciprocal rank of texts over all their candidates, AP@50 and nDCG@50, and AP and AP@50 of each kind.

    The value is the mean over the queries of the test split; those of the validation split have figures of their own. Of equally
    near candidates the first comes first. A query with no relevant candidate left is not asked. `texts` are the vectors of the
    texts as they stand. Memory: 4 n d bytes, a block of `BLOCK_BYTES`, and 16 bytes for each candidate of each query.

    Raises InputError where no query has a relevant candidate.
    """
    unit, told = normalise(vectors).astype(np.float32), normalise(texts).astype(np.float32)
    near = np.empty(len(asked.query), np.float32)
    for start, stop in blocks(len(near), size=max(1, BLOCK_BYTES // (8 * unit.shape[1]))):
        near[start:stop] = (unit[asked.picture[start:stop]] * told[asked.query[start:stop]]).sum(axis=1)
    hits, n_relevant = ordered_hits(asked.query, asked.relevant, near, n_queries=len(texts))
    there = n_relevant > 0
    if not there.any():
        raise InputError(f"none of {len(texts)} queries has a relevant candidate: check where the paths start")
    top, wanted = hits[there], n_relevant[there]
    values = {
        "AP": precision_of_top(top, wanted),
        "nDCG": gain_of_top(top, wanted),
        "reciprocal rank": reciprocal_rank(top),
        f"AP@{TOP}": precision_of_top(top[:, :TOP], wanted),
        f"nDCG@{TOP}": gain_of_top(top[:, :TOP], wanted),
    }
    splits, kinds = np.array(asked.splits), np.array(asked.kinds)
    found: dict[str, Measured] = {}
    for split in dict.fromkeys(asked.splits):
        suffix = f", {split}" if split == VALIDATION_QUERIES else ""
        groups = {"": splits == split, **{f"{kind} ": (splits == split) & (kinds == kind) for kind in sorted({*kinds})}}
        for group, inside in groups.items():
            for name, value in values.items():
                if (there & inside).any() and (not group or name.startswith("AP")):
                    found[f"{group}{name}{suffix}"] = _outcome(value, there, inside)
    none = int((~there).sum())
    reason = "none of their candidates that could be used is relevant"
    return found, {f"{none} of {len(texts)} queries": reason} if none else {}


def ordered_hits(
    query: Int[np.ndarray, " m"], relevant: Bool[np.ndarray, " m"], near: Float[np.ndarray, " m"], *, n_queries: int
) -> tuple[Bool[np.ndarray, "q w"], Int[np.ndarray, " q"]]:
    """Whether each place of each query's list, the nearest first, is relevant, and how many are; shorter lists end in places that are not.

    >>> hits, n_relevant = ordered_hits(np.array([0, 0, 1]), np.array([True, False, True]), np.array([0.1, 0.9, 0.5]), n_queries=2)
    >>> hits.tolist(), n_relevant.tolist()
    ([[False, True], [True, False]], [1, 1])
    """
    order = np.lexsort((-near, query))
    n_candidates = np.bincount(query, minlength=n_queries)
    start = np.cumsum(n_candidates) - n_candidates
    hits = np.zeros((n_queries, n_candidates.max()), bool)
    hits[query[order], np.arange(len(order)) - start[query[order]]] = relevant[order]
    return hits, hits.sum(axis=1)


def _outcome(values: Float[np.ndarray, " t"], there: Bool[np.ndarray, " q"], inside: Bool[np.ndarray, " q"]) -> Outcome:
    """What queries scored; those outside a group, or without a relevant candidate, are not asked."""
    scored = np.zeros(len(there))
    scored[there] = values
    return Outcome(scored * inside, (there & inside).astype(np.float64))
