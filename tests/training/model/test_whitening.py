"""The whitened projection against scipy and by what it promises."""

import numpy as np
import pytest
import scipy.linalg

from cladescope.errors import InputError
from cladescope.training.model.whitening import whitened_projection


def data(seed=0):
    rng = np.random.default_rng(seed)
    classes = np.repeat(np.arange(12), 30) + 5
    spread = np.array([8.0, 3.0, 1.0, 1.0, 0.5, 0.2])
    return rng.normal(size=(12, 6))[classes - 5] * 2 + rng.normal(size=(360, 6)) * spread, classes


def test_without_shrinkage_the_classes_vary_alike_in_all_directions():
    features, classes = data()
    weight, bias = whitened_projection(features, classes, 6, shrinkage=0.0)
    projected = features @ weight.T + bias
    within = np.concatenate([projected[classes == c] - projected[classes == c].mean(0) for c in np.unique(classes)])
    covariance = within.T @ within / (len(within) - 12)
    np.testing.assert_allclose(covariance / covariance[0, 0], np.eye(6), atol=1e-8)
    np.testing.assert_allclose(projected.mean(0), 0, atol=1e-10)


def test_distances_are_those_of_mahalanobis_with_the_ridge():
    features, classes = data(1)
    weight, _ = whitened_projection(features, classes, 6, shrinkage=0.3)
    within = np.concatenate([features[classes == c] - features[classes == c].mean(0) for c in np.unique(classes)])
    covariance = within.T @ within / (len(within) - 12)
    covariance += 0.3 * np.trace(covariance) / 6 * np.eye(6)
    metric = weight.T @ weight
    inverse = scipy.linalg.inv(covariance)
    np.testing.assert_allclose(metric / metric[0, 0], inverse / inverse[0, 0], rtol=1e-8, atol=1e-8)


def test_fewer_numbers_keep_the_greatest_variance():
    features, classes = data(2)
    full = features @ whitened_projection(features, classes, 6)[0].T
    less = features @ whitened_projection(features, classes, 2)[0].T
    assert np.var(full, axis=0)[:2] / np.var(full, axis=0).sum() == pytest.approx(
        np.var(less, axis=0) / np.var(full, axis=0).sum() * (np.var(full[:, 0]) / np.var(less[:, 0])), rel=1e-6
    )
    assert np.all(np.diff(np.var(full, axis=0)) <= 1e-12)


def test_what_cannot_be_whitened_is_refused():
    with pytest.raises(InputError, match="9 numbers are asked of 360 pictures with 6 features"):
        whitened_projection(*data(), 9)
    with pytest.raises(InputError, match="no class has two pictures"):
        whitened_projection(np.eye(5), np.arange(5), 2)
