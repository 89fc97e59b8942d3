"""Macro accuracy against scikit-learn, and head, middle and tail against loops over classes."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from cladescope.analysis.measures.by_class import balanced_mean, by_frequency, macro
from cladescope.analysis.measures.outcomes import Outcome
from cladescope.errors import InputError


def macro_accuracy(predictions, labels):
    right = (predictions == labels).astype(float)
    value = macro(Outcome(right, np.ones(len(labels))), labels).value
    assert value == pytest.approx(balanced_mean(right, labels))
    return value


def test_macro_accuracy_equals_the_balanced_accuracy_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.choice([3, 7, 20], 300, p=[0.9, 0.07, 0.03])
    predictions = np.where(rng.random(300) < 0.6, labels, 7)
    assert macro_accuracy(predictions, labels) == pytest.approx(balanced_accuracy_score(labels, predictions))


def test_a_class_that_is_only_predicted_does_not_count_in_macro_accuracy():
    assert macro_accuracy(np.array([3, 99, 7]), np.array([3, 3, 7])) == pytest.approx(0.75)


def test_head_middle_and_tail_are_macro_accuracies_of_their_classes():
    rng = np.random.default_rng(0)
    sizes = {3: 200, 5: 101, 7: 100, 9: 20, 11: 19, 13: 1, 15: 0}
    labels = rng.choice([*sizes], size=500)
    predictions = np.where(rng.random(500) < 0.6, labels, 3)
    outcome = Outcome((predictions == labels).astype(float), np.ones(500))
    found = by_frequency(outcome, labels, np.array([sizes[label] for label in labels]))
    parts = {"head": [3, 5], "middle": [7, 9], "tail": [11, 13, 15]}
    expected = {
        name: np.mean([(predictions[labels == one] == one).mean() for one in classes])
        for name, classes in parts.items()
    }
    assert {name: part.value for name, part in found.items()} == pytest.approx(expected)
    none = by_frequency(outcome, labels, np.zeros(500, np.int64))
    assert list(none) == ["tail"]
    assert none["tail"].value == pytest.approx(macro_accuracy(predictions, labels))
    with pytest.raises(InputError, match="expected few <= many"):
        by_frequency(outcome, labels, labels, many=5, few=6)


def test_pictures_asked_in_several_folds_weigh_as_often():
    classes = np.array([3, 3, 7])
    outcome = Outcome(np.array([3.0, 0.0, 1.0]), np.array([3.0, 1.0, 2.0]))
    assert macro(outcome, classes).value == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_a_class_that_is_never_asked_does_not_count():
    outcome = Outcome(np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    assert macro(outcome, np.array([3, 7])).value == 1.0
    assert list(by_frequency(outcome, np.array([3, 7]), np.array([50, 1]))) == ["middle"]


def test_every_class_weighs_one_and_many_may_be_as_few_as_few():
    classes = np.array([3, 3, 7, 9])
    weighed = macro(Outcome(np.array([1.0, 0.0, 0.0, 1.0]), np.array([3.0, 1.0, 1.0, 0.0])), classes)
    np.testing.assert_allclose(np.bincount(classes, weights=weighed.asked), [0, 0, 0, 1, 0, 0, 0, 1, 0, 0])
    outcome = Outcome(np.array([1.0, 0.0, 1.0]), np.ones(3))
    parts = by_frequency(outcome, np.arange(3), np.array([4, 5, 6]), many=5, few=5)
    assert {name: part.value for name, part in parts.items()} == {"head": 1.0, "middle": 0.0, "tail": 1.0}
