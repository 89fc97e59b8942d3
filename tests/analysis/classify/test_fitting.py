"""Few-shot against scikit-learn, loops, and what must not change."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from cladescope.analysis.classify.few_shot import Prototypes, SimpleShot
from cladescope.analysis.classify.fitting import METHODS, fit_classes, with_texts
from cladescope.errors import InputError
from tests.analysis.classify.clusters import NAMES, clusters  # noqa: F401 - a fixture


def units(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cl2n(vectors, centre):
    return units(units(vectors) - centre)


def test_simpleshot_predicts_what_nearest_centroid_does_on_cl2n_vectors(clusters):  # noqa: F811
    support, classes, queries, _ = clusters
    centre = units(support).mean(axis=0)
    expected = NearestCentroid().fit(cl2n(support, centre), classes).predict(cl2n(queries, centre))
    ours = fit_classes(support, classes, NAMES).probabilities(queries).argmax(axis=1)
    np.testing.assert_array_equal(ours, expected)


def test_prototypes_are_the_nearest_means_by_cosine(clusters):  # noqa: F811
    support, classes, queries, _ = clusters
    means = np.stack([units(support)[classes == label].mean(axis=0) for label in range(12)])
    ours = fit_classes(support, classes, NAMES, method="prototypes").probabilities(queries).argmax(axis=1)
    np.testing.assert_array_equal(ours, (units(queries) @ units(means).T).argmax(axis=1))


def test_regressions_are_scikit_learns(clusters):  # noqa: F811
    support, classes, queries, _ = clusters
    for few in (slice(None), classes < 2):
        x, y = units(support)[few], classes[few]
        names = NAMES[: y.max() + 1]
        model = LogisticRegression(C=10.0, max_iter=1000).fit(x, y)
        ours = fit_classes(x, y, names, method="logistic", scale=1.0)
        np.testing.assert_allclose(
            ours.probabilities(queries), model.predict_proba(units(queries)), rtol=1e-3, atol=1e-5
        )
        ridge = RidgeClassifier(alpha=1.0).fit(x, y).predict(units(queries))
        ours = fit_classes(x, y, names, method="ridge")
        np.testing.assert_array_equal(ours.probabilities(queries).argmax(axis=1), ridge)


def test_neighbours_vote_as_scikit_learns(clusters):  # noqa: F811
    support, classes, queries, _ = clusters
    x = units(support).astype(np.float16).astype(np.float32)
    model = KNeighborsClassifier(5, metric="cosine", weights=lambda distances: np.exp(10.0 * (1 - distances)))
    expected = model.fit(x, classes).predict_proba(units(queries))
    ours = fit_classes(support, classes, NAMES, method="knn", k=5, scale=10.0)
    np.testing.assert_allclose(ours.probabilities(queries), expected, atol=2e-3)


@pytest.mark.parametrize("method", METHODS)
def test_equally_near_classes_give_the_first(method):
    support, classes = np.eye(4, dtype=np.float32), np.array([0, 1, 2, 3])
    asked = np.ones((1, 4), np.float32)
    assert fit_classes(support, classes, NAMES[:4], method=method, k=4).probabilities(asked).argmax() in (
        (0,) if method in ("simpleshot", "prototypes", "knn") else range(4)
    )


def test_half_precision_and_block_size_change_no_mean(clusters, monkeypatch):  # noqa: F811
    support, classes, *_ = clusters
    half = support.astype(np.float16)
    whole = SimpleShot().fit(half.astype(np.float32), classes)
    monkeypatch.setattr("cladescope.analysis.classify.few_shot._ROWS", 7)
    np.testing.assert_allclose(SimpleShot().fit(half, classes).sums_, whole.sums_, atol=1e-5)


@pytest.mark.parametrize("method", [SimpleShot, Prototypes])
def test_a_class_added_equals_a_refit_about_the_same_centre(clusters, method):  # noqa: F811
    support, classes, *_ = clusters
    most = classes < 11
    means = method().fit(support[most], classes[most])
    centre = means.centre_
    means.add_class(11, support[~most])
    if method is Prototypes:
        np.testing.assert_allclose(means.sums_, Prototypes().fit(support, classes).sums_, atol=1e-5)
    else:
        np.testing.assert_array_equal(means.centre_, centre)
        np.testing.assert_allclose(means.means_[-1], cl2n(support[~most], centre).mean(axis=0), atol=1e-5)


def test_texts_are_added_to_the_scores_as_in_a_sum_of_two_classifiers(clusters):  # noqa: F811
    support, classes, queries, _ = clusters
    texts = np.random.default_rng(4).normal(size=(len(NAMES), support.shape[1]))
    few_shot = fit_classes(support, classes, NAMES, scale=1.0)
    mixed = with_texts(few_shot, texts, 0.7)
    unit = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    expected = few_shot.scores(queries) + 0.7 * few_shot.prepared(queries) @ (unit - unit.mean(axis=0)).T
    np.testing.assert_allclose(mixed.scores(queries), expected, atol=1e-5)


def test_bad_input_is_one_clear_line(clusters):  # noqa: F811
    support, classes, *_ = clusters
    with pytest.raises(InputError, match="at least two"):
        fit_classes(support[:3], np.zeros(3, int), ("one",))
    with pytest.raises(InputError, match="unknown method 'svm'"):
        fit_classes(support, classes, NAMES, method="svm")
    with pytest.raises(InputError, match="'nobody' has no picture"):
        fit_classes(support, classes, (*NAMES, "nobody"))
    with pytest.raises(InputError, match="no direction"):
        fit_classes(np.where(classes[:, None] == 3, np.nan, support), classes, NAMES)
    with pytest.raises(InputError, match="shrinkage needs"):
        fit_classes(support, classes, NAMES, kappa=1.0)
