"""Spread of vectors, against scikit-learn and sums by hand."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from cladescope.analysis.measures import spread

RNG = np.random.default_rng(0)


def unit(n, d=8):
    found = RNG.normal(size=(n, d)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_silhouette_is_scikit_learns():
    x, y = unit(60), np.sort(RNG.integers(0, 5, 60))
    _, y = np.unique(y, return_inverse=True)
    np.testing.assert_allclose(
        spread.silhouette(x, y, np.arange(60)), silhouette_samples(x, y, metric="cosine"), atol=1e-4
    )


def test_eta_squared_is_the_classical_ratio():
    x, y = unit(40), np.arange(40) % 4
    between, total = spread.variance_parts(x, y)
    m = x.mean(axis=0)
    by_hand = sum((y == c).sum() * ((x[y == c].mean(axis=0) - m) ** 2).sum() for c in range(4)) / ((x - m) ** 2).sum()
    assert between.sum() / total.sum() == pytest.approx(by_hand, rel=1e-4)


def test_a_class_of_one_has_no_silhouette_and_one_of_two_has():
    x, y = unit(9), np.array([0, 1, 1, 2, 2, 2, 3, 3, 3])
    found = spread.silhouette(x, y, np.arange(9))
    np.testing.assert_allclose(found, silhouette_samples(x, y, metric="cosine"), atol=1e-4)
    assert found[0] == 0
    assert (np.abs(found[1:]) > 1e-3).all()


def test_where_nothing_differs_no_variance_lies_between_classes():
    labels = np.array([0, 0, 1])
    assert spread.weighted_eta_squared(np.ones((3, 2)), labels, spread.alike_weights(labels)) == 0.0
