"""The probes over all ranks: distances of the species' mean vectors, the trees that they make, and their likeness to others."""

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from math import comb

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from cladescope.analysis.measures.bootstrap import bootstrap_interval, moved_percentiles, percentiles
from cladescope.analysis.measures.class_sums import class_sums
from cladescope.analysis.measures.permutations import permuted
from cladescope.analysis.pictures import Pictures
from cladescope.analysis.probes import distance_correlation as distance
from cladescope.analysis.probes import trees
from cladescope.analysis.probes.lineage_probes import Lineages
from cladescope.analysis.probes.neighbours import taxonomic_distance
from cladescope.analysis.probes.phylogeny_tips import MatchedTips, paths
from cladescope.analysis.probes.quartets import quartet_distance, quartets, sides
from cladescope.analysis.probes.result import SPECIES, ProbeResult, of_null
from cladescope.errors import InputError
from cladescope.phylogeny.neighbour_joining import neighbour_joining
from cladescope.phylogeny.tree import Tree

N_SPECIES, N_TRIPLES, N_QUARTETS, N_RESAMPLES = 600, 20_000, 50_000, 100
NOTHING = 1e-9
"""Branches shorter than this share of the greatest distance count as none."""

Order = Int[np.ndarray, " o"]


def check_related(pictures: Pictures, tree: Tree) -> None:
    """Raise InputError for a tree that has none of the pictures' species, which is then most likely another group's."""
    names = [taxon.name for taxon in pictures.taxa("species")]
    if names and not trees.match_tips(names, tree)[0]:
        raise InputError(
            f"the tree has none of the {len(names):,} species ({names[0]}, ...) among its {tree.n_tips:,} tips: give the tree of this "
            "group, with tips called Genus_species"
        )


