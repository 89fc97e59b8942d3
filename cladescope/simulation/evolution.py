"""Species that evolve along a random tree: its shape, their traits, ranks and names, all from one seed.

A Yule tree is grown, traits wander along it by Brownian motion and seven ranks are cut through it. Nothing is
drawn or written here: see `cladescope.simulation`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cladescope.errors import ConfigError
from cladescope.phylogeny.newick import Tree
from cladescope.simulation.latin import common_names, name_clades
from cladescope.simulation.silhouette import TRAITS

_TREE, _TRAITS, _NAMES = range(3)


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """What to simulate; the same configuration always gives the same files."""

    species: int = 60
    """Species, at least 2."""
    images: int = 10
    """Pictures of each species; asking for more later adds to those there are."""
    seed: int = 0
    """Any whole number from 0; another seed is another tree of life."""
    size: int = 256
    """Pixels a side, from 32 to 4096."""
    clutter: float = 1.0
    """Leaves and pebbles around the organism: 0 for a bare ground, 1 for about nine, at most 20."""
    variation: float = 0.05
    """Standard deviation of each trait within a species; unrelated species differ by about 1.4."""

    def __post_init__(self) -> None:
        """Raises ConfigError for all numbers that are out of range."""
        problems = []
        for name, low, high in (
            ("species", 2, 1_000_000),
            ("images", 1, 1_000_000),
            ("seed", 0, 2**63 - 1),
            ("size", 32, 4096),
            ("clutter", 0.0, 20.0),
            ("variation", 0.0, 1.0),
        ):
            value = getattr(self, name)
            whole = isinstance(low, int)
            if not low <= value <= high or (whole and value != int(value)):
                kind = "whole number" if whole else "number"
                problems.append(f"{name} is {value}: give a {kind} from {low} to {high}")
        if problems:
            raise ConfigError(problems, is_usage=True)


@dataclass(frozen=True, eq=False)
class Clades:
    """A simulated tree of life, its species in the order of the tree's tips."""

    tree: Tree
    """Ultrametric, of height 1; tips are labelled with the binomial."""
    taxa: tuple[tuple[str, ...], ...]
    """The seven ranks of each species, from kingdom to binomial; every taxon is a clade of the tree."""
    common_names: tuple[str, ...]
    """A common name, or the empty string, for each species."""
    traits: Float[np.ndarray, "species traits"]
    """Traits of each species, named by `cladescope.simulation.silhouette.TRAITS`."""


def evolve(config: SimulationConfig) -> Clades:
    """Grow the tree, let the traits wander along it and name the clades.

    Yule 1925, A mathematical theory of evolution, https://doi.org/10.1098/rstb.1925.0002: every lineage is as
    likely to split; here the tree is scaled to height 1. Traits start from 0 at the root and gain a variance
    equal to the length of each branch (Felsenstein 1985, https://doi.org/10.1086/284325). The taxa of a rank
    are the lineages alive at one moment, so they are clades and nest in those of the rank above.

    >>> clades = evolve(SimulationConfig(species=3))
    >>> len(clades.taxa), len(clades.taxa[0]), clades.traits.shape
    (3, 7, (3, 23))
    """
    parent, length, born = _grow(config.species, stream(config, _TREE))
    steps = stream(config, _TRAITS).standard_normal((len(parent), len(TRAITS))) * np.sqrt(length)[:, None]
    steps[0] = 0
    for node in range(1, len(parent)):
        steps[node] += steps[parent[node]]
    tips = np.setdiff1d(np.arange(len(parent)), parent)
    counts = rank_sizes(config.species)
    lineages = np.stack([_alive(parent, born, count)[tips] for count in counts], axis=1)
    names = stream(config, _NAMES)
    taxa = name_clades(lineages, names)
    label: list[str | None] = [None] * len(parent)
    for tip, taxon in zip(tips.tolist(), taxa, strict=True):
        label[tip] = taxon[-1]
    traits = steps[tips]
    return Clades(Tree(parent, length, tuple(label)), taxa, common_names(taxa, traits, rng=names), traits)


def rank_sizes(species: int) -> tuple[int, ...]:
    """Number of kingdoms, phyla, classes, orders, families and genera among so many species.

    >>> rank_sizes(60), rank_sizes(3)
    ((2, 4, 6, 11, 19, 34), (1, 1, 1, 2, 2, 2))
    """
    kingdoms = 1 if species < 12 else 2 if species < 300 else 3
    ratio = species / kingdoms
    return tuple(round(kingdoms * ratio ** (step / 6)) for step in range(6))


def stream(config: SimulationConfig, *key: int) -> np.random.Generator:
    """Random numbers that depend on the seed and the key alone; 0 to 2 are the keys of `evolve`.

    >>> config = SimulationConfig(seed=7)
    >>> stream(config, 3, 0).random() == stream(config, 3, 0).random()
    True
    """
    return np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=key))


def _grow(
    species: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " nodes"], Float[np.ndarray, " nodes"], Int[np.ndarray, " nodes"]]:
    """Parent, branch length and number of lineages at birth of every node, in preorder."""
    waits = rng.exponential(1 / np.arange(2, species + 1))
    times = np.concatenate([[0.0], np.cumsum(waits)])
    times /= times[-1]
    children: dict[int, tuple[int, int]] = {}
    alive = [0]
    for count, chosen in enumerate(rng.integers(0, np.arange(1, species)).tolist(), start=1):
        pair = (2 * count - 1, 2 * count)
        children[alive[chosen]] = pair
        alive[chosen] = pair[0]
        alive.append(pair[1])
    n_nodes = 2 * species - 1
    parent, born = np.full(n_nodes, -1), np.ones(n_nodes, dtype=np.int64)
    start, end = np.zeros(n_nodes), np.ones(n_nodes)
    stack = [(0, -1)]
    for row in range(n_nodes):
        node, above = stack.pop()
        count = (node + 1) // 2 + 1
        parent[row], born[row], start[row] = above, count, times[count - 2] if above >= 0 else 0
        if node in children:
            end[row] = times[(children[node][0] + 1) // 2 - 1]
            stack += [(child, row) for child in reversed(children[node])]
    return parent, end - start, born


def _alive(parent: Int[np.ndarray, " nodes"], born: Int[np.ndarray, " nodes"], count: int) -> Int[np.ndarray, " nodes"]:
    """For each node its ancestor (or itself) among the lineages alive when there were `count` of them."""
    lineage = np.arange(len(parent))
    for node in np.flatnonzero(born > count).tolist():
        lineage[node] = lineage[parent[node]]
    return lineage
