"""Adjusted p-values: that they grow as they should, and that with nothing to find little is found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.analysis.measures.multiple_tests import false_discoveries, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12).map(np.array)


@given(P_VALUES)
def test_holms_are_those_of_testing_one_after_another(p_values):
    level = 0.05
    refused = np.zeros(len(p_values), bool)
    for step, place in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[place] * (len(p_values) - step) > level:
            break
        refused[place] = True
    assert np.array_equal(holm(p_values) <= level, refused)


@given(P_VALUES)
def test_adjusted_ones_are_no_smaller_and_in_the_same_order(p_values):
    for adjusted in (holm(p_values), false_discoveries(p_values)):
        assert (adjusted >= p_values - 1e-12).all()
        assert (adjusted <= 1).all()
        order = np.argsort(p_values, kind="stable")
        assert (np.diff(adjusted[order]) >= -1e-12).all()


@pytest.mark.parametrize("adjust", [holm, false_discoveries])
def test_with_nothing_to_find_something_is_found_in_one_of_twenty_reports(adjust):
    rng = np.random.default_rng(0)
    found = np.mean([(adjust(rng.random(30)) <= 0.05).any() for _ in range(2000)])
    assert found == pytest.approx(0.05, abs=0.015)
    assert np.mean([(rng.random(30) <= 0.05).any() for _ in range(200)]) > 0.6
