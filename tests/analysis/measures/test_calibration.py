"""Figures of confidence against loops and scikit-learn."""

import numpy as np
import pytest

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
