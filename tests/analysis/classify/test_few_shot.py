"""Class means against scikit-learn's NearestCentroid, and scikit-learn's own checks of an estimator."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestCentroid
from sklearn.utils.estimator_checks import parametrize_with_checks

from cladescope.analysis.classify.few_shot import Prototypes, SimpleShot
from cladescope.errors import InputError
from tests.analysis.measures.clouds import clusters, units
from tests.conftest import SHARED_DATA

METHODS = [SimpleShot, Prototypes]


@parametrize_with_checks([SimpleShot(), Prototypes()])
def test_scikit_learn_takes_it_for_an_estimator(estimator, check):
    check(estimator)


def cl2n(vectors, centre):
    return units(units(vectors) - centre)


def nearest_mean(vectors, labels, queries):
    centre = units(vectors).mean(axis=0)
    return NearestCentroid().fit(cl2n(vectors, centre), labels).predict(cl2n(queries, centre))


@pytest.mark.parametrize("names", [[3, 7], [-5, 0, 2**40], range(12)])
def test_simple_shot_names_the_nearest_centred_mean(names):
    vectors, labels = clusters(len(names), 20, spread=1.5, names=names)
    queries, _ = clusters(len(names), 60, spread=1.5, names=names, seed=0)
    found = SimpleShot().fit(vectors, labels).predict(queries)
    np.testing.assert_array_equal(found, nearest_mean(vectors, labels, queries))


def test_labels_may_be_texts():
    vectors, labels = clusters(4, 10)
    names = np.array(["crow", "Parus major", "tit", "zoo"])[np.unique(labels, return_inverse=True)[1]]
    by_name = SimpleShot().fit(vectors, names).predict(vectors)
    np.testing.assert_array_equal(by_name, nearest_mean(vectors, names, vectors))


def test_prototypes_have_the_largest_cosine():
    vectors, labels = clusters(5, 12, spread=1.5)
    means = np.stack([units(vectors)[labels == name].mean(axis=0) for name in np.unique(labels)])
    expected = np.unique(labels)[(units(vectors) @ units(means).T).argmax(axis=1)]
    np.testing.assert_array_equal(Prototypes().fit(vectors, labels).predict(vectors), expected)


@pytest.mark.parametrize("method", METHODS)
def test_equally_near_classes_go_to_the_first(method):
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    found = method().fit(vectors, np.array([9, 4, 5])).predict(vectors)
    assert found.tolist() == [5, 4, 5]


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 200))
def test_a_class_that_comes_and_goes_leaves_no_trace(method, seed):
    vectors, labels = clusters(4, 6, seed=seed)
    fitted, touched = (method().fit(vectors, labels) for _ in range(2))
    extra = np.random.default_rng(seed).normal(size=(3, vectors.shape[1]))
    touched.add_class(8, extra)
    assert touched.classes_.tolist() == sorted([*fitted.classes_.tolist(), 8])
    touched.remove_class(8)
    np.testing.assert_array_equal(touched.classes_, fitted.classes_)
    np.testing.assert_array_equal(touched.counts_, fitted.counts_)
    np.testing.assert_array_equal(touched.sums_, fitted.sums_)


def test_adding_is_a_refit_where_nothing_is_centred():
    vectors, labels = clusters(5, 8)
    later = labels == labels.max()
    added = Prototypes().fit(vectors[~later], labels[~later])
    added.add_class(int(labels.max()), vectors[later][:3])
    added.add_class(int(labels.max()), vectors[later][3:])
    np.testing.assert_allclose(added.means_, Prototypes().fit(vectors, labels).means_)


def test_a_longer_name_keeps_its_letters():
    fitted = Prototypes().fit(np.eye(3)[:2], np.array(["a", "b"]))
    fitted.add_class("Parus major", np.eye(3)[2:])
    assert fitted.predict(np.eye(3)).tolist() == ["a", "b", "Parus major"]


def test_float16_vectors_are_taken_as_they_are():
    vectors, labels = clusters(5, 8)
    small = vectors.astype(np.float16)
    found = SimpleShot().fit(small, labels).predict(small)
    np.testing.assert_array_equal(found, nearest_mean(small.astype(float), labels, small.astype(float)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-60, 1e-300, 1e60, 1e300])
def test_rows_beyond_float32_are_refused_where_they_are_learnt_and_where_they_are_asked(method, scale):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 6)), np.arange(20) % 2
    with pytest.raises(InputError, match="20 of 20 vectors have no direction"):
        method().fit(X * scale, y)
    with pytest.raises(InputError, match="20 of 20 vectors have no direction"):
        method().fit(X, y).predict(X * scale)


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_a_classifier_is_refused(method):
    with pytest.raises(InputError, match="one class only, 3"):
        method().fit(np.eye(2), np.array([3, 3]))
    with pytest.raises(ValueError, match="NaN"):
        method().fit(np.full((2, 2), np.nan), np.array([3, 4]))
    fitted = method().fit(np.eye(2), np.array([3, 4]))
    with pytest.raises(InputError, match="no class 5"):
        fitted.remove_class(5)
    with pytest.raises(InputError, match="one class only would be left"):
        fitted.remove_class(3)
    with pytest.raises(InputError, match="has no picture"):
        fitted.add_class(5, np.empty((0, 2)))


@pytest.mark.filterwarnings("ignore:The number of unique classes")
@pytest.mark.parametrize("rank", ["order", "family"])
def test_on_real_vectors_every_prediction_is_that_of_scikit_learn(rank):
    path = SHARED_DATA / "vectors" / "bioclip2_tol200m_1030.parquet"
    if not path.is_file():
        pytest.skip(f"needs {path}, real BioCLIP 2 vectors")
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["emb", rank])
    table = table.filter(table[rank].is_valid())
    vectors = np.array(table["emb"].to_pylist(), np.float32)
    labels = np.array(table[rank].to_pylist())
    given = np.random.default_rng(0).random(len(labels)) < 0.5
    found = SimpleShot().fit(vectors[given], labels[given]).predict(vectors[~given])
    expected = nearest_mean(vectors[given].astype(float), labels[given], vectors[~given].astype(float))
    np.testing.assert_array_equal(found, expected)
