"""Shapes and splits of few pictures, worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.analysis.probes import centroids, distance_correlation, geometry, neighbours


def test_a_ring_is_as_far_from_a_tree_as_can_be():
    ring = np.array([[0, 1, 2, 1], [1, 0, 1, 2], [2, 1, 0, 1], [1, 2, 1, 0]], float)
    # Of the three sums 2, 2 and 4 the two largest differ by 2, the diameter.
    assert geometry.relative_delta(ring, n_quadruples=500, seed=0) == 1.0
    assert geometry.relative_delta(7 * ring, n_quadruples=500, seed=0) == 1.0
    star = 2.0 * (1 - np.eye(5))
    assert geometry.relative_delta(star, n_quadruples=500, seed=0) == 0.0
    assert geometry.relative_delta(np.zeros((3, 3)), n_quadruples=5, seed=0) == 0.0


def test_the_dimension_of_a_few_distances_is_that_of_the_formulas():
    distances = np.array([[1.0, 2.0, 4.0], [0.5, 2.0, 4.0], [0.0, 1.0, 1.0]])  # the last has a copy, and is left out
    logs = np.log([2.0, 4.0])
    assert geometry.two_nn(distances) == pytest.approx(2 / logs.sum())
    inner = np.log([4.0, 2.0, 8.0, 2.0])
    assert geometry.levina_bickel(distances) == pytest.approx(1 / inner.mean())
    for measure in (geometry.two_nn, geometry.levina_bickel):
        assert np.isnan(measure(np.ones((3, 4))))
        assert np.isnan(measure(np.zeros((3, 4))))
    assert np.isnan(geometry.two_nn(distances[1:]))  # one picture says nothing of how ratios are spread
    assert geometry.levina_bickel(np.array([[1.0, np.e**2]])) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6)), min_size=1, max_size=12), st.integers(0, 99))
def test_the_larger_half_of_the_groups_of_each_label_is_for_training(groups, seed):
    group = np.repeat(np.arange(len(groups)), [n for _, n in groups])
    label = np.array([name for name, _ in groups])
    train = centroids.group_split(label[group], group, seed=seed)
    is_train = np.array([train[group == one] for one in range(len(groups))], dtype=object)
    assert all(one.all() or not one.any() for one in is_train)
    for name in set(label.tolist()):
        own = [bool(is_train[one][0]) for one in np.flatnonzero(label == name)]
        assert sum(own) == (len(own) + 1) // 2


def test_another_seed_splits_the_groups_otherwise():
    groups = np.arange(40)
    splits = {tuple(centroids.group_split(groups // 20, groups, seed=seed)) for seed in range(5)}
    assert len(splits) == 5


def test_the_nearest_mean_is_that_of_the_smallest_angle_however_short():
    train = np.array([[0.01, 0.0], [0.0, 3.0], [0.5, -0.5], [-0.5, 0.5]])
    test = np.array([[0.9, 0.8], [0.1, 0.8]])
    assert centroids.nearest_centroid(train, np.array([7, 3, 5, 5]), test).tolist() == [
        7,
        3,
    ]  # class 5 has no direction


def test_a_matrix_correlation_needs_two_that_vary():
    a = np.array([[9.0, 1, 2], [1, 9, 4], [2, 4, 9]])
    b = np.array([[0.0, 3, 1], [3, 0, 2], [1, 2, 0]])
    upper = np.triu_indices(3, 1)
    assert distance_correlation.matrix_correlation(a, b) == pytest.approx(np.corrcoef(a[upper], b[upper])[0, 1])
    assert distance_correlation.matrix_correlation(7 * a, 0.01 * b) == pytest.approx(
        np.corrcoef(a[upper], b[upper])[0, 1]
    )
    assert np.isnan(distance_correlation.matrix_correlation(a, np.ones((3, 3))))


def test_triplets_are_the_drawn_ones_that_an_anchor_orders():
    distances = np.array([[0, 1, 2, 2], [1, 0, 2, 2], [2, 2, 0, 1], [2, 2, 1, 0]])
    found = distance_correlation.triplets(distances, 400, seed=0)
    a, b, c = found
    assert (distances[a, b] < distances[a, c]).all()
    assert (a != b).all()
    # Of 64 triples of four tips 4 x 2 x 2 have an anchor, its sister and one of the other two, in either order.
    assert found.shape[1] == pytest.approx(400 / 4, abs=3 * np.sqrt(400 * 3 / 16))
    assert set(zip(a, b, strict=True)) == {(0, 1), (1, 0), (2, 3), (3, 2)}
    right = distance_correlation.right_triplets(
        np.array([[0.0, 5, 5], [5, 0, 1], [5, 1, 0]]), np.array([[0, 1], [1, 2], [2, 0]])
    )
    assert right.tolist() == [False, True]  # as far from both is not closer to one


def test_a_picture_without_neighbours_in_the_tree_has_no_precision_and_hubs_are_counted():
    codes = np.array([[0], [1], [2]])
    found = neighbours.hierarchical_precision(codes, np.array([0, 1, 1]), np.array([0, 1]), np.array([[1], [2]]))
    assert found.tolist() == [0.0, 1.0]  # the only one of its taxon, and one whose nearest is of its own
    assert neighbours.k_occurrence(np.array([[1, 2], [2, 0], [1, 0]]), 4).tolist() == [2, 2, 2, 0]
    assert neighbours.skewness(np.full(4, 3)) == 0.0
    assert neighbours.skewness(np.array([4, 0, 0, 0])) == pytest.approx(2 / np.sqrt(3))
