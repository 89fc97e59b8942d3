"""Zero-shot of the benchmark, beside scikit-learn and scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import top_k_accuracy_score

from cladescope.analysis.measures.zero_shot import positions, zero_shot, zero_shot_answers


@given(seed=st.integers(0, 10_000), k=st.integers(1, 4))
def test_zero_shot_is_scikit_learns_top_k(seed, k):
    rng = np.random.default_rng(seed)
    vectors, classes, texts = (
        rng.normal(size=(40, 5)),
        rng.integers(0, 6, 40),
        np.random.default_rng(seed).normal(size=(6, 5)),
    )
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    asked = rng.random(40) < 0.7
    asked[0] = True
    found = zero_shot(vectors, classes, asked, texts, kind="asis", ks=[k])[f"asis top-{k}"]
    scores = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) @ texts.T)[asked]
    assert found.value == pytest.approx(top_k_accuracy_score(classes[asked], scores, k=k, labels=np.arange(6)))


def test_an_encoder_that_tells_no_names_apart_gains_nothing():
    same = np.ones((4, 3)) / np.sqrt(3)
    assert positions(np.eye(3), same, np.array([0, 1, 3])).tolist() == [0, 1, 3]


@given(seed=st.integers(0, 10_000), scale=st.floats(0.5, 100))
def test_answers_are_the_best_class_and_its_softmax(seed, scale):
    rng = np.random.default_rng(seed)
    vectors, texts = rng.normal(size=(20, 5)), rng.normal(size=(6, 5))
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    asked = np.arange(20) % 3 > 0
    found = zero_shot_answers(vectors, asked, texts, scale=scale)
    probabilities = softmax(scale * (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) @ texts.T, axis=1)
    assert found.rows.tolist() == np.flatnonzero(asked).tolist()
    assert found.named.tolist() == probabilities[asked].argmax(axis=1).tolist()
    np.testing.assert_allclose(found.confidence, probabilities[asked].max(axis=1))
    top_1 = zero_shot(vectors, np.zeros(20, np.int64), asked, texts, kind="asis", ks=[1])["asis top-1"]
    np.testing.assert_array_equal(found.outcome(np.zeros(20, np.int64)).scored, top_1.scored)


def test_without_a_scale_answers_have_no_probability():
    assert zero_shot_answers(np.eye(2), np.array([True, False]), np.eye(2)).confidence is None


def test_unless_told_otherwise_the_first_three_and_five_are_looked_at():
    found = zero_shot(np.eye(2), np.array([0, 1]), np.array([True, True]), np.eye(2), kind="asis")
    assert list(found) == ["asis top-1", "asis top-3", "asis top-5"]
