"""Neighbours and regressions as scikit-learn takes them: its own checks, and settings that pictures choose against brute force."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.metrics.pairwise import cosine_distances
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import parametrize_with_checks

from cladescope.analysis.classify.linear_models import (
    ALPHA,
    ALPHAS,
    C_USUAL,
    CS,
    LogisticOnUnitVectors,
    RidgeOnUnitVectors,
)
from cladescope.analysis.classify.neighbours import KS, CosineNeighbours, K
from cladescope.analysis.classify.settings import choosing_rows, class_folds
from cladescope.errors import InputError
from tests.analysis.measures.clouds import clusters, units

AUTO = [LogisticOnUnitVectors(C="auto"), RidgeOnUnitVectors(), CosineNeighbours()]


@parametrize_with_checks(AUTO)
def test_scikit_learn_takes_it_for_an_estimator(estimator, check):
    check(estimator)


def some(seed=3, spread=2.5, per=8):
    vectors, labels = clusters(5, 5 * per, spread=spread, seed=seed)
    return units(vectors).astype(np.float32), np.unique(labels, return_inverse=True)[1]


def named_by_ridge(vectors, classes, alpha, class_weight=None):
    """What ridge regression of all other pictures names each: its normal equations solved anew for every picture."""
    named = []
    for own in range(len(classes)):
        told = np.arange(len(classes)) != own
        weights = compute_sample_weight(class_weight, classes[told])
        targets = np.where(classes[told][:, None] == np.arange(classes.max() + 1), 1.0, -1.0)
        mean, usual = (np.average(of, axis=0, weights=weights) for of in (vectors[told].astype(float), targets))
        centred = vectors[told] - mean
        square = (centred.T * weights) @ centred + alpha * np.eye(vectors.shape[1])
        solved = np.linalg.solve(square, (centred.T * weights) @ (targets - usual))
        named.append(((vectors[own] - mean) @ solved + usual).argmax())
    return np.array(named)


def shares_of_neighbours(vectors, classes, k, scale):
    """Votes for each class of the nearest k other pictures of each, the nearer the heavier."""
    distances = cosine_distances(vectors.astype(float))
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argsort(axis=1)[:, : min(k, len(vectors) - 1)]
    votes = np.exp(-scale * np.take_along_axis(distances, nearest, axis=1))
    shares = (votes[:, :, None] * (classes[nearest][:, :, None] == np.arange(classes.max() + 1))).sum(axis=1)
    return shares / votes.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_ridge_regression_one_by_one_is_scikit_learns(class_weight):
    vectors, classes = some(per=3)
    classes = np.minimum(classes, 3)
    for alpha in (0.003, 1.0):
        model = RidgeClassifier(alpha=alpha, class_weight=class_weight)
        expected = cross_val_predict(model, vectors, classes, cv=LeaveOneOut())
        np.testing.assert_array_equal(named_by_ridge(vectors, classes, alpha, class_weight), expected)


def test_shares_of_neighbours_one_by_one_are_scikit_learns():
    vectors, classes = some(per=3)
    model = KNeighborsClassifier(
        7, metric="cosine", algorithm="brute", weights=lambda distances: np.exp(-20.0 * distances)
    )
    expected = cross_val_predict(model, vectors, classes, cv=LeaveOneOut(), method="predict_proba")
    np.testing.assert_allclose(shares_of_neighbours(vectors, classes, 7, 20.0), expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_alpha_is_the_one_that_names_most_pictures_one_by_one(seed):
    vectors, classes = some(seed)
    right = [(named_by_ridge(vectors, classes, alpha) == classes).sum() for alpha in ALPHAS]
    found = RidgeOnUnitVectors().fit(vectors, classes)
    assert found.setting_.value == ALPHAS[int(np.argmax(right))]
    assert found.setting_.n_asked == len(classes)
    expected = RidgeClassifier(alpha=found.setting_.value).fit(vectors, classes).predict(vectors)
    np.testing.assert_array_equal(found.predict(vectors), expected)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("seed", range(3))
def test_alpha_of_two_classes_is_the_one_that_names_most_too(seed, class_weight):
    rng = np.random.default_rng(seed)
    classes = (np.arange(60) % 3 > 0).astype(np.int64)
    # What tells them apart varies little, so that strong ridge regression does not see it.
    vectors = units(rng.normal(size=(60, 20)) * np.repeat([3.0, 0.15], 10) + 0.25 * np.eye(20)[10 + classes])
    right = [(named_by_ridge(vectors, classes, alpha, class_weight) == classes).sum() for alpha in ALPHAS]
    found = RidgeOnUnitVectors(class_weight=class_weight).fit(vectors, classes)
    assert right[0] < max(right) - 5
    assert abs(right[ALPHAS.index(found.setting_.value)] - max(right)) <= (class_weight is not None)


def test_c_is_the_one_of_least_log_loss_over_folds():
    vectors, classes = some()
    folds = class_folds(classes, 3)
    losses = [
        sum(
            len(asked)
            * log_loss(
                classes[asked],
                LogisticRegression(C=C, max_iter=1000).fit(vectors[told], classes[told]).predict_proba(vectors[asked]),
                labels=np.arange(5),
            )
            for told, asked in folds
        )
        for C in CS
    ]
    found = LogisticOnUnitVectors(C="auto").fit(vectors, classes)
    assert found.setting_.value == CS[int(np.argmin(losses))]
    assert found.setting_.tried == CS
    # What is fitted then is what scikit-learn fits with this C.
    expected = LogisticRegression(C=found.setting_.value, max_iter=1000).fit(vectors, classes).predict_proba(vectors)
    np.testing.assert_allclose(found.predict_proba(vectors), expected, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_k_is_the_one_under_which_pictures_are_likeliest_one_by_one(seed):
    vectors, classes = some(seed)
    losses = []
    for k in KS:
        of_scales = []
        for scale in (5.0, 10.0, 20.0, 40.0, 80.0):
            shares = shares_of_neighbours(vectors, classes, k, scale)
            own = shares[np.arange(len(classes)), classes]
            of_scales.append(-np.log(np.maximum(own, 1e-6)).mean())
        losses.append(min(of_scales))
    found = CosineNeighbours().fit(vectors, classes)
    best = min(losses)
    assert losses[KS.index(found.setting_.value)] == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("estimator, usual", list(zip(AUTO, (C_USUAL, ALPHA, K), strict=True)))
def test_classes_of_one_picture_choose_nothing(estimator, usual):
    found = estimator.fit(np.eye(4), np.arange(4))
    assert (found.setting_.value, found.setting_.n_asked) == (usual, 0)
    assert "no class has two pictures" in str(found.setting_)


@pytest.mark.parametrize("estimator", AUTO)
def test_rare_classes_are_learnt_and_do_not_choose(estimator):
    vectors, classes = some()
    more = np.concatenate([vectors, -vectors[:3]])
    labels = np.concatenate([classes, [7, 8, 9]])
    found = estimator.fit(more, labels)
    assert found.setting_.n_asked == len(classes)
    assert set(found.classes_) == {0, 1, 2, 3, 4, 7, 8, 9}


@pytest.mark.parametrize("estimator", AUTO)
def test_copies_choose_with_one_voice(estimator):
    vectors, classes = some()
    alone = estimator.fit(vectors, classes).setting_
    kin = np.tile(np.arange(len(classes)), 3)
    tripled = estimator.fit(np.tile(vectors, (3, 1)), np.tile(classes, 3), groups=kin).setting_
    assert tripled.n_asked == alone.n_asked
    # Without that they would, each being told by its copies: the nearest neighbour is right about every picture.
    if isinstance(estimator, CosineNeighbours):
        assert estimator.fit(np.tile(vectors, (3, 1)), np.tile(classes, 3)).setting_.value < tripled.value


def test_at_most_so_many_choose():
    assert len(choosing_rows(np.zeros(50, int), most=7)) == 7
    assert len(choosing_rows(np.zeros(50, int), np.arange(50) // 10, most=7)) == 5


def test_vectors_of_zeros_copies_and_two_classes_are_taken():
    vectors = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    for estimator in AUTO:
        estimator.fit(vectors, np.array([0, 0, 1, 1]))
        assert estimator.predict(vectors).tolist() == [0, 0, 1, 1]
        assert estimator.predict_proba(vectors).sum(axis=1) == pytest.approx(1.0)


def test_balanced_weights_are_scikit_learns():
    vectors, classes = some(per=6)
    classes = np.minimum(classes, 2)
    for ours, theirs in (
        (RidgeOnUnitVectors(alpha=1.0, class_weight="balanced"), RidgeClassifier(alpha=1.0, class_weight="balanced")),
        (
            LogisticOnUnitVectors(C=1.0, class_weight="balanced"),
            LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000),
        ),
    ):
        np.testing.assert_allclose(
            ours.fit(vectors, classes).coef_, theirs.fit(vectors, classes).coef_, rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize(
    "estimator, line",
    [
        (CosineNeighbours(0), "k is 0: expected a whole number from 1 on"),
        (CosineNeighbours(2.5), "k is 2.5"),
        (RidgeOnUnitVectors(alpha=0), "alpha is 0: expected a number above 0, or 'auto'"),
        (LogisticOnUnitVectors(C=np.inf), "C is inf"),
        (LogisticOnUnitVectors(C="many"), "C is 'many'"),
        (LogisticOnUnitVectors(C=True), "C is True"),
    ],
)
def test_a_setting_that_is_none_is_one_line(estimator, line):
    with pytest.raises(InputError, match=line):
        estimator.fit(np.eye(4), np.array([0, 0, 1, 1]))
