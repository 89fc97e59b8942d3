"""SimpleShot over the folds of BioCLIP's evaluation, beside scikit-learn and a transcript of the protocol."""

import random
import warnings

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestCentroid

from cladescope.analysis.measures import accuracy
from cladescope.analysis.measures.simple_shot import check_shots, draw_folds, few_shot, simple_shot_labels
from cladescope.arrays import normalise
from cladescope.errors import InputError
from tests.conftest import SHARED_DATA

VECTORS = SHARED_DATA / "vectors" / "bioclip2_tol200m_1030.parquet"


def folds_by_the_book(classes, shots, *, in_place):
    """The protocol as it is written down: one list a class, shuffled with the seed of the fold, in place or in a copy."""
    rows_of = {}
    for row, label in enumerate(classes):
        rows_of.setdefault(label, []).append(row)
    state = random.getstate()
    try:
        for k in shots:
            for fold in range(5):
                random.seed(fold)
                support, test = [], []
                for label in rows_of:
                    rows = rows_of[label] if in_place else list(rows_of[label])
                    random.shuffle(rows)
                    support.extend(rows[:k])
                    test.extend(rows[k:])
                yield support, test
    finally:
        random.setstate(state)


def by_scikit_learn(vectors, classes, support, test):
    """CL2N and scikit-learn's nearest centroid, in float64."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = unit - unit[support].mean(axis=0)
    z = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # it takes standard deviations, of one picture a class too, and doubts the labels
        return NearestCentroid().fit(z[support], classes[support]).predict(z[test])


def cloud(n, classes, *, seed=0, d=16):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % classes) * 4 + 3
    centres = rng.normal(size=(labels.max() + 1, d))
    return (centres[labels] + 1.5 * rng.normal(size=(n, d))).astype(np.float32), labels


@pytest.mark.parametrize("v1", [False, True])
def test_folds_are_drawn_as_the_protocol_is_written(v1):
    _, classes = cloud(60, 7)
    drawn = [(fold.given.tolist(), fold.asked.tolist()) for fold in draw_folds(classes, (1, 5), v1=v1)]
    assert drawn == list(folds_by_the_book(classes.tolist(), (1, 5), in_place=v1))


def test_only_the_folds_of_v1_depend_on_the_shots_before():
    _, classes = cloud(60, 7)

    def last(shots, v1):
        return list(draw_folds(classes, shots, v1=v1))[-1].given.tolist()

    assert last((1, 5), False) == last((5,), False)
    assert last((1, 5), True) != last((5,), True)


def test_the_accuracy_of_each_fold_is_that_of_the_metrics():
    vectors, classes = cloud(120, 6)
    for k in (1, 5):
        ours = few_shot(vectors, classes, [k])[f"{k}-shot"]
        assert ours.folds == tuple(accuracy.simple_shot(vectors, classes, k=k))
        assert ours.value == pytest.approx(np.mean(ours.folds), abs=1e-12)


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6), k=st.integers(1, 3))
def test_every_prediction_is_scikit_learns(seed, classes, k):
    vectors, labels = cloud(40, classes, seed=seed)
    vectors = vectors.astype(np.float64)
    for support, test in folds_by_the_book(labels.tolist(), [k], in_place=False):
        unit = normalise(vectors)
        ours = simple_shot_labels(unit[support], labels[support], unit[test])
        assert (ours == by_scikit_learn(vectors, labels, support, test)).all()


@given(seed=st.integers(0, 10_000), angle=st.floats(0.1, 3.0))
def test_scale_and_rotation_of_the_vectors_change_nothing(seed, angle):
    vectors, labels = cloud(30, 3, seed=seed, d=4)
    vectors = vectors.astype(np.float64)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert few_shot(vectors, labels, [2])["2-shot"].folds == few_shot(7 * vectors @ turn, labels, [2])["2-shot"].folds


def test_equally_near_classes_go_to_the_one_that_comes_first():
    support = np.array([[0.0, 1.0], [0.0, -1.0]])
    query = np.array([[1.0, 0.0]])
    assert simple_shot_labels(support, np.array([7, 3]), query).tolist() == [7]
    assert simple_shot_labels(support, np.array([3, 7]), query).tolist() == [3]


def test_pictures_are_asked_as_often_as_they_are_not_given():
    vectors, classes = cloud(40, 4)
    outcome = few_shot(vectors, classes, [5])["5-shot"]
    given_ = np.zeros(40)
    for fold in draw_folds(classes, [5]):
        given_[fold.given] += 1
    assert (outcome.asked == 5 - given_).all()
    assert (outcome.scored <= outcome.asked).all()


def test_with_parts_exactly_the_test_part_is_asked_and_only_training_pictures_are_given():
    vectors, classes = cloud(60, 5)
    is_test = np.arange(60) % 3 == 0
    for fold in draw_folds(classes, (1, 2), is_test=is_test):
        assert fold.asked.tolist() == np.flatnonzero(is_test).tolist()
        assert not is_test[fold.given].any()
        assert (np.unique(classes[fold.given], return_counts=True)[1] == fold.k).all()
    outcome = few_shot(vectors, classes, [1], is_test=is_test)["1-shot"]
    assert (outcome.asked == 5 * is_test).all()


def test_shots_that_cannot_be_drawn_are_refused():
    vectors, classes = cloud(12, 4)
    is_test = np.arange(12) < 4
    assert (
        check_shots(3, classes) == "no class has more than 3 pictures (the largest has 3), so that none is left to ask"
    )
    assert "no class has 9 training pictures" in check_shots(9, classes, is_test=is_test)
    with pytest.raises(InputError, match="3 shots: no class has more than 3 pictures.*ask for fewer"):
        few_shot(vectors, classes, [3])


def test_a_class_of_the_test_part_without_training_pictures_is_refused():
    vectors = np.eye(4)
    with pytest.raises(InputError, match="1 classes of the test part have no usable training picture"):
        few_shot(vectors, np.array([0, 1, 0, 2]), [1], is_test=np.array([False, False, True, True]))


@pytest.mark.skipif(not VECTORS.exists(), reason="the real BioCLIP 2 vectors of shared/data are not here")
@pytest.mark.parametrize("rank", ["order", "family", "class"])
@pytest.mark.parametrize("v1", [False, True])
def test_every_prediction_on_real_vectors_is_scikit_learns(rank, v1):
    table = pq.read_table(VECTORS)
    names = table.column(rank).to_pylist()
    keep = [row for row, name in enumerate(names) if name]
    vectors = np.stack(table.column("emb").to_numpy(zero_copy_only=False))[keep].astype(np.float32)
    _, labels = np.unique([names[row] for row in keep], return_inverse=True)
    unit = normalise(vectors)
    n_asked = 0
    for support, test in folds_by_the_book(labels.tolist(), (1, 5), in_place=v1):
        ours = simple_shot_labels(unit[support], labels[support], unit[test])
        assert (ours == by_scikit_learn(vectors.astype(np.float64), labels, support, test)).all()
        n_asked += len(test)
    assert n_asked > 2000
    drawn = [(fold.given.tolist(), fold.asked.tolist()) for fold in draw_folds(labels, (1, 5), v1=v1)]
    assert drawn == list(folds_by_the_book(labels.tolist(), (1, 5), in_place=v1))
