"""Labelled pictures asked about classes that were not learnt from them, quickly enough to be done after each click (`taught`)."""

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from cladescope.analysis.measures.simple_shot import centred, class_vectors
from cladescope.arrays import normalise

MOST_ASKINGS = 100
"""Times that classes are learnt anew to ask pictures that they were not learnt from: up to so many pictures are asked one by one."""
MOST_NUMBERS = 20_000_000
"""Numbers of vectors that are looked at for that, so that many pictures are asked in fewer, larger parts."""
FEWEST_PARTS = 5
_SCALES = np.geomspace(0.1, 1000.0, 41)


def asked_apart(
    vectors: Float[np.ndarray, "m d"],
    classes: Int[np.ndarray, " m"],
    kin: Int[np.ndarray, " m"],
    *,
    n_classes: int,
    method: str,
    seed: int = 0,
) -> tuple[Float32[np.ndarray, "m c"], Bool[np.ndarray, " m"]]:
    """Scores of each labelled picture with classes that were not learnt from it or its kin, and whether its own class was left then.

    Up to `MOST_ASKINGS` are asked one by one; of more, parts of them, the larger the more there are.
    """
    _, group = np.unique(kin, return_inverse=True)
    n_groups = int(group.max()) + 1
    n_parts = min(n_groups, MOST_ASKINGS, max(FEWEST_PARTS, MOST_NUMBERS // vectors.size))
    part = group if n_parts == n_groups else np.random.default_rng([seed, 18]).permutation(n_groups)[group] % n_parts
    order = np.argsort(classes, kind="stable")
    vectors, classes, part = vectors[order], classes[order], part[order]
    scores = np.full((len(vectors), n_classes), -np.inf, np.float32)
    asked = np.zeros(len(vectors), bool)
    for number in range(n_parts):
        out = part == number
        there, starts, counts = np.unique(classes[~out], return_index=True, return_counts=True)
        if len(there) < 2:
            continue
        scores[np.ix_(out, there)] = _scores_of(vectors[~out], starts, counts, vectors[out], method)
        asked[out] = np.isin(classes[out], there)
    back = np.argsort(order)
    return scores[back], asked[back]


def _scores_of(
    rest: Float32[np.ndarray, "s d"],
    starts: Int[np.ndarray, " c"],
    counts: Int[np.ndarray, " c"],
    out: Float32[np.ndarray, "q d"],
    method: str,
) -> Float32[np.ndarray, "q c"]:
    """The scores of `fit_classes` for unit vectors that stand class by class, without what its estimators check: a tenth of the time of a few."""
    if method == "simpleshot":
        centre = rest.mean(axis=0)
        rest, out = centred(rest, centre), centred(out, centre)
    means = np.add.reduceat(rest, starts, axis=0) / counts[:, None].astype(np.float32)
    if method == "simpleshot":
        weights, bias = class_vectors(means)
        scores: Float32[np.ndarray, "q c"] = out @ weights.T + bias
    else:
        scores = out @ normalise(means).astype(np.float32, copy=False).T
    return scores


def fit_scale(scores: Float32[np.ndarray, "m c"], classes: Int[np.ndarray, " m"]) -> float:
    """The scale under which the true classes are likeliest; 10 where no picture was asked.

    Temperature scaling (Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 4.2), with targets of (m + 1) / (m + 2) as Platt (1999, Probabilistic
    outputs for support vector machines, section 2.2) has them: a few pictures that are all right are no reason to be certain.

    >>> fit_scale(np.array([[1, 0], [0, 1]], np.float32), np.array([0, 1])) < fit_scale(np.array([[1, 0], [0, 1]] * 50, np.float32), np.array([0, 1] * 50))
    True
    """
    m, c = scores.shape
    if not m:
        return 10.0
    target = np.full((m, c), (1 / (m + 2)) / max(c - 1, 1))
    target[np.arange(m), classes] = (m + 1) / (m + 2)
    finite = np.where(np.isfinite(scores), scores, scores[np.isfinite(scores)].min()).astype(np.float64)
    finite -= finite.max(axis=1, keepdims=True)
    losses = [
        float((target * (np.log(np.exp(scale * finite).sum(axis=1, keepdims=True)) - scale * finite)).sum())
        for scale in _SCALES
    ]
    return float(_SCALES[int(np.argmin(losses))])
