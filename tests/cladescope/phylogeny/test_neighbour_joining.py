"""Neighbour joining against trees that are known, and against DendroPy."""

from io import StringIO

import dendropy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.analysis.probes.trees import splits
from cladescope.errors import InputError
from cladescope.phylogeny.neighbour_joining import neighbour_joining
from cladescope.phylogeny.tree import Tree


def binary_tree(n, rng):
    """A tree of n tips, the last rows, with three branches at row 0 and lengths of 0.1 to 2."""
    inner = n - 2
    parent = np.full(inner + n, -1)
    open_ = [0, 0, 0]
    for row in range(1, inner):
        parent[row] = open_.pop(int(rng.integers(len(open_))))
        open_ += [row, row]
    parent[inner:] = rng.permutation(open_)
    return Tree(parent=parent, length=rng.uniform(0.1, 2, len(parent)), label=(None,) * len(parent))


def matrix(n, seed):
    points = np.random.default_rng(seed).normal(size=(n, 3))
    return np.linalg.norm(points[:, None] - points[None], axis=2)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(3, 24), seed=st.integers(0, 10**6))
def test_distances_along_a_tree_give_back_that_tree_with_its_lengths(n, seed):
    true = binary_tree(n, np.random.default_rng(seed))
    found = neighbour_joining(true.cophenetic())
    assert splits(found) == splits(true)
    np.testing.assert_allclose(found.cophenetic(), true.cophenetic(), atol=1e-9)
    assert found.length[1:].min() > 0.1 - 1e-9


@pytest.mark.parametrize("n, seed", [(4, 0), (5, 1), (9, 2), (30, 3)])
def test_distances_that_are_no_tree_give_the_tree_of_dendropy(n, seed):
    d = matrix(n, seed)
    rows = [",".join(["", *(f"t{i}" for i in range(n))])]
    rows += [",".join([f"t{i}", *(repr(float(value)) for value in d[i])]) for i in range(n)]
    theirs = dendropy.PhylogeneticDistanceMatrix.from_csv(StringIO("\n".join(rows)), delimiter=",").nj_tree()
    between = theirs.phylogenetic_distance_matrix()
    taxa = {taxon.label: taxon for taxon in theirs.taxon_namespace}
    wanted = [[between(taxa[f"t{i}"], taxa[f"t{j}"]) for j in range(n)] for i in range(n)]
    np.testing.assert_allclose(neighbour_joining(d).cophenetic(), wanted, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(4, 15), seed=st.integers(0, 10**6))
def test_the_order_of_the_tips_and_the_unit_of_the_distances_do_not_matter(n, seed):
    d, order = matrix(n, seed), np.random.default_rng(seed).permutation(n)
    found, moved = neighbour_joining(d).cophenetic(), neighbour_joining(7 * d[np.ix_(order, order)]).cophenetic()
    np.testing.assert_allclose(moved, 7 * found[np.ix_(order, order)], atol=1e-8)


def test_many_tips_are_looked_through_block_by_block():
    true = binary_tree(250, np.random.default_rng(5))
    assert splits(neighbour_joining(true.cophenetic())) == splits(true)


def test_one_two_and_three_tips_make_a_tree_too():
    assert neighbour_joining(np.zeros((1, 1)), ["a"]).label == ("a",)
    two = neighbour_joining(np.array([[0.0, 3.0], [3.0, 0.0]]), ["a", "b"])
    assert two.parent.tolist() == [-1, 0, 0]
    assert two.length[1:].tolist() == [1.5, 1.5]
    three = neighbour_joining(np.array([[0.0, 3.0, 4.0], [3.0, 0.0, 5.0], [4.0, 5.0, 0.0]]))
    assert three.length[1:].tolist() == [1.0, 2.0, 3.0]


def test_tips_without_any_distance_make_a_tree_without_length():
    found = neighbour_joining(np.zeros((6, 6)), list("abcdef"))
    assert found.tip_labels == tuple("abcdef")
    assert not found.length[1:].any()
    assert splits(found) == set()
    assert len(splits(found, tolerance=-1.0)) == 3


@pytest.mark.parametrize(
    "wrong, said",
    [
        (np.zeros((0, 0)), "no tip"),
        (np.array([[0.0, np.nan], [np.nan, 0.0]]), "2 of 4 distances are not finite"),
        (np.array([[0.0, 1.0], [2.0, 0.0]]), "expected both"),
        (np.array([[1.0, 1.0], [1.0, 0.0]]), "expected both"),
    ],
)
def test_what_is_no_matrix_of_distances_is_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        neighbour_joining(wrong)


def test_labels_of_another_number_are_refused():
    with pytest.raises(InputError, match="found 1 labels for 2 tips"):
        neighbour_joining(np.zeros((2, 2)), ["a"])
