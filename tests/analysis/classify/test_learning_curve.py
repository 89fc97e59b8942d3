"""How many labels suggestions save: a simulated user beside one who names at random."""

import numpy as np
import pytest
from scipy import stats

from cladescope.analysis.classify.learning_curve import labels_for, learning_curve, paired_difference, user_accuracy
from cladescope.arrays import normalise
from cladescope.errors import InputError


def clusters(sizes, *, spread=0.15, d=24, seed=0):
    """Unit vectors of classes of these sizes about random centres, and their classes."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(np.arange(len(sizes)), sizes)
    centres = normalise(rng.normal(size=(len(sizes), d)))
    return normalise(centres[classes] + spread * rng.normal(size=(len(classes), d))).astype(np.float32), classes


def test_where_classes_are_unequal_suggestions_need_fewer_labels():
    vectors, classes = clusters([80, 40, 20, 10, 8, 6, 6, 4, 4, 4])
    curve = learning_curve(vectors, classes, step=4)
    mean, low, high = curve.difference
    assert low < mean < high
    assert mean > 0.1
    assert curve.labels_for_the_same < 0.7 * curve.labels[-1]
    assert low > 0
    assert "chance" not in curve.in_words
    assert f"{curve.labels_for_the_same:,.0f} suggested ones do the same (both)" in curve.in_words
    assert curve.labels.tolist() == [4 * step for step in range(1, len(curve.labels) + 1)]


def test_random_beside_random_saves_nothing():
    vectors, classes = clusters([30, 20, 10, 10])
    curve = learning_curve(vectors, classes, strategy="random", step=3)
    np.testing.assert_array_equal(curve.accuracy, curve.random)
    assert curve.difference == (0, 0, 0)
    assert curve.in_words.endswith(": this may be chance")


def test_noise_without_classes_saves_nothing():
    """Names that have nothing to do with pictures: no strategy is better, and the sentence does not say so."""
    rng = np.random.default_rng(1)
    vectors = normalise(rng.normal(size=(240, 8))).astype(np.float32)
    mean, low, high = learning_curve(vectors, rng.integers(0, 4, 240), step=10, seeds=5).difference
    assert abs(mean) < 0.06
    assert low < 0.03
    assert high > -0.03


def test_nobody_names_what_is_asked_about_and_kin_stay_on_one_side(monkeypatch):
    """Twins of one photograph: were one named and the other asked about, all would be right, for classes mean nothing here."""
    rng = np.random.default_rng(2)
    photographs = normalise(rng.normal(size=(60, 64)))
    vectors = np.repeat(photographs, 2, axis=0).astype(np.float32)
    classes = np.repeat(rng.integers(0, 3, 60), 2)
    kin = np.repeat(np.arange(60), 2)
    apart = learning_curve(vectors, classes, step=5, kin=kin, seeds=2)
    assert apart.accuracy[:, -1].mean() < 0.7
    assert apart.n_tested < 60


def test_a_user_names_step_by_step_until_a_number_is_reached():
    vectors, classes = clusters([12, 12, 12])
    given = {"strategy": "typical", "step": 4}
    assert len(user_accuracy(vectors[::2], classes[::2], vectors[1::2], classes[1::2], most=12, **given)) == 3
    assert len(user_accuracy(vectors[::2], classes[::2], vectors[1::2], classes[1::2], most=999, **given)) == 4
    perfect = user_accuracy(vectors, classes, vectors, classes, most=36, **given)
    assert perfect[-1] == 1.0


@pytest.mark.parametrize(
    ("sizes", "step", "said"),
    [
        ([20], 2, "pictures of two classes or more"),
        ([4, 4], 50, "8 pictures with a name are too few for two steps of 50"),
    ],
)
def test_what_gives_no_curve_is_told(sizes, step, said):
    vectors, classes = clusters(sizes)
    with pytest.raises(InputError, match=said):
        learning_curve(vectors, classes, step=step)


def test_labels_for_an_accuracy_are_those_of_the_first_crossing():
    labels, accuracy = np.array([10, 20, 30]), np.array([0.2, 0.6, 0.5])
    assert labels_for(labels, accuracy, 0.1) == 10
    assert labels_for(labels, accuracy, 0.4) == pytest.approx(15)
    assert labels_for(labels, accuracy, 0.7) is None


def test_the_interval_is_that_of_students_t_over_seeds():
    rng = np.random.default_rng(3)
    found, other = rng.random((5, 4)), rng.random((5, 4))
    mean, low, high = paired_difference(found, other)
    test = stats.ttest_rel(found.mean(axis=1), other.mean(axis=1)).confidence_interval()
    assert (low, high) == pytest.approx((test.low, test.high))
    assert mean == pytest.approx((found - other).mean())


def test_a_curve_has_twelve_steps_unless_told_otherwise():
    vectors, classes = clusters([30] * 4)
    assert learning_curve(vectors, classes, step=2, seeds=1).labels.tolist() == list(range(2, 25, 2))
    assert learning_curve(vectors, classes, step=2, seeds=1, most=8).labels.tolist() == [2, 4, 6, 8]
