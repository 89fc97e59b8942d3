"""The tree of species' mean vectors against another tree: triplets, Robinson-Foulds, and names matched to tips.

Another tree may have polytomies: a triple it does not resolve is not counted, a clade it does not have is not asked for.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Num

from cladescope.errors import InputError
from cladescope.phylogeny.tree import Tree
from cladescope.taxonomy.spelling import fold


def match_tips(names: Sequence[str], tree: Tree) -> tuple[list[int], list[int]]:
    """Places in `names` and rows of the tips of the same first two words, blind to case and underscores.

    Author words after the binomial do not count; of tips or names twice the first is taken.
    """
    tips = {
        _binomial(label): int(row) for row, label in reversed([*zip(tree.tips, tree.tip_labels, strict=True)]) if label
    }
    places = {_binomial(name): place for place, name in reversed([*enumerate(names)])}
    shared = sorted((place, tips[name]) for name, place in places.items() if name in tips)
    return [place for place, _ in shared], [row for _, row in shared]


def _binomial(name: str) -> tuple[str, ...]:
    return tuple(fold(name).split()[:2])


def meeting_distances(tree: Tree, rows: Sequence[int]) -> Float[np.ndarray, "s s"]:
    """For each two rows, a number that is lower where they meet lower: minus the depth in branches of their ancestor."""
    counted = tree.with_unit_lengths()
    depth = counted.depth()[list(rows)]
    found = -(depth[:, None] + depth - counted.cophenetic(list(rows))) / 2
    np.fill_diagonal(found, found.min() - 1)
    return np.asarray(found)


def odd_one_out(
    distances: Num[np.ndarray, "s s"], triples: Int[np.ndarray, "3 t"], *, tolerance: float = 1e-9
) -> Int[np.ndarray, " t"]:
    """Which of three tips stands apart in an ultrametric matrix: 0, 1, 2, and -1 for a polytomy."""
    a, b, c = triples
    sides = np.stack([distances[b, c], distances[a, c], distances[a, b]])
    two = np.sort(sides, axis=0)
    return np.where(two[1] - two[0] > tolerance, sides.argmin(axis=0), -1)


def sampled_triples(s: int, n: int, *, seed: int) -> Int[np.ndarray, "3 t"]:
    """At most n triples of different tips."""
    drawn = np.random.default_rng(seed).integers(s, size=(3, n))
    a, b, c = drawn
    return drawn[:, (a != b) & (a != c) & (b != c)]


def clades(distances: Num[np.ndarray, "s s"]) -> set[bytes]:
    """The clades of an ultrametric matrix that hold at least two tips and not all; s^3 steps at most, in bits."""
    found = set()
    for row in distances:
        for height in np.unique(row)[1:-1]:
            inside = row <= height
            if 2 <= inside.sum() < len(row):
                found.add(np.packbits(inside).tobytes())
    return found


def robinson_foulds(first: set[bytes], second: set[bytes]) -> float:
    """Share of the clades of two rooted trees that only one has: |A ^ B| / (|A| + |B|), 0 for equal trees; see `clades`.

    Robinson & Foulds 1981, https://doi.org/10.1016/0025-5564(81)90043-2, on rooted clades and normalised. A polytomy has fewer
    clades, so even a perfect binary tree is above 0 against it. Raises InputError where neither has an inner clade.
    """
    if not first and not second:
        raise InputError("neither tree has a clade between the root and its tips: nothing to compare")
    return len(first ^ second) / (len(first) + len(second))
