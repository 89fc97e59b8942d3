"""Figures of confidence against loops and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.analysis.measures.calibration import calibration_error, risk_coverage
from cladescope.errors import InputError


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


def test_risk_at_full_coverage_is_the_share_of_wrong_answers():
    rng = np.random.default_rng(3)
    right = rng.random(50) < 0.7
    coverage, risk = risk_coverage(rng.random(50), right)
    assert coverage[-1] == 1
    assert risk[-1] == pytest.approx(1 - right.mean())


def test_confidence_that_is_no_probability_is_an_error():
    with pytest.raises(InputError, match="from 0 to 1"):
        calibration_error(np.array([np.nan]), np.array([True]))


def ece_by_loops(confidence, right, n_bins):
    """Bins (i / b, (i + 1) / b], 0 among the first."""
    found = 0.0
    for i in range(n_bins):
        rows = (confidence > i / n_bins) & (confidence <= (i + 1) / n_bins) | ((confidence == 0) & (i == 0))
        if rows.any():
            found += rows.mean() * abs(confidence[rows].mean() - right[rows].mean())
    return found


@given(st.lists(st.tuples(st.integers(0, 64), st.booleans()), min_size=1, max_size=40), st.sampled_from([1, 4, 16]))
def test_bins_where_answers_are_surer_and_less_sure_than_right_do_not_make_good_for_each_other(answers, n_bins):
    sixty_fourths, right = map(np.array, zip(*answers, strict=True))
    confidence = sixty_fourths / 64  # exact, and often on the edge of a bin
    assert calibration_error(confidence, right, n_bins=n_bins) == pytest.approx(ece_by_loops(confidence, right, n_bins))


def test_unless_told_otherwise_fifteen_bins_are_of_equal_width():
    rng = np.random.default_rng(0)
    confidence, right = rng.random(200) ** 3, rng.random(200) < 0.5
    wide = calibration_error(confidence, right, n_bins=15)  # as in Guo et al. 2017
    assert calibration_error(confidence, right) == wide != calibration_error(confidence, right, equal_mass=True)
    assert wide != calibration_error(confidence, right, n_bins=16)


@pytest.mark.parametrize("confidence", [-0.01, 1.001, 1.9])
def test_what_lies_outside_of_0_to_1_is_refused_but_for_rounding(confidence):
    for measure in (calibration_error, risk_coverage):
        with pytest.raises(InputError, match="1 answers: expected at least one, and confidences from 0 to 1"):
            measure(np.array([confidence]), np.array([True]))
        with pytest.raises(InputError, match="0 answers"):
            measure(np.empty(0), np.empty(0, bool))
    assert calibration_error(np.array([0.0, 1.0, 1.000001]), np.array([False, True, True])) < 1e-6


def test_risk_at_every_coverage_is_that_of_the_surest_so_far():
    confidence, right = np.array([0.5, 0.9, 0.5, 0.7]), np.array([False, True, True, False])
    coverage, risk = risk_coverage(confidence, right)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk.tolist() == [0, 1 / 2, 2 / 3, 2 / 4]  # of the two at 0.5 the earlier row, which is wrong, comes first
