"""The probes over all ranks: distances of the species' mean vectors, the tree that they make, and its likeness to others."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from jaxtyping import Float, Int, Num

from cladescope.analysis.measures.bootstrap import bootstrap_interval, percentiles
from cladescope.analysis.measures.class_sums import class_sums
from cladescope.analysis.measures.permutations import permuted
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes import distance_correlation as distance
from cladescope.analysis.probes import trees
from cladescope.analysis.probes.lineage_probes import Lineages
from cladescope.analysis.probes.neighbours import taxonomic_distance
from cladescope.analysis.probes.result import ProbeResult, of_null
from cladescope.errors import InputError
from cladescope.phylogeny.tree import Tree

N_SPECIES, N_TRIPLES, N_RESAMPLES = 600, 20_000, 100


def check_related(pictures: Pictures, tree: Tree) -> None:
    """Raise InputError for a tree that has none of the pictures' species, which is then most likely another group's."""
    names = [taxon.name for taxon in pictures.taxa("species")]
    if names and not trees.match_tips(names, tree)[0]:
        raise InputError(
            f"the tree has none of the {len(names):,} species ({names[0]}, ...) among its {tree.n_tips:,} tips: give the tree of this "
            "group, with tips called Genus_species"
        )


class TreeProbes:
    """Centroids of at most 600 sampled taxa of the narrowest common rank (`Lineages.of`), their cosine distances and the average-linkage tree."""

    def __init__(self, pictures: Pictures, *, n_permutations: int, seed: int, tree: Tree | None = None) -> None:
        """With a tree they are species. Raises InputError for fewer than 4 taxa and, with a tree, for fewer than 4 shared names."""
        at = Lineages.of(pictures, None if tree is None else "species")
        self.n_left_out = len(pictures) - len(at.rows)
        self.rank = at.rank
        self.places, self.rows = np.arange(len(at.codes)), np.empty(0, np.int64)
        self.matching: dict[str, object] = {}
        if tree is not None:
            taxa = pictures.taxa("species")
            binomials = [taxa[code].name for code in at.codes[:, -1]]
            places, rows = trees.match_tips(binomials, tree)
            matched = set(places)
            unmatched = sorted(name for place, name in enumerate(binomials) if place not in matched)
            self.matching = {"matched": len(places), "unmatched": unmatched, "tips": tree.n_tips}
            if len(places) < 4:
                raise InputError(
                    f"the tree shares {len(places)} names with the {len(binomials)} species, expected at least 4: "
                    "tips are to be called Genus_species"
                )
            self.places, self.rows = np.array(places), np.array(rows)
        if len(self.places) < 4:
            raise InputError(f"{len(self.places)} taxa at the rank {at.rank}, expected at least 4 for a tree")
        rng = np.random.default_rng([seed, 4])
        some = np.sort(rng.choice(len(self.places), min(N_SPECIES, len(self.places)), replace=False))
        self.sampled = len(some) if len(some) < len(self.places) else None
        self.codes = at.codes[self.places[some]]
        self.vectors = _centroids(pictures.vectors[at.rows], at.numbers)[self.places[some]]
        self.seed, self.n_permutations, self.n_images = seed, n_permutations, len(at.rows)
        self.distances = np.clip(1 - self.vectors @ self.vectors.T, 0, None).astype(np.float64)
        np.fill_diagonal(self.distances, 0)
        self.heights = distance.average_linkage(self.distances)[1]
        self.other: Num[np.ndarray, "s s"]
        if tree is None:
            self.other = taxonomic_distance(self.codes[:, None], self.codes[None])
        else:
            self.other = trees.meeting_distances(tree, self.rows[some].tolist())
        self.name = "taxonomy" if tree is None else "phylogeny"
        if np.ptp(self.other[~np.eye(len(self.other), dtype=bool)]) == 0:
            raise InputError(f"all taxa are equally far apart in the {self.name}: there is no tree to compare with")

    def correlations(self) -> Iterator[ProbeResult]:
        """Spearman with the Mantel null, triplet accuracy and cophenetic correlation, against the taxonomy."""
        other = self.other.astype(np.float64)
        rank_of, other_rank = distance.ranked(self.distances), distance.ranked(other)
        yield self._result(
            "distance correlation",
            lambda order: distance.matrix_correlation(rank_of[np.ix_(order, order)], other_rank[np.ix_(order, order)]),
            lambda order: distance.matrix_correlation(rank_of, other_rank[np.ix_(order, order)]),
            "Mantel 1967; Spearman", f"Rank correlation of cosine distances of species with those in the {self.name}.",
        )  # fmt: skip
        yield self._result(
            "cophenetic correlation",
            lambda order: distance.matrix_correlation(self.heights[np.ix_(order, order)], other[np.ix_(order, order)]),
            lambda order: distance.matrix_correlation(self.heights, other[np.ix_(order, order)]),
            "Sokal & Rohlf 1962",
            f"Correlation of the heights at which species meet in the tree of their mean vectors with the {self.name}.",
        )  # fmt: skip
        triples = distance.triplets(self.other, N_TRIPLES, seed=self.seed)
        if triples.shape[1]:
            yield self._result(
                "triplet accuracy",
                lambda order: float(distance.right_triplets(self.distances[np.ix_(order, order)], distance.triplets(self.other[np.ix_(order, order)], N_TRIPLES // 10, seed=self.seed)).mean()),
                lambda order: float(distance.right_triplets(self.distances[np.ix_(order, order)], triples).mean()),
                "Schroff et al. 2015", "Share of sampled triplets whose anchor is closer to its nearer relative.",
                value=float(distance.right_triplets(self.distances, triples).mean()), sampled=triples.shape[1],
            )  # fmt: skip

    def tree_distances(self) -> Iterator[ProbeResult]:
        """Triplet distance and Robinson-Foulds of the tree of mean vectors against the other tree."""
        triples = trees.sampled_triples(len(self.other), N_TRIPLES, seed=self.seed)
        true = trees.odd_one_out(self.other, triples)
        triples, true = triples[:, true >= 0], true[true >= 0]
        if len(true):

            def differing(order: Int[np.ndarray, " s"]) -> float:
                return float((trees.odd_one_out(self.heights, order[triples]) != true).mean())

            inside = partial(self._triples_among, triples=triples, true=true)
            yield self._result(
                f"triplet distance to {self.name}", inside, differing, "Critchlow et al. 1996",
                f"Share of the triples of species that the {self.name} resolves and the tree of mean vectors has otherwise.",
                value=differing(np.arange(len(self.other))), sampled=len(true), higher_is_better=False,
            )  # fmt: skip
        own, theirs = trees.clades(self.heights), trees.clades(self.other)
        if own or theirs:
            yield ProbeResult(
                probe=f"Robinson-Foulds to {self.name}", value=trees.robinson_foulds(own, theirs),
                n_images=self.n_images, n_taxa=len(self.other), n_left_out=self.n_left_out, sampled=self.sampled, higher_is_better=False,
                reference="Robinson & Foulds 1981", meaning=f"Share of the clades of both trees that only one has: {len(own & theirs)} shared; the {self.name} has {len(theirs)}, the tree of mean vectors {len(own)}.",
            )  # fmt: skip

    def curve(self) -> dict[str, list[float]]:
        """Mean cosine of species by their taxonomic distance, with intervals over resampled species."""
        found: dict[str, list[float]] = {"distance": [], "similarity": [], "low": [], "high": []}
        for step in np.unique(self.other[~np.eye(len(self.other), dtype=bool)]).tolist():
            at = (self.other == step) & ~np.eye(len(self.other), dtype=bool)
            total, count = np.where(at, 1 - self.distances, 0).sum(axis=1), at.sum(axis=1)
            each = np.arange(len(at))
            low, high = bootstrap_interval(total, count, groups=each, n_resamples=500, seed=self.seed)
            for name, value in zip(found, (step, total.sum() / count.sum(), low, high), strict=True):
                found[name].append(float(value))
        return found

    def _triples_among(
        self, order: Int[np.ndarray, " s"], *, triples: Int[np.ndarray, "3 t"], true: Int[np.ndarray, " t"]
    ) -> float:
        """Triplet distance where each triple weighs as often as its species were drawn."""
        times = np.bincount(order, minlength=len(self.other))[triples].prod(axis=0)
        return (
            float(np.average(trees.odd_one_out(self.heights, triples) != true, weights=times))
            if times.any()
            else np.nan
        )

    def _result(
        self, probe: str, resampled: Callable[[Int[np.ndarray, " s"]], float], shuffled: Callable[[Int[np.ndarray, " s"]], float],
        reference: str, meaning: str, *, value: float | None = None, sampled: int | None = None, higher_is_better: bool = True,
    ) -> ProbeResult:  # fmt: skip
        s = len(self.other)
        rng = np.random.default_rng([self.seed, 5])
        # Half of the species without replacement: a species drawn twice would be compared with itself, and of half-samples the
        # spread is that of the whole (Shao & Wu 1989, https://doi.org/10.1214/aos/1176347263).
        half = max(4, s // 2)
        drawn = np.array([resampled(rng.permutation(s)[:half]) for _ in range(N_RESAMPLES)])
        low, high = percentiles(drawn) if np.isfinite(drawn).any() else (None, None)
        found = shuffled(np.arange(s)) if value is None else value
        null = permuted(
            lambda rng: shuffled(rng.permutation(s)), found, n_permutations=self.n_permutations, seed=self.seed,
            higher_is_better=higher_is_better,
        )  # fmt: skip
        return ProbeResult(
            probe=probe, value=found, low=low, high=high, n_images=self.n_images, n_taxa=s, n_left_out=self.n_left_out,
            sampled=sampled or self.sampled, reference=reference, meaning=meaning, higher_is_better=higher_is_better,
            **of_null(null, self.n_permutations),
        )  # fmt: skip


def _centroids(vectors: Float[np.ndarray, "n d"], numbers: Int[np.ndarray, " n"]) -> Float[np.ndarray, "l d"]:
    """Mean direction of each taxon."""
    sums, _ = class_sums(vectors, numbers)
    found: Float[np.ndarray, "l d"] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return found


def all_distances(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n n"]:
    """Euclidean distances; 8 n^2 bytes, for samples."""
    products = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    square = np.diag(products)
    found = np.sqrt(np.maximum(square[:, None] + square - 2 * products, 0))
    np.fill_diagonal(found, 0)
    return found
