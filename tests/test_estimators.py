"""The estimators against scikit-learn's own checks, its NearestCentroid, and `metrics.simple_shot`'s protocol."""

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid
from sklearn.utils.estimator_checks import parametrize_with_checks

from cladescope.analysis import estimators
from cladescope.analysis.estimators import Prototypes, SimpleShot
from cladescope.analysis.few_shot import fit_classes
from cladescope.analysis.metrics import centroid_accuracy


@parametrize_with_checks([SimpleShot(), Prototypes()])
def test_scikit_learn_accepts_them(estimator, check):
    check(estimator)


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 20
    return (rng.normal(size=(20, 8))[labels] + rng.normal(size=(400, 8))).astype(np.float32), labels


def units(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_simpleshot_is_nearest_centroid_on_cl2n_vectors_and_what_the_metric_measures(pictures, monkeypatch):
    vectors, labels = pictures
    monkeypatch.setattr(estimators, "BLOCK_BYTES", 4 * 20 * 7)
    model = SimpleShot().fit(vectors[:200], labels[:200])
    centre = units(vectors[:200]).mean(axis=0)
    moved = units(units(vectors) - centre)
    expected = NearestCentroid().fit(moved[:200], labels[:200]).predict(moved[200:])
    found = model.predict(vectors[200:])
    np.testing.assert_array_equal(found, expected)
    measured = centroid_accuracy(vectors[:200], labels[:200], vectors[200:], labels[200:])
    assert (found == labels[200:]).mean() == measured


@pytest.mark.parametrize("method, model", [("simpleshot", SimpleShot()), ("prototypes", Prototypes())])
def test_probabilities_are_those_of_the_fitted_gallery(pictures, method, model):
    vectors, labels = pictures
    gallery = fit_classes(vectors, labels, tuple(map(str, range(20))), method=method, scale=10.0)
    found = model.fit(vectors, labels).predict_proba(vectors)
    np.testing.assert_allclose(found, gallery.probabilities(vectors), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("labels", [[3, 7, 3, 7], ["tit", "crow", "tit", "crow"], [7.0, 3.0, 7.0, 3.0]])
def test_labels_may_be_anything_and_equally_near_classes_give_the_smaller_label(labels):
    vectors = np.eye(4)
    for model in (SimpleShot(), Prototypes()):
        model.fit(vectors, labels)
        assert model.predict(np.ones((1, 4)))[0] == min(labels)
        assert set(model.predict(vectors)) == set(labels)
