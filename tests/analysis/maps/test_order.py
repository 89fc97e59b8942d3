"""The order of a map: each prefix reaches every part of it, and dense parts are dense."""

import time

import numpy as np
import pytest

from cladescope.analysis.maps.order import density_aware_order


@pytest.fixture
def points():
    """A dense cloud, a thin one, and three points far from both."""
    random = np.random.default_rng(1)
    dense = random.normal(0, 1, (20_000, 2))
    thin = random.normal((30, 0), 1, (1_000, 2))
    return np.concatenate([dense, thin, [[60, 60], [0, 60], [60, -9]]]).astype(np.float32)


def test_it_is_a_permutation_and_the_same_again(points):
    order = density_aware_order(points)
    assert np.array_equal(np.sort(order), np.arange(len(points)))
    assert np.array_equal(order, density_aware_order(points))
    assert not np.array_equal(order, density_aware_order(points, seed=1))


def test_a_prefix_misses_no_group_and_shows_where_many_are(points):
    order = density_aware_order(points)
    first = order[:500]
    assert {21_000, 21_001, 21_002} <= set(first.tolist())
    # By area alone the two clouds would be alike, by number 20 to 1.
    n_dense, n_thin = (first < 20_000).sum(), ((first >= 20_000) & (first < 21_000)).sum()
    assert n_thin >= 20
    assert n_dense > 2 * n_thin


@pytest.mark.parametrize("n", [0, 1, 2, 3, 50])
def test_few_points_and_points_in_one_place(n):
    assert sorted(density_aware_order(np.zeros((n, 2), np.float32)).tolist()) == list(range(n))


def test_a_million_points_take_seconds():
    points = np.random.default_rng(0).normal(size=(1_000_000, 2)).astype(np.float32)
    began = time.process_time()
    density_aware_order(points)
    assert time.process_time() - began < 20
