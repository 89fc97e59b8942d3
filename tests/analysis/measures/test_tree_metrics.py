"""Metrics along the tree and of confidence, against loops over pictures and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from cladescope.analysis.measures.calibration import brier, calibration_error, risk_coverage
from cladescope.analysis.measures.tree_metrics import (
    correct_depth,
    hierarchical_f,
    information_gained,
    mistake_severity,
    top_k_by_rank,
)
from cladescope.errors import InputError


@pytest.fixture
def codes():
    """Answers that stop early, and true taxa with ranks left out, in a binary tree of four ranks."""
    rng = np.random.default_rng(0)
    answers, truth = (rng.integers(8, size=(200, 1)) >> np.array([3, 2, 1, 0]) for _ in range(2))
    answers[rng.random(200) < 0.3, 2:] = -1
    truth[rng.random(200) < 0.2, 1] = -1
    truth[rng.random(200) < 0.2, 3] = -1
    return answers, truth


def test_hierarchical_f_is_that_of_sets_of_ancestors(codes):
    answers, truth = codes
    shared = n_answered = n_true = 0
    for answer, true in zip(*codes, strict=True):
        a = {(rank, code) for rank, code in enumerate(answer) if code >= 0}
        t = {(rank, code) for rank, code in enumerate(true) if code >= 0}
        shared, n_answered, n_true = shared + len(a & t), n_answered + len(a), n_true + len(t)
    p, r = shared / n_answered, shared / n_true
    assert hierarchical_f(answers, truth) == pytest.approx((p, r, 2 * p * r / (p + r)))


def test_depth_and_severity_are_those_of_a_walk_from_the_root(codes):
    depths, heights = [], []
    for answer, true in zip(*codes, strict=True):
        right, lowest = 0, 0
        for rank in range(4):
            if true[rank] >= 0 and answer[rank] != true[rank]:
                break
            if true[rank] >= 0:
                right, lowest = right + 1, rank + 1
        depths.append(right / (true >= 0).sum())
        if true[3] >= 0:
            heights.append(4 - lowest)
    np.testing.assert_allclose(correct_depth(*codes), depths)
    mistakes = [height for height in heights if height]
    assert mistake_severity(*codes) == pytest.approx((np.mean(mistakes), np.mean(heights)))


def test_without_mistakes_severity_over_mistakes_is_nan():
    of_mistakes, of_all = mistake_severity(np.array([[0, 1]]), np.array([[0, 1]]))
    assert np.isnan(of_mistakes)
    assert of_all == 0


def test_information_is_that_of_the_classes_that_an_answer_leaves(codes):
    answers, _ = codes
    leaves = np.arange(8)[:, None] >> np.array([3, 2, 1, 0])
    right = np.random.default_rng(1).random(len(answers)) < 0.7
    left = [8 if (row < 0).all() else 2 ** (3 - np.flatnonzero(row >= 0)[-1]) for row in answers]
    np.testing.assert_allclose(information_gained(leaves, answers, right), np.where(right, 3 - np.log2(left), 0))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_of_a_rank_is_that_of_summed_probabilities(codes, k):
    _, truth = codes
    leaves = np.arange(8)[:, None] >> np.array([3, 2, 1, 0])
    leaves[6, 3] = -1  # a class that ends a rank higher
    p = np.random.default_rng(2).integers(0, 8, size=(len(truth), 8)) / 64  # with ties, exact in binary
    expected = []
    for rank in range(4):
        right = []
        for row, own in zip(p, truth[:, rank], strict=True):
            if own >= 0:
                sums = {taxon: sum(row[leaves[:, rank] == taxon]) for taxon in sorted({*leaves[:, rank]} - {-1})}
                best = sorted(sums, key=lambda taxon: (-sums[taxon], taxon))[:k]
                right.append(own in best)
        expected.append(np.mean(right))
    np.testing.assert_allclose(top_k_by_rank(p, leaves, truth, k), expected)
    nothing = np.full_like(truth, -1)
    assert np.isnan(top_k_by_rank(p, leaves, nothing, k)).all()
    with pytest.raises(InputError, match="k is 0"):
        top_k_by_rank(p, leaves, truth, 0)


def test_no_truth_is_an_error():
    nothing = np.full((2, 3), -1)
    with pytest.raises(InputError, match="none of 2"):
        hierarchical_f(nothing, nothing)
    with pytest.raises(InputError, match="none of 2"):
        mistake_severity(nothing, nothing)


@pytest.mark.parametrize("equal_mass", [False, True])
def test_calibration_error_is_that_of_a_loop_over_bins(equal_mass):
    rng = np.random.default_rng(1)
    confidence = rng.random(300)
    right = rng.random(300) < confidence**2
    if equal_mass:
        members = np.array_split(np.argsort(confidence), 10)
    else:
        members = [np.flatnonzero((confidence > i / 10) & (confidence <= (i + 1) / 10)) for i in range(10)]
    expected = sum(len(rows) * abs(confidence[rows].mean() - right[rows].mean()) for rows in members) / 300
    assert calibration_error(confidence, right, n_bins=10, equal_mass=equal_mass) == pytest.approx(expected)


def test_brier_is_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    confidence, right = rng.random(50), rng.random(50) < 0.5
    assert brier(confidence, right) == pytest.approx(brier_score_loss(right, confidence))


def test_risk_at_full_coverage_is_the_share_of_wrong_answers():
    rng = np.random.default_rng(3)
    right = rng.random(50) < 0.7
    coverage, risk = risk_coverage(rng.random(50), right)
    assert coverage[-1] == 1
    assert risk[-1] == pytest.approx(1 - right.mean())


def test_confidence_that_is_no_probability_is_an_error():
    with pytest.raises(InputError, match="from 0 to 1"):
        brier(np.array([np.nan]), np.array([True]))
