"""The tree of species' mean vectors against another tree: triplets, Robinson-Foulds, and names matched to tips.

Groups of tips, clades or sides of a branch, are sets of packed bits: of trees over the same tips, in the same order. Another tree may have polytomies: a triple it does not resolve is not counted, a clade it does not have is not asked for.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from cladescope.errors import InputError
from cladescope.phylogeny.tree import Tree
from cladescope.taxonomy.spelling import fold


def match_tips(names: Sequence[str], tree: Tree) -> tuple[list[int], list[int]]:
    """Places in `names` and rows of the tips of the same first two words, blind to case and underscores.

    Author words after the binomial do not count; of tips or names twice the first is taken.
    """
    tips = {
        binomial(label): int(row) for row, label in reversed([*zip(tree.tips, tree.tip_labels, strict=True)]) if label
    }
    places = {binomial(name): place for place, name in reversed([*enumerate(names)])}
    shared = sorted((place, tips[name]) for name, place in places.items() if name in tips)
    return [place for place, _ in shared], [row for _, row in shared]


def binomial(name: str) -> tuple[str, ...]:
    """The first two words of a name as they are compared.

    >>> binomial("Parus_Major Linnaeus 1758")
    ('parus', 'major')
    """
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


def splits(tree: Tree, *, tolerance: float = 0.0) -> set[bytes]:
    """For each inner branch of a tree without a root the tips on the side that the first tip is not on; none for a branch no longer than `tolerance`.

    >>> len(splits(Tree(parent=np.array([-1, 0, 0, 0, 1, 1]), length=np.ones(6), label=(None, None, "a", "b", "c", "d"))))
    1
    """
    inside = np.zeros((tree.n_nodes, tree.n_tips), bool)
    inside[tree.tips, np.arange(tree.n_tips)] = True
    for row in range(tree.n_nodes - 1, 0, -1):
        inside[tree.parent[row]] |= inside[row]
    long = np.abs(tree.length) > tolerance
    long[0] = False
    return packed(without_root(inside[long]))


def without_root(groups: Bool[np.ndarray, "c s"]) -> Bool[np.ndarray, "kept s"]:
    """Groups as the sides of branches that the first tip is not on; those of one tip and of all but one are left out."""
    turned = np.where(groups[:, :1], ~groups, groups)
    size = turned.sum(axis=1)
    return np.asarray(turned[(size >= 2) & (size <= groups.shape[1] - 2)])


def members(groups: set[bytes], s: int) -> Bool[np.ndarray, "c s"]:
    """Whether each of s tips is in each group, the groups in order.

    >>> members({np.packbits([True, False, True]).tobytes()}, 3)
    array([[ True, False,  True]])
    """
    bits = np.frombuffer(b"".join(sorted(groups)), np.uint8).reshape(len(groups), -(-s // 8))
    return np.unpackbits(bits, axis=1, count=s).astype(bool)


def packed(groups: Bool[np.ndarray, "c s"]) -> set[bytes]:
    """The groups as a set; see `members`."""
    return {row.tobytes() for row in np.packbits(groups, axis=1)}


def pruned(groups: Bool[np.ndarray, "c s"], tips: Int[np.ndarray, " t"], *, rooted: bool) -> set[bytes]:
    """The groups of the tree in which only some tips are left, in their order: of two tips at least, and not of all (without a root, all but one)."""
    left = groups[:, tips]
    if not rooted:
        return packed(without_root(left))
    size = left.sum(axis=1)
    return packed(left[(size >= 2) & (size < len(tips))])


def robinson_foulds(first: set[bytes], second: set[bytes]) -> float:
    """Share of the groups of two trees that only one has: |A ^ B| / (|A| + |B|), 0 for equal trees; see `clades` and `splits`.

    Robinson & Foulds 1981, https://doi.org/10.1016/0025-5564(81)90043-2, normalised. A polytomy has fewer
    groups, so even a perfect binary tree is above 0 against it. Raises InputError where neither has an inner one.
    """
    if not first and not second:
        raise InputError("neither tree has a clade between the root and its tips: nothing to compare")
    return len(first ^ second) / (len(first) + len(second))