class TreeProbes:
    """Centroids of at most 600 sampled taxa of the narrowest common rank (`Lineages.of`), their cosine distances and the trees that these make.

    Every taxon counts once, however many pictures it has.
    """

    def __init__(self, pictures: Pictures, *, n_permutations: int, seed: int, tree: Tree | None = None) -> None:
        """With a tree they are species. Raises InputError for fewer than 4 taxa and, with a tree, for fewer than 4 shared names."""
        at = Lineages.of(pictures, None if tree is None else "species")
        self.n_left_out = len(pictures) - len(at.rows)
        self.rank = at.rank
        self.places, self.rows = np.arange(len(at.codes)), np.empty(0, np.int64)
        self.matching: dict[str, object] = {}
        self.notes: list[str] = []
        if tree is not None:
            taxa = pictures.taxa("species")
            found = MatchedTips.of([taxa[code].name for code in at.codes[:, -1]], tree)
            self.matching, self.notes = found.about, [found.note]
            if len(found.places) < 4:
                raise InputError(
                    f"the tree shares {len(found.places)} names with the {len(at.codes)} species, expected at least 4: "
                    "tips are to be called Genus_species"
                )
            self.places, self.rows = np.array(found.places), np.array(found.rows)
        if len(self.places) < 4:
            raise InputError(f"{len(self.places)} taxa at the rank {at.rank}, expected at least 4 for a tree")
        rng = np.random.default_rng([seed, 4])
        some = np.sort(rng.choice(len(self.places), min(N_SPECIES, len(self.places)), replace=False))
        self.sampled = len(some) if len(some) < len(self.places) else None
        self.codes = at.codes[self.places[some]]
        self.vectors = _centroids(pictures.vectors[at.rows], at.numbers)[self.places[some]]
        self.seed, self.n_permutations, self.n_images = seed, n_permutations, len(at.rows)
        products = (self.vectors @ self.vectors.T).astype(np.float64)
        self.distances = np.clip(1 - (products + products.T) / 2, 0, None)
        np.fill_diagonal(self.distances, 0)
        self.heights = distance.average_linkage(self.distances)[1]
        self.other: Num[np.ndarray, "s s"]
        """Lower for two that meet lower: the tree itself, without lengths."""
        self.paths: Float[np.ndarray, "s s"]
        """Along the branches, or in ranks."""
        if tree is None:
            self.other = taxonomic_distance(self.codes[:, None], self.codes[None])
            self.paths = self.other.astype(np.float64)
        else:
            rows = self.rows[some].tolist()
            self.other = trees.meeting_distances(tree, rows)
            self.paths, note = paths(tree, rows)
            self.notes += [f"phylogeny: {note}"] * bool(note)
        self.name = "taxonomy" if tree is None else "phylogeny"
        if np.ptp(self.other[~np.eye(len(self.other), dtype=bool)]) == 0:
            raise InputError(f"all taxa are equally far apart in the {self.name}: there is no tree to compare with")

    def correlations(self) -> Iterator[ProbeResult]:
        """Spearman with the Mantel null, cophenetic correlation and, for the taxonomy, triplet accuracy."""
        far = self.paths
        to = "" if self.name == "taxonomy" else f" to {self.name}"
        along = f"the {self.name}" if self.name == "taxonomy" else f"those along the branches of the {self.name}"
        rank_of, other_rank = distance.ranked(self.distances), distance.ranked(far)
        yield self._result(
            f"distance correlation{to}",
            lambda order: distance.matrix_correlation(rank_of[np.ix_(order, order)], other_rank[np.ix_(order, order)]),
            lambda order: distance.matrix_correlation(rank_of, other_rank[np.ix_(order, order)]),
            "Mantel 1967; Spearman", f"Rank correlation of cosine distances of species with {along if to else f'those in {along}'}.",
        )  # fmt: skip
        yield self._result(
            f"cophenetic correlation{to}",
            lambda order: distance.matrix_correlation(self._heights_among(order), far[np.ix_(order, order)]),
            lambda order: distance.matrix_correlation(self.heights, far[np.ix_(order, order)]),
            "Sokal & Rohlf 1962",
            f"Correlation of the heights at which species meet in the tree of their mean vectors with {along}.",
            moved_within=(-1.0, 1.0),
        )  # fmt: skip
        triples = distance.triplets(self.other, N_TRIPLES, seed=self.seed) if not to else np.empty((3, 0), np.int64)
        if triples.shape[1]:
            yield self._result(
                "triplet accuracy",
                lambda order: float(distance.right_triplets(self.distances[np.ix_(order, order)], distance.triplets(self.other[np.ix_(order, order)], N_TRIPLES // 10, seed=self.seed)).mean()),
                lambda order: float(distance.right_triplets(self.distances[np.ix_(order, order)], triples).mean()),
                "Schroff et al. 2015", "Share of sampled triplets whose anchor is closer to its nearer relative.",
                value=float(distance.right_triplets(self.distances, triples).mean()), sampled=triples.shape[1],
            )  # fmt: skip

    def tree_distances(self) -> Iterator[ProbeResult]:
        """Triplet distance and Robinson-Foulds of the average-linkage tree of mean vectors, quartet distance and Robinson-Foulds of the neighbour-joining tree."""
        triples = trees.sampled_triples(len(self.other), N_TRIPLES, seed=self.seed)
        true = trees.odd_one_out(self.other, triples)
        triples, true = triples[:, true >= 0], true[true >= 0]
        if len(true):

            def differing(order: Order) -> float:
                return float((trees.odd_one_out(self.heights[np.ix_(order, order)], triples) != true).mean())

            inside = partial(self._triples_among, triples=triples, true=true)
            yield self._result(
                f"triplet distance to {self.name}", inside, differing, "Critchlow et al. 1996",
                f"Share of the triples of species that the {self.name} resolves and the tree of mean vectors has otherwise.",
                value=differing(np.arange(len(self.other))), sampled=len(true), higher_is_better=False, moved_within=(0.0, 1.0),
            )  # fmt: skip
        theirs = trees.clades(self.other)
        yield from self._robinson_foulds("Robinson-Foulds", trees.clades(self.heights), theirs, rooted=True)
        yield from self._quartets()
        sides_of = trees.members(theirs, len(self.other))
        yield from self._robinson_foulds(
            "neighbour-joining Robinson-Foulds", trees.splits(self.joined, tolerance=self._least), trees.packed(trees.without_root(sides_of)),
            rooted=False,
        )  # fmt: skip

    @cached_property
    def joined(self) -> Tree:
        """The neighbour-joining tree of the taxa, its tips in their order."""
        return neighbour_joining(self.distances)

    def _heights_among(self, order: Order) -> Float[np.ndarray, "o o"]:
        """The heights at which some taxa meet in the average-linkage tree of these alone."""
        return distance.average_linkage(self.distances[np.ix_(order, order)])[1]

    def _joined_among(self, order: Order) -> Tree:
        return neighbour_joining(self.distances[np.ix_(order, order)])

    def _steps(self, joined: Tree) -> Float[np.ndarray, "o o"]:
        """Branches between the tips of a tree of these distances, without those of no length."""
        long = np.where(np.abs(joined.length) > self._least, 1.0, 0.0)
        return Tree(parent=joined.parent, length=long, label=joined.label).cophenetic()

    @property
    def _least(self) -> float:
        return NOTHING * float(self.distances.max())

    def _robinson_foulds(
        self, name: str, own: set[bytes], theirs: set[bytes], *, rooted: bool
    ) -> Iterator[ProbeResult]:
        """Nothing where neither tree has a group."""
        if not own and not theirs:
            return
        s = len(self.other)
        ours, others = trees.members(own, s), trees.members(theirs, s)

        def halved(order: Order) -> float:
            both = trees.pruned(ours, order, rooted=rooted), trees.pruned(others, order, rooted=rooted)
            return trees.robinson_foulds(*both) if any(both) else float("nan")

        def shuffled(order: Order) -> float:
            return trees.robinson_foulds(own, trees.pruned(others, order, rooted=rooted))

        groups, tree = ("clades", "tree of mean vectors") if rooted else ("inner branches", "neighbour-joining tree")
        yield self._result(
            f"{name} to {self.name}", halved, shuffled, "Robinson & Foulds 1981" if rooted else "Saitou & Nei 1987, Robinson & Foulds 1981",
            f"Share of the {groups} of both trees that only one has: {len(own & theirs)} shared; the {self.name} has {len(theirs)}, the {tree} {len(own)}.",
            value=trees.robinson_foulds(own, theirs), higher_is_better=False, moved_within=(0.0, 1.0),
        )  # fmt: skip

    def _quartets(self) -> Iterator[ProbeResult]:
        s = len(self.other)
        four = quartets(s, N_QUARTETS, seed=self.seed)
        true = sides(self.other, four, tolerance=1e-9)
        asked = true >= 0
        if not asked.any():
            return
        n_drawn = len(true)
        four, true = four[:, asked], true[asked]
        steps = self._steps(self.joined)
        own = sides(steps, four, tolerance=0.5)

        def among(order: Order) -> float:
            inside, places = _inside(four, order, s)
            return quartet_distance(sides(self._steps(self._joined_among(order)), places, tolerance=0.5), true[inside])

        def shuffled(order: Order) -> float:
            return quartet_distance(sides(steps[np.ix_(order, order)], four, tolerance=0.5), true)

        said = f"{1 - len(true) / n_drawn:.0%} of them the {self.name} leaves open, and {(own < 0).mean():.0%} of the others the tree of mean vectors."
        yield self._result(
            f"quartet distance to {self.name}", among, shuffled, "Estabrook et al. 1985; Saitou & Nei 1987",
            f"Share of the quartets of species that the {self.name} resolves and the neighbour-joining tree of mean vectors has otherwise or leaves open: {said}",
            value=quartet_distance(own, true), sampled=len(true) if n_drawn < comb(s, 4) else None, higher_is_better=False,
            moved_within=(0.0, 1.0),
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

    def _triples_among(self, order: Order, *, triples: Int[np.ndarray, "3 t"], true: Int[np.ndarray, " t"]) -> float:
        """Triplet distance of the tree of some taxa alone, by the triples of these; NaN for none."""
        inside, places = _inside(triples, order, len(self.other))
        differ = trees.odd_one_out(self._heights_among(order), places) != true[inside]
        return float(differ.mean()) if len(differ) else np.nan

    def _result(
        self, probe: str, resampled: Callable[[Order], float], shuffled: Callable[[Order], float],
        reference: str, meaning: str, *, value: float | None = None, sampled: int | None = None, higher_is_better: bool = True,
        moved_within: tuple[float, float] | None = None,
    ) -> ProbeResult:  # fmt: skip
        s = len(self.other)
        rng = np.random.default_rng([self.seed, 5])
        found = shuffled(np.arange(s)) if value is None else value
        # Half of the species without replacement: a species drawn twice would be compared with itself, and of half-samples the
        # spread is that of the whole (Shao & Wu 1989, https://doi.org/10.1214/aos/1176347263). Their trees are made anew, for with other
        # species the tree is another, and what is of trees is moved to the value, for those of fewer tips differ.
        half = max(4, s // 2)
        drawn = np.array([resampled(rng.permutation(s)[:half]) for _ in range(N_RESAMPLES)])
        low, high = None, None
        if np.isfinite(drawn).any():
            low, high = percentiles(drawn)
            if moved_within is not None:
                low, high = np.clip(moved_percentiles(drawn, found), *moved_within).tolist()
        null = permuted(
            lambda rng: shuffled(rng.permutation(s)), found, n_permutations=self.n_permutations, seed=self.seed,
            higher_is_better=higher_is_better,
        )  # fmt: skip
        return ProbeResult(
            probe=probe, value=found, low=low, high=high, n_images=self.n_images, n_taxa=s, n_left_out=self.n_left_out,
            sampled=sampled or self.sampled, reference=reference, meaning=meaning, higher_is_better=higher_is_better,
            alike=SPECIES, **of_null(null, self.n_permutations),
        )  # fmt: skip


def _centroids(vectors: Float[np.ndarray, "n d"], numbers: Int[np.ndarray, " n"]) -> Float[np.ndarray, "l d"]:
    """Mean direction of each taxon."""
    sums, _ = class_sums(vectors, numbers)
    found: Float[np.ndarray, "l d"] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return found


def _inside(
    tips: Int[np.ndarray, "k t"], order: Order, s: int
) -> tuple[Bool[np.ndarray, " t"], Int[np.ndarray, "k inside"]]:
    """Which sets of k of s tips lie among some of these, and their places there."""
    place = np.full(s, -1)
    place[order] = np.arange(len(order))
    inside = (place[tips] >= 0).all(axis=0)
    return inside, place[tips[:, inside]]


def all_distances(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n n"]:
    """Euclidean distances; 8 n^2 bytes, for samples."""
    products = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    square = np.diag(products)
    found = np.sqrt(np.maximum(square[:, None] + square - 2 * products, 0))
    np.fill_diagonal(found, 0)
    return found
