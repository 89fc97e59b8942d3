"""Which pictures to label next: those that a classifier is unsure of, that are unlike each other and unlike what is labelled, or typical of many.

Nothing here reads a store: vectors of unit length go in, places of pictures come out, the first the most wanted.
"""

import warnings
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from cladescope.errors import InputError

Strategy = Literal["typical", "both", "uncertainty", "diverse", "random"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)
COPY = 0.998
"""Cosine from which two pictures are taken for one: only the first of them is proposed."""
_MOST_CLUSTERS = 500
_NEIGHBOURS = 20
_BLOCK = 4096


def next_pictures(
    vectors: Float32[np.ndarray, "n d"],
    n: int,
    *,
    strategy: str = "typical",
    margin: Float[np.ndarray, " n"] | None = None,
    labelled: Float32[np.ndarray, "m d"] | None = None,
    kin: Int[np.ndarray, " n"] | None = None,
    seed: int = 0,
) -> Int[np.ndarray, " k"]:
    """At most n of the pictures to label next, the most wanted first; fewer where the others are copies or kin of these.

    random: any. uncertainty: the smallest `margin` between the probabilities of the two likeliest classes (Scheffer et al. 2001,
    https://doi.org/10.1007/3-540-44816-0_31). diverse: drawn one by one in proportion to the squared distance to the nearest picture that is `labelled` or
    chosen (k-means++; Arthur & Vassilvitskii 2007). both: the same, times 1 - margin, as BADGE weighs distance by doubt (Ash et al. 2020,
    https://arxiv.org/abs/1906.03671). typical: pictures are put into as many clusters as there will be labels, and of each of the largest
    clusters without a label the picture with the nearest neighbours is taken (TypiClust; Hacohen et al. 2022, https://arxiv.org/abs/2202.02794).

    Pictures with one number in `kin` are proposed once, and so are those of a cosine from `COPY` on; copies of what is labelled are not.
    Memory: 16 MiB beside 4 n d bytes; typical takes the time of k-means.

    Raises InputError for an unknown strategy, and for one that needs a margin without one.

    >>> points = np.eye(4, dtype=np.float32)[[0, 0, 1, 2, 3]]
    >>> sorted(next_pictures(points, 4, strategy="diverse").tolist()) in ([0, 2, 3, 4], [1, 2, 3, 4])
    True
    """
    if strategy not in STRATEGIES:
        raise InputError(f"unknown strategy {strategy!r}: expected one of {', '.join(STRATEGIES)}")
    if margin is None and strategy in ("uncertainty", "both"):
        raise InputError(
            f"the strategy {strategy} asks a classifier how sure it is: give one, or choose typical or diverse"
        )
    rng = np.random.default_rng([seed, 15])
    chosen = _Chosen(vectors, labelled, kin)
    if strategy == "typical":
        _take_typical(chosen, n, labelled, rng)
    elif strategy in ("random", "uncertainty"):
        order = rng.permutation(len(vectors))
        if margin is not None and strategy == "uncertainty":
            order = order[np.argsort(margin[order], kind="stable")]
        for row in order:
            if len(chosen.rows) == n:
                break
            chosen.take(int(row))
    else:
        weight = np.ones(len(vectors)) if margin is None or strategy == "diverse" else 1 - margin.astype(np.float64)
        _take_apart(chosen, n, weight, rng)
    return np.array(chosen.rows, np.int64)


class _Chosen:
    """What is chosen, and how near every picture lies to it and to what is labelled."""

    def __init__(
        self,
        vectors: Float32[np.ndarray, "n d"],
        labelled: Float32[np.ndarray, "m d"] | None,
        kin: Int[np.ndarray, " n"] | None,
    ) -> None:
        self.vectors, self.kin = vectors, kin
        self.rows: list[int] = []
        self.near: Float32[np.ndarray, " n"] = np.full(len(vectors), -1.0, np.float32)
        """Cosine to the nearest that is labelled or chosen."""
        if labelled is not None and len(labelled):
            for start in range(0, len(vectors), _BLOCK):
                self.near[start : start + _BLOCK] = (vectors[start : start + _BLOCK] @ labelled.T).max(axis=1)
        self.free: Bool[np.ndarray, " n"] = self.near < COPY

    def take(self, row: int) -> None:
        """Choose a picture, unless it is a copy or kin of what was chosen."""
        if not self.free[row]:
            return
        self.rows.append(row)
        np.maximum(self.near, self.vectors @ self.vectors[row], out=self.near)
        self.free &= self.near < COPY
        self.free[row] = False
        if self.kin is not None:
            self.free &= self.kin != self.kin[row]


def _take_apart(chosen: _Chosen, n: int, weight: Float64[np.ndarray, " n"], rng: np.random.Generator) -> None:
    """One by one, in proportion to a weight and the squared distance to the nearest that is there already."""
    while len(chosen.rows) < n and chosen.free.any():
        chance = np.where(chosen.free, weight * np.maximum(2 - 2 * chosen.near.astype(np.float64), 0), 0)
        total = chance.sum()
        chance = chance / total if total > 0 else chosen.free / chosen.free.sum()
        chosen.take(int(rng.choice(len(chance), p=chance)))


def _take_typical(
    chosen: _Chosen, n: int, labelled: Float32[np.ndarray, "m d"] | None, rng: np.random.Generator
) -> None:
    """Of each of the largest clusters without a label the picture in the densest place; where clusters run out, of any in turn."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    vectors, m = chosen.vectors, 0 if labelled is None else len(labelled)
    n_clusters = min(m + n, _MOST_CLUSTERS, len(vectors))
    if n_clusters < 1:
        return
    make = KMeans if len(vectors) <= 5_000 else MiniBatchKMeans
    with warnings.catch_warnings():
        # Of copies there are fewer points than clusters: some clusters stay empty.
        warnings.filterwarnings("ignore", message="Number of distinct clusters")
        model = make(n_clusters, n_init=1, random_state=int(rng.integers(2**31 - 1))).fit(vectors)
    cluster = model.labels_
    n_labels = np.zeros(n_clusters, np.int64)
    if labelled is not None and m:
        n_labels += np.bincount(model.predict(labelled), minlength=n_clusters)
    queues = [_densest(vectors, np.flatnonzero(cluster == one)) for one in range(n_clusters)]
    size = np.array([len(queue) for queue in queues])
    while len(chosen.rows) < n and chosen.free.any():
        # The cluster with the fewest labels and, of these, the most pictures.
        left = np.array([len(queue) > 0 for queue in queues])
        if not left.any():
            break
        one = int(np.lexsort((-size, np.where(left, n_labels, np.iinfo(np.int64).max)))[0])
        before = len(chosen.rows)
        while queues[one] and len(chosen.rows) == before:
            chosen.take(queues[one].pop(0))
        n_labels[one] += 1


def _densest(vectors: Float32[np.ndarray, "n d"], rows: Int[np.ndarray, " m"]) -> list[int]:
    """Pictures of a cluster, those with the nearest neighbours first; of large clusters of the first 2,000 pictures."""
    some = rows[:2000]
    k = min(_NEIGHBOURS, len(some) - 1)
    if k < 1:
        return [int(row) for row in some]
    scores = vectors[some] @ vectors[some].T
    np.fill_diagonal(scores, -2)
    typical = np.partition(scores, -k, axis=1)[:, -k:].mean(axis=1)
    return [int(row) for row in some[np.argsort(-typical, kind="stable")]]
