"""Accuracy of scores against scikit-learn, ties as documented."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from cladescope.analysis.measures.accuracy import top_k_accuracy
from cladescope.errors import InputError


@pytest.mark.parametrize("k", [1, 3, 5, 7])
def test_top_k_accuracy_equals_that_of_scikit_learn(k):
    rng = np.random.default_rng(k)
    scores, labels = rng.normal(size=(200, 8)), rng.integers(0, 8, 200)
    expected = top_k_accuracy_score(labels, scores, k=k, labels=np.arange(8))
    assert top_k_accuracy(scores, labels, k) == pytest.approx(expected)


@given(st.integers(1, 6), st.integers(1, 7), st.integers(0, 100))
def test_equal_scores_come_in_the_order_of_their_columns(c, k, seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, 3, (20, c)), rng.integers(0, c, 20)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert top_k_accuracy(scores, labels, k) == pytest.approx((best == labels[:, None]).any(axis=1).mean())


def test_scores_that_are_all_alike_earn_no_more_than_chance():
    assert top_k_accuracy(np.zeros((5, 5)), np.arange(5), 1) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "scores, labels, k, message",
    [
        (np.zeros((2, 3)), [0, 3], 1, "labels go from 0 to 3, expected columns of the scores: 0 to 2"),
        (np.zeros((2, 3)), [-1, 0], 1, "labels go from -1 to 0"),
        (np.array([[0, np.nan], [0, 1]]), [0, 0], 1, "scores of 1 of 2 images are NaN"),
        (np.zeros((2, 3)), [0, 0], 0, "k is 0: it must be at least 1"),
        (np.zeros((0, 3)), [], 1, "no scores: there is nothing to measure"),
    ],
)
def test_scores_that_cannot_be_measured_are_refused(scores, labels, k, message):
    with pytest.raises(InputError) as refusal:
        top_k_accuracy(scores, np.array(labels, np.int64), k)
    assert message in str(refusal.value)
