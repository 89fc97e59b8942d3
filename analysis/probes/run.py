"""All probes of a set of pictures: what can run does, and what cannot is named with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cladescope.analysis.measures.bootstrap import bootstrap_interval
from cladescope.analysis.measures.permutations import permuted
from cladescope.analysis.measures.spread import alike_weights
from cladescope.analysis.numbers import check_at_least
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes import geometry, neighbours
from cladescope.analysis.probes.lineage_probes import lineage_probes
from cladescope.analysis.probes.measured_rank import Items
from cladescope.analysis.probes.rank_probes import N_QUERIES, rank_probes
from cladescope.analysis.probes.result import (
    N_RESAMPLES,
    NOTHING,
    PICTURES,
    SPECIES,
    ProbeReport,
    ProbeResult,
    of_null,
    with_adjusted,
)
from cladescope.analysis.probes.tree_probes import TreeProbes, all_distances, check_related
from cladescope.analysis.probes.variants import Parts, Variants, ratio
from cladescope.errors import InputError
from cladescope.index.neighbour_graph import nearest_others
from cladescope.phylogeny.tree import Tree
from cladescope.schema import LABEL
from cladescope.steps import counted, step

K = 10
"""Neighbours of each picture."""
N_PERMUTATIONS = 200
N_QUADRUPLES = 100_000


@dataclass(frozen=True, eq=False)
class Probed:
    """A report, and the values of single pictures that a paired comparison needs."""

    report: ProbeReport
    items: Items


def probe(
    pictures: Pictures,
    *,
    store: str = "",
    store_version: int = 0,
    encoder: Mapping[str, Any] | None = None,
    tree: Tree | None = None,
    variant: str | None = None,
    sample: int = N_QUERIES,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> Probed:
    """Measure everything; at most `sample` pictures are asked for their neighbours, among all of them.

    Beside the vectors it takes about 1 GB whatever their number: 4 q c bytes for the scores with class means, and the
    distances of samples of 2,000.

    Raises InputError for fewer than 3 pictures that have a taxon, and for a sample below 3.
    """
    results: list[ProbeResult] = []
    check_at_least(3, sample=sample)
    check_at_least(0, n_permutations=n_permutations, seed=seed)
    pictures = usable(pictures)
    dropped = pictures.n_left_out
    skipped = (
        [
            f"{dropped} pictures have no usable vector or no {'rank' if pictures.note is None else LABEL} and are left out"
        ]
        if dropped
        else []
    )
    items: Items = {}
    rng = np.random.default_rng(seed)
    n, k = len(pictures), min(K, len(pictures) - 2)
    queries = np.sort(rng.choice(n, min(sample, n), replace=False))
    with step("looking for the nearest of each picture"):
        _, nearest = nearest_others(pictures.vectors, queries, k)
    for rank in counted(pictures.ranks, "probing, rank by rank:", len(pictures.ranks)):
        try:
            results += rank_probes(
                pictures, rank, nearest, queries, items, n_permutations=n_permutations, seed=seed
            )  # fmt: skip
        except InputError as error:
            skipped.append(str(error))
    curves: dict[str, dict[str, list[float]]] = {}
    matching: dict[str, Any] = {}
    notes: list[str] = []
    try:
        if pictures.note is not None:
            raise InputError(f"labels make no tree ({pictures.note})")
        with step("probing all ranks together"):
            results += lineage_probes(pictures, queries, nearest, items, n_permutations=n_permutations, seed=seed)
        with step("holding the vectors against the tree of names"):
            taxonomy = TreeProbes(pictures, n_permutations=n_permutations, seed=seed)
            results += [*taxonomy.correlations(), *taxonomy.tree_distances()]
            curves["similarity"] = taxonomy.curve()
    except InputError as error:
        skipped.append(f"tree of mean vectors: {error}")
    if tree is not None:
        try:
            with step("holding the vectors against the phylogeny"):
                phylogeny = TreeProbes(pictures, n_permutations=n_permutations, seed=seed, tree=tree)
                results += [*phylogeny.correlations(), *phylogeny.tree_distances()]
            matching, notes = phylogeny.matching, phylogeny.notes
        except InputError as error:
            skipped.append(f"phylogeny: {error}")
    with step("measuring how the vectors lie"):
        results += _shape(pictures, curves, seed=seed)
    if variant is not None:
        try:
            results += _variants(pictures, variant, n_permutations=n_permutations, seed=seed)
        except InputError as error:
            skipped.append(f"variant {variant}: {error}")
    results = with_adjusted(results)
    parameters = {"sample": sample, "k": k, "n_permutations": n_permutations, "seed": seed, "n_images": n}
    report = ProbeReport(
        store=store, store_version=store_version, encoder=encoder or {}, results=tuple(results), skipped=tuple(skipped),
        curves=curves, trees=matching, notes=tuple(notes), parameters=parameters,
    )  # fmt: skip
    return Probed(report, items)


def usable(pictures: Pictures, rank: str | None = None) -> Pictures:
    """The pictures that have a name at some rank, or a label (`Pictures.told_apart_by`). Raises InputError for fewer than 3."""
    found = pictures.told_apart_by(rank).with_taxa()
    if rank == LABEL and found.ranks != (LABEL,):
        raise InputError(
            "no picture has a label, expected the names of folders in a column `label`: leave the rank out"
        )
    if len(found) < 3:
        raise InputError(
            f"{len(found)} of {len(found) + found.n_left_out} pictures have a vector and a {'taxon' if found.note is None else LABEL}, expected at least 3: "
            "fill the rank columns, or widen the selection"
        )
    return found


def _shape(pictures: Pictures, curves: dict[str, dict[str, list[float]]], *, seed: int) -> list[ProbeResult]:
    some = pictures.sample(2000, seed=seed)
    distances = all_distances(some.vectors)
    n, k = len(some), min(K, len(some) - 2)
    ordered = np.argsort(distances + np.diag(np.full(n, np.inf)), axis=1, kind="stable")[:, :k]
    nearest = np.take_along_axis(distances, ordered, axis=1)
    counts = neighbours.k_occurrence(ordered, n)
    times, pictures_of = np.unique(counts, return_counts=True)
    curves["hubness"] = {"occurrences": times.astype(float).tolist(), "pictures": pictures_of.astype(float).tolist()}
    weights = alike_weights(some.lineage)
    found: list[tuple[str, float, float | None, str, str]] = [
        ("hubness", neighbours.skewness(counts), neighbours.skewness(counts, weights), "Radovanovic et al. 2010", "Skewness of how often pictures are neighbours: 0 without hubs."),
        ("relative delta", geometry.relative_delta(distances, n_quadruples=N_QUADRUPLES, seed=seed), None, "Khrulkov et al. 2020", "Departure from a tree, 0 for a tree; a lower bound, from sampled quadruples."),
    ]  # fmt: skip
    if k > 1:
        found += [
            ("intrinsic dimension (TwoNN)", geometry.two_nn(nearest), geometry.two_nn(nearest, weights), "Facco et al. 2017", "Dimensions that the pictures fill nearby."),
            ("intrinsic dimension (MLE)", geometry.levina_bickel(nearest), geometry.levina_bickel(nearest, weights), "Levina & Bickel 2004, MacKay & Ghahramani 2005", "Dimensions that the pictures fill nearby."),
        ]  # fmt: skip
    return [
        ProbeResult(
            probe=name, value=value, balanced=balanced, by_species=balanced, alike=NOTHING if balanced is None else PICTURES,
            n_images=n, reference=reference, meaning=meaning, higher_is_better=None, sampled=n if n < len(pictures) else None,
        )
        for name, value, balanced, reference, meaning in found
    ]  # fmt: skip


def check_asked(pictures: Pictures, *, tree: Tree | None, variant: str | None) -> None:
    """Raise InputError for a variant of other than two values, and for a tree with none of the species, before anything is measured."""
    if variant is not None:
        _two_values(pictures, variant)
    if tree is not None:
        check_related(pictures, tree)


def _two_values(pictures: Pictures, column: str) -> list[str]:
    """The values of a column, in order. Raises InputError unless there are two."""
    values = sorted(pictures.texts(column).drop_null().unique().to_pylist())
    if len(values) != 2:
        raise InputError(
            f"the variant {column!r} has {len(values)} values among these pictures, expected two, such as female and male: choose "
            "another column, or the pictures of two values"
        )
    return values


def _variants(pictures: Pictures, column: str, *, n_permutations: int, seed: int) -> list[ProbeResult]:
    texts, values = pictures.texts(column), _two_values(pictures, column)
    labels = pictures.labels(pictures.ranks[-1])
    variants = pc.fill_null(pc.index_in(texts, value_set=pa.array(values, texts.type)), -1).to_numpy().astype(np.int64)
    rows = np.flatnonzero((variants >= 0) & (labels >= 0))
    measured = Variants.of(pictures.vectors[rows], labels[rows], seed=seed)
    asked = measured.usable(variants[rows])
    found = []
    for name, of, better in (
        ("variant explained variance", measured.explained, False),
        ("variant Fisher ratio", measured.fisher, True),
    ):
        above, below = of(variants[rows])
        value = ratio(above, below)
        low, high = bootstrap_interval(above, below, groups=np.arange(len(above)), n_resamples=N_RESAMPLES, seed=seed)

        def shuffled(rng: np.random.Generator, of: Parts = of) -> float:
            return ratio(*of(measured.shuffled(variants[rows], rng)))

        null = permuted(shuffled, value, n_permutations=n_permutations, seed=seed, higher_is_better=better)
        found.append(ProbeResult(
            probe=name, value=value, low=low, high=high, n_images=len(rows), n_taxa=len(asked), alike=SPECIES,
            higher_is_better=better, reference="Gu et al. 2025, BioCLIP 2, section 5", **of_null(null, n_permutations),
            meaning=f"Difference of {values[0]} and {values[1]} {'apart from' if better else 'along'} that between species.",
        ))  # fmt: skip
    return found
