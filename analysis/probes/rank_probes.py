"""The probes of one rank: each a number with its interval, null and balanced variant."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.measures import spread
from cladescope.analysis.measures.average_precision import average_precision
from cladescope.analysis.measures.bootstrap import bootstrap_interval, percentiles, resampled_ratios
from cladescope.analysis.measures.by_class import balanced_mean
from cladescope.analysis.measures.permutations import permuted
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes import centroids
from cladescope.analysis.probes.result import N_RESAMPLES, ProbeResult
from cladescope.errors import InputError

N_QUERIES, N_TRAINING, N_RETRIEVED = 5000, 20_000, 5000
"""Pictures asked for their neighbours; pictures that classifiers and variances see; gallery of the retrieval probe."""
MOST_LINEAR_CLASSES = 1000
SLOW_PERMUTATIONS = 20
"""Most permutations of a probe whose null costs as much as itself."""
Items = dict[tuple[str, str | None], tuple[Float[np.ndarray, " m"], Int[np.ndarray, " m"], Int[np.ndarray, " m"]]]
"""By probe and rank the values of single pictures, their rows and groups: what a paired comparison needs."""


def rank_probes(
    pictures: Pictures, rank: str, nearest: Int[np.ndarray, "q k"], queries: Int[np.ndarray, " q"], items: Items,
    *, n_permutations: int, seed: int,
) -> Iterator[ProbeResult]:  # fmt: skip
    """Every probe of a rank; `nearest` are the neighbours of `queries`. Values of single pictures are put into `items`.

    Raises InputError where the rank has fewer than two taxa.
    """
    labels = pictures.labels(rank)
    known = np.flatnonzero(labels >= 0)
    n_taxa = len(np.unique(labels[known]))
    if n_taxa < 2:
        found = "one value only" if n_taxa else "no value"
        raise InputError(f"rank {rank} has {found}: expected at least two taxa")
    about: dict[str, Any] = {"n_taxa": n_taxa, "n_left_out": len(labels) - len(known), "rank": rank}

    def result(
        probe: str,
        values: np.ndarray,
        rows: np.ndarray,
        statistic: Callable[[np.ndarray], float],
        reference: str,
        meaning: str,
        *,
        times: int = n_permutations,
        size: int | None = None,
    ) -> ProbeResult:
        groups = pictures.lineage[rows]
        items[probe, rank] = (values, rows, groups)
        low, high = bootstrap_interval(values, groups=groups, n_resamples=N_RESAMPLES, seed=seed)
        null = permuted(statistic, size or len(labels), n_permutations=times, seed=seed)
        return ProbeResult(
            probe=probe, value=float(values.mean()), low=low, high=high, null=null, n_permutations=times,
            balanced=balanced_mean(values, labels[rows]), n_images=len(rows), reference=reference, meaning=meaning,
            sampled=len(rows) if len(rows) < len(known) else None, **about,
        )  # fmt: skip

    # Pictures without the rank leave the probe: they ask nothing, and as neighbours they are passed over.
    asked = np.flatnonzero(labels[queries] >= 0)
    among = labels[nearest[asked]]
    first = (among >= 0).argmax(axis=1)
    asked = asked[(among >= 0).any(axis=1)]
    first = first[(among >= 0).any(axis=1)]
    for k in (1, min(10, nearest.shape[1])):
        rows, close = queries[asked], nearest[asked]
        if k == 1:
            close = close[np.arange(len(asked)), first][:, None]
        near = labels[close[:, :k]]
        there = near >= 0

        def share(labels_of_queries: np.ndarray, labels_near: np.ndarray, there: np.ndarray = there) -> np.ndarray:
            same = (labels_near == labels_of_queries[:, None]) & there
            shares: np.ndarray = same.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
            return shares

        def shuffled(
            order: np.ndarray,
            rows: np.ndarray = rows,
            close: np.ndarray = close,
            k: int = k,
            share: Callable[..., np.ndarray] = share,
        ) -> float:
            # Only those that know the rank change places.
            moved = labels.copy()
            moved[known] = labels[known[order]]
            return float(share(moved[rows], moved[close[:, :k]]).mean())

        usable = there.any(axis=1)
        if usable.any():
            yield result(
                f"{k}-NN purity", share(labels[rows], near)[usable], rows[usable], shuffled,
                "Manning et al. 2008, section 16.3",
                f"Share of the {k} nearest pictures of the same {rank}.", size=len(known),
            )  # fmt: skip

    rng = np.random.default_rng([seed, 3])
    some = known if len(known) <= N_TRAINING else np.sort(rng.choice(known, N_TRAINING, replace=False))
    x, groups = pictures.vectors[some], pictures.lineage[some]
    _, y = np.unique(labels[some], return_inverse=True)
    yield from _retrieval(pictures, labels, some, rng, result, rank, min(n_permutations, SLOW_PERMUTATIONS))
    if y.max() > 0:
        yield _eta(x, y, groups, n_permutations=min(n_permutations, SLOW_PERMUTATIONS), seed=seed, about=about)
        ask = rng.choice(len(some), min(len(some), 1000), replace=False)
        yield result(
            "silhouette", spread.silhouette(x, y, ask), some[ask],
            lambda order: float(spread.silhouette(x, y[order], ask).mean()), "Rousseeuw 1987",
            f"How much closer (in cosine) a picture is to its own {rank} than to the next: -1 to 1.",
            times=min(n_permutations, SLOW_PERMUTATIONS), size=len(some),
        )  # fmt: skip
    split = np.arange(len(some)) if rank == "species" else groups
    train = centroids.group_split(y, split, seed=seed)
    test = np.flatnonzero(~train & np.isin(y, y[train]))
    test = test if len(test) <= N_QUERIES else np.sort(rng.choice(test, N_QUERIES, replace=False))
    if not len(test) or len(np.unique(y[train])) < 2:
        return
    others = "other pictures" if rank == "species" else "other species"
    methods = {"nearest-centroid accuracy": (centroids.nearest_centroid, "Snell et al. 2017")}
    if len(np.unique(y[train])) <= MOST_LINEAR_CLASSES:
        methods["linear-probe accuracy"] = (centroids.linear_probe, "Alain & Bengio 2016")
    for name, (method, reference) in methods.items():
        answer = method(x[train], y[train], x[test])

        def agreed(order: np.ndarray, answer: np.ndarray = answer) -> float:
            return float((answer == y[test][order]).mean())

        yield result(
            name, (answer == y[test]).astype(float), some[test], agreed, reference,
            f"Share of pictures given the right {rank} by a classifier trained on {others}.", size=len(test),
        )  # fmt: skip


def _retrieval(
    pictures: Pictures,
    labels: np.ndarray,
    some: np.ndarray,
    rng: np.random.Generator,
    result: Callable[..., ProbeResult],
    rank: str,
    times: int,
) -> Iterator[ProbeResult]:
    gallery = some if len(some) <= N_RETRIEVED else np.sort(rng.choice(some, N_RETRIEVED, replace=False))
    if len(gallery) < 3:
        return
    ask = rng.choice(len(gallery), min(len(gallery), 300), replace=False)
    scores = pictures.vectors[gallery[ask]] @ pictures.vectors[gallery].T
    scores[np.arange(len(ask)), ask] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :-1]
    y = labels[gallery]

    def precisions(y: np.ndarray) -> np.ndarray:
        return average_precision(y[order] == y[ask][:, None])

    values = precisions(y)
    usable = np.isfinite(values)
    if usable.any():
        yield result(
            "retrieval mAP", values[usable], gallery[ask[usable]],
            lambda moved: float(np.nanmean(np.append(precisions(y[moved]), 0.0))), "Manning et al. 2008, section 8.4",
            f"Mean average precision of finding all pictures of the same {rank} among {len(gallery):,}.",
            times=times, size=len(gallery),
        )  # fmt: skip


def _eta(
    x: Float[np.ndarray, "n d"], y: Int[np.ndarray, " n"], groups: Int[np.ndarray, " n"],
    *, n_permutations: int, seed: int, about: dict[str, Any],
) -> ProbeResult:  # fmt: skip
    """Eta squared; its interval resamples groups with the class means held fast."""

    def eta(y: Int[np.ndarray, " n"]) -> float:
        between, total = spread.variance_parts(x, y)
        return float(between.sum() / max(float(total.sum()), 1e-30))

    between, total = spread.variance_parts(x, y)
    top, bottom = (
        resampled_ratios(part, groups=groups, n_resamples=N_RESAMPLES, seed=seed) for part in (between, total)
    )
    low, high = percentiles(top / np.maximum(bottom, 1e-30))
    value = eta(y)
    fisher = value / (1 - value) if value < 1 else float("inf")
    return ProbeResult(
        probe="eta squared", value=value, low=low, high=high, n_permutations=n_permutations,
        null=permuted(lambda order: eta(y[order]), len(y), n_permutations=n_permutations, seed=seed), n_images=len(y),
        reference="Fisher 1925, chapter VIII",
        meaning=f"Share of the vectors' variance that lies between taxa of this rank (Fisher ratio {fisher:.3g}).",
        **about,
    )  # fmt: skip
