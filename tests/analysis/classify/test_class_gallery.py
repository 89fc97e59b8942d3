"""Class vectors against scipy's softmax and scikit-learn's nearest mean."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.neighbors import NearestCentroid

from cladescope.analysis.classify import class_gallery
from cladescope.analysis.classify.class_gallery import ClassGallery, block_rows, probability_blocks
from cladescope.analysis.measures.simple_shot import centred
from cladescope.errors import InputError


def some(n, d=8, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def units(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def gallery(c=5, **options):
    vectors = options.pop("vectors", units(some(c, seed=1)))
    return ClassGallery(vectors, tuple(f"class {row}" for row in range(c)), scale=10.0, **options)


@pytest.mark.parametrize("with_prior", [False, True])
def test_probabilities_are_the_softmax_of_scaled_cosines(with_prior):
    prior = np.log([0.1, 0.2, 0.3, 0.4, 0.5]).astype(np.float32) if with_prior else None
    queries, classes = some(7), gallery(log_prior=prior)
    expected = softmax(10 * units(queries) @ classes.vectors.T + (0 if prior is None else prior), axis=1)
    np.testing.assert_allclose(classes.probabilities(queries), expected, rtol=1e-4, atol=1e-6)


def test_the_nearest_mean_in_euclidean_distance_is_the_best_class():
    support, labels, queries = some(60), np.arange(60) % 6, some(200, seed=3)
    centre = units(support).mean(axis=0)
    moved = centred(units(support), centre)
    means = np.stack([moved[labels == label].mean(axis=0) for label in range(6)])
    classes = gallery(6, vectors=2 * means, bias=-(means**2).sum(axis=1), centre=centre)
    expected = NearestCentroid().fit(moved, labels).predict(centred(units(queries), centre))
    np.testing.assert_array_equal(classes.scores(queries).argmax(axis=1), expected)


def test_blocks_change_nothing(monkeypatch):
    queries = some(23)
    whole = gallery().probabilities(queries)
    monkeypatch.setattr(class_gallery, "BLOCK_BYTES", 4 * 15 * 4)
    monkeypatch.setattr(class_gallery, "_CLASS_BYTES", 2 * 8 * 4)
    half = gallery(vectors=units(some(5, seed=1)).astype(np.float16))
    assert block_rows(half) == 4
    parts = [block for _, _, block in probability_blocks(half, queries)]
    assert len(parts) == 6
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=5e-3)


def test_a_class_of_no_odds_is_never_named():
    prior = np.array([0, -np.inf, 0, 0, 0], np.float32)
    assert (gallery(log_prior=prior).probabilities(some(9))[:, 1] == 0).all()
    with pytest.raises(InputError, match="rules out every class"):
        gallery(log_prior=np.full(5, -np.inf, np.float32)).probabilities(some(1))


def test_a_vector_at_the_centre_has_no_preference_beyond_the_bias():
    centre = units(some(1))[0]
    classes = gallery(centre=centre)
    np.testing.assert_allclose(classes.probabilities(centre[None]), 0.2, atol=1e-6)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"vectors": np.zeros((0, 8), np.float32)}, "no class is left"),
        ({"vectors": np.full((5, 8), np.nan, np.float32)}, "class 'class 0' is not finite"),
        ({"common_names": ("tit",)}, "'common_names': 1"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        gallery(**change)


@pytest.mark.parametrize(
    "queries, message",
    [(some(2, d=9), "9 numbers and the classes 8"), (np.full((2, 8), np.nan), "2 of 2 vectors have no direction")],
)
def test_vectors_that_cannot_be_compared_are_refused(queries, message):
    with pytest.raises(InputError, match=message):
        gallery().probabilities(queries)
