"""SimpleShot over the folds of BioCLIP's evaluation, beside scikit-learn and a transcript of the protocol."""

import random
import warnings

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestCentroid

from cladescope.analysis.measures import simple_shot as simple_shot_module
from cladescope.analysis.measures.folds import check_shots, draw_folds
from cladescope.analysis.measures.simple_shot import centred, few_shot, few_shot_answers, simple_shot_labels
from cladescope.arrays import normalise
from cladescope.errors import InputError
from tests.analysis.measures.clouds import clusters
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


def test_the_value_is_the_mean_of_folds_of_equal_size():
    vectors, classes = cloud(120, 6)
    for k in (1, 5):
        ours = few_shot(vectors, classes, [k])[f"{k}-shot"]
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


def simple_shot(vectors, labels, *, k, folds=5):
    """Accuracy in each fold."""
    return np.array(few_shot(vectors, labels, [k], folds=folds)[f"{k}-shot"].folds)


def simple_shot_by_loops(vectors, labels, k, fold):
    """SimpleShot as written down in the reference: lists of features, one image at a time."""
    features: dict[int, list[np.ndarray]] = {}
    for vector, label in zip(vectors, labels, strict=True):
        features.setdefault(int(label), []).append(vector / np.linalg.norm(vector))
    state = random.getstate()
    random.seed(fold)
    support, test = {}, {}
    for label, copy in {label: list(some) for label, some in features.items()}.items():
        random.shuffle(copy)
        support[label], test[label] = copy[:k], copy[k:]
    random.setstate(state)
    mean = np.mean([vector for some in support.values() for vector in some], axis=0)

    def centred(vector):
        return (vector - mean) / np.linalg.norm(vector - mean)

    centroids = {label: np.mean([centred(vector) for vector in some], axis=0) for label, some in support.items()}
    right = [
        min(centroids, key=lambda name: np.linalg.norm(centred(vector) - centroids[name])) == label
        for label, some in test.items()
        for vector in some
    ]
    return np.mean(right)


@pytest.mark.parametrize("k", [1, 5])
def test_simple_shot_equals_the_reference_image_by_image(k):
    vectors, labels = clusters(spread=1.2)
    expected = [simple_shot_by_loops(vectors, labels, k, fold) for fold in range(5)]
    np.testing.assert_allclose(simple_shot(vectors, labels, k=k), expected, rtol=0, atol=1e-12)
    assert len(set(expected)) > 1


def test_simple_shot_does_not_depend_on_the_names_of_the_classes():
    vectors, labels = clusters(n_classes=4, spread=1.2, names=[3, 7, 11, 15])
    renamed = np.array([{3: 90, 7: -5, 11: 2, 15: 40}[label] for label in labels.tolist()])
    np.testing.assert_array_equal(simple_shot(vectors, labels, k=2), simple_shot(vectors, renamed, k=2))


def test_a_class_of_k_images_or_fewer_is_never_asked_for_but_may_be_answered():
    base, labels = clusters(n_classes=3, n_each=8, spread=0.05, names=[3, 7, 11])
    assert simple_shot(base, labels, k=2).tolist() == [1.0] * 5
    decoy = np.concatenate([base, base[labels == 3][:1]])  # a class of one that looks like class 3
    named = np.append(labels, 99)
    expected = [simple_shot_by_loops(decoy, named, 2, fold) for fold in range(5)]
    np.testing.assert_allclose(simple_shot(decoy, named, k=2), expected, rtol=0, atol=1e-12)
    assert simple_shot(decoy, named, k=2).mean() < 1


def test_identical_vectors_are_all_given_to_the_class_that_appears_first():
    labels = np.array([7, 7, 7, 3, 3, 3, 3])
    assert simple_shot(np.ones((7, 4)), labels, k=1, folds=1).tolist() == [2 / 5]


def test_half_precision_vectors_are_measured_nearly_as_double():
    vectors, labels = clusters(n_each=30, spread=1.0)
    difference = simple_shot(vectors, labels, k=5) - simple_shot(vectors.astype(np.float16), labels, k=5)
    assert np.abs(difference).max() <= 0.02


def test_few_shot_refuses_what_cannot_be_measured():
    vectors, labels = clusters(n_each=5)
    with pytest.raises(InputError, match="no class has more than 1 pictures"):
        simple_shot(np.empty((0, 3)), np.empty(0, np.int64), k=1)
    with pytest.raises(InputError, match="found 0 shots and 5 folds: both must be at least 1"):
        simple_shot(vectors, labels, k=0)
    with pytest.raises(InputError, match="have no direction"):
        simple_shot(np.zeros_like(vectors), labels, k=1)


def test_small_blocks_do_not_change_few_shot_accuracies(monkeypatch):
    vectors, labels = clusters(spread=1.2)
    whole = simple_shot(vectors, labels, k=2)
    monkeypatch.setattr(simple_shot_module, "BLOCK_BYTES", 1)
    np.testing.assert_array_equal(simple_shot(vectors, labels, k=2), whole)


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


def test_unless_told_otherwise_one_and_five_shots_are_drawn_as_by_bioclip_2():
    vectors, classes = cloud(60, 5, seed=1)
    found = few_shot(vectors, classes)
    assert list(found) == ["1-shot", "5-shot"]
    # The draw of 5 shots depends on those before it in the first version of the protocol only.
    assert found["5-shot"].folds == few_shot(vectors, classes, [5], v1=False)["5-shot"].folds
    assert found["5-shot"].folds != few_shot(vectors, classes, [1, 5], v1=True)["5-shot"].folds
    assert [fold.k for fold in draw_folds(classes)] == [1] * 5 + [5] * 5
    for name, answers in few_shot_answers(vectors, classes).items():
        assert answers.outcome(classes).folds == found[name].folds


@pytest.mark.parametrize("shots, folds", [([0], 1), ([], 1), ([1], 0)])
def test_no_shots_and_no_folds_are_refused(shots, folds):
    vectors, classes = cloud(12, 3)
    with pytest.raises(InputError, match="both must be at least 1"):
        few_shot(vectors, classes, shots, folds=folds)


def test_as_many_training_pictures_as_shots_are_enough_and_none_is_none():
    classes, is_test = np.array([7, 7, 7, 3, 3]), np.array([False, False, True, False, True])
    assert check_shots(2, classes, is_test=is_test) is None
    assert "(the largest has 2)" in check_shots(3, classes, is_test=is_test)
    assert "(the largest has 0)" in check_shots(1, np.empty(0, np.int64))
    assert check_shots(2, classes) is None


def test_kin_of_what_is_given_is_not_asked():
    classes, kin = np.repeat([7, 3], 4), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    for fold in draw_folds(classes, [1], kin=kin):
        assert not set(kin[fold.asked]) & set(kin[fold.given])
        assert sorted(np.concatenate([fold.asked, fold.given, fold.given ^ 1]).tolist()) == list(range(8))
    with pytest.raises(InputError, match="1 shots: every other picture shows the photograph"):
        few_shot_answers(np.eye(8), classes, [1], kin=np.zeros(8, np.int64))


def test_a_vector_at_the_centre_has_no_direction_and_takes_part():
    moved = centred(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0 - 1e-9]]), np.array([0.0, 1.0]))
    assert np.linalg.norm(moved, axis=1).tolist() == pytest.approx([1, 0, 0])
