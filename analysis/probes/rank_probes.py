"""The probes of one rank, in their order: nearest pictures, the spread of the taxa, and classifiers of other species."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from cladescope.analysis.measures import spread
from cladescope.analysis.measures.bootstrap import percentiles, resampled_ratios
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes import centroids
from cladescope.analysis.probes.measured_rank import Items, MeasuredRank
from cladescope.analysis.probes.nearest_probes import purities, retrieval
from cladescope.analysis.probes.result import N_RESAMPLES, ProbeResult

N_QUERIES, N_TRAINING, N_SILHOUETTES = 5000, 20_000, 1000
"""Pictures asked for their neighbours; pictures that classifiers and variances see; pictures asked for their silhouette."""
MOST_LINEAR_CLASSES = 1000


def rank_probes(
    pictures: Pictures, rank: str, nearest: Int[np.ndarray, "q k"], queries: Int[np.ndarray, " q"], items: Items,
    *, n_permutations: int, seed: int,
) -> Iterator[ProbeResult]:  # fmt: skip
    """Every probe of a rank; `nearest` are the neighbours of `queries`. Values of single pictures are put into `items`.

    Raises InputError where the rank has fewer than two taxa.
    """
    of = MeasuredRank(pictures=pictures, rank=rank, n_permutations=n_permutations, seed=seed, items=items)
    yield from purities(of, nearest, queries)
    rng = np.random.default_rng([seed, 3])
    some = of.known if len(of.known) <= N_TRAINING else np.sort(rng.choice(of.known, N_TRAINING, replace=False))
    yield from retrieval(of, some, rng)
    vectors = pictures.vectors[some]
    labels = _from_0(of.labels[some])
    if labels.max() > 0:
        yield from _spread(of, some, vectors, labels, rng)
    yield from _classifiers(of, some, vectors, labels, rng)


def _spread(
    of: MeasuredRank, some: Int[np.ndarray, " m"], vectors: Float[np.ndarray, "m d"], labels: Int[np.ndarray, " m"],
    rng: np.random.Generator,
) -> Iterator[ProbeResult]:  # fmt: skip
    yield _eta_squared(of, some, vectors, labels)
    asked = rng.choice(len(some), min(len(some), N_SILHOUETTES), replace=False)
    yield of.result(
        "silhouette", spread.silhouette(vectors, labels, asked), some[asked],
        lambda given: float(spread.silhouette(vectors, _from_0(given), asked).mean()), moved=some, slow=True,
        reference="Rousseeuw 1987",
        meaning=f"How much closer (in cosine) a picture is to its own {of.rank} than to the next: -1 to 1.",
    )  # fmt: skip


def _from_0(labels: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
    return np.asarray(np.unique(labels, return_inverse=True)[1])


def _eta_squared(
    of: MeasuredRank, some: Int[np.ndarray, " m"], vectors: Float[np.ndarray, "m d"], labels: Int[np.ndarray, " m"]
) -> ProbeResult:
    """Its interval resamples species with the class means held fast."""

    def eta(labels: Int[np.ndarray, " m"]) -> float:
        between, total = spread.variance_parts(vectors, labels)
        return float(between.sum() / max(float(total.sum()), 1e-30))

    between, total = spread.variance_parts(vectors, labels)
    top, bottom = (
        resampled_ratios(part, groups=of.pictures.lineage[some], n_resamples=N_RESAMPLES, seed=of.seed)
        for part in (between, total)
    )
    low, high = percentiles(top / np.maximum(bottom, 1e-30))
    value = eta(labels)
    balanced, by_species = (
        spread.weighted_eta_squared(vectors, labels, spread.alike_weights(groups))
        for groups in (labels, of.pictures.lineage[some])
    )
    fisher = value / (1 - value) if value < 1 else float("inf")
    return ProbeResult(
        probe="eta squared", value=value, low=low, high=high, balanced=balanced, by_species=by_species, n_images=len(labels), reference="Fisher 1925, chapter VIII",
        meaning=f"Share of the vectors' variance that lies between taxa of this rank (Fisher ratio {fisher:.3g}).",
        **of.about, **of.null(lambda given: eta(_from_0(given)), value, some, slow=True),
    )  # fmt: skip


def _classifiers(
    of: MeasuredRank, some: Int[np.ndarray, " m"], vectors: Float[np.ndarray, "m d"], labels: Int[np.ndarray, " m"],
    rng: np.random.Generator,
) -> Iterator[ProbeResult]:  # fmt: skip
    """Nearest centroid and a linear probe, tested on other species; of species and labels, on other pictures."""
    never_cut = np.arange(len(some)) if of.is_of_pictures else of.pictures.lineage[some]
    train = centroids.group_split(labels, never_cut, seed=of.seed)
    test = np.flatnonzero(~train & np.isin(labels, labels[train]))
    test = test if len(test) <= N_QUERIES else np.sort(rng.choice(test, N_QUERIES, replace=False))
    n_classes = len(np.unique(labels[train]))
    if not len(test) or n_classes < 2:
        return
    names = np.unique(of.labels[some])
    others = "other pictures" if of.is_of_pictures else "other species"
    methods = {"nearest-centroid accuracy": (centroids.nearest_centroid, "Snell et al. 2017")}
    if n_classes <= MOST_LINEAR_CLASSES:
        methods["linear-probe accuracy"] = (centroids.linear_probe, "Alain & Bengio 2016")
    for name, (method, reference) in methods.items():
        answer = method(vectors[train], labels[train], vectors[test])

        answered = names[answer]

        def agreed(given: Int[np.ndarray, " t"], answered: Int[np.ndarray, " t"] = answered) -> float:
            return float((answered == given).mean())

        yield of.result(
            name, (answer == labels[test]).astype(float), some[test], agreed, moved=some[test], reference=reference,
            meaning=f"Share of pictures given the right {of.rank} by a classifier trained on {others}.",
        )  # fmt: skip
