"""Null models: their range and p-value at the stated level, whatever the number of permutations."""

import numpy as np
import pytest

from cladescope.analysis.measures.permutations import permuted


@pytest.mark.parametrize("n_permutations", [40, 200])
def test_of_random_values_nineteen_of_twenty_lie_in_the_range_and_one_in_twenty_has_a_small_p(n_permutations):
    rng = np.random.default_rng(n_permutations)
    n_draws, inside, small = 2000, 0, 0
    for seed in range(n_draws):
        found = float(rng.normal())
        null = permuted(lambda drawing: float(drawing.normal()), found, n_permutations=n_permutations, seed=seed)
        inside += null.low <= found <= null.high
        small += null.p_value <= 0.05
    margin = 3 * np.sqrt(0.05 * 0.95 / n_draws)
    assert inside / n_draws == pytest.approx(0.95, abs=margin)
    assert small / n_draws == pytest.approx(0.05, abs=margin)


def test_a_value_among_equals_is_no_better_than_chance():
    null = permuted(lambda rng: 0.5, 0.5, n_permutations=19, seed=0)
    assert null.p_value == 1
    assert permuted(lambda rng: 0.5, 0.6, n_permutations=19, seed=0).p_value == 1 / 20
    assert permuted(lambda rng: 0.5, 0.6, n_permutations=19, seed=0, higher_is_better=False).p_value == 1


def test_what_cannot_be_measured_counts_as_better_and_is_not_in_the_range():
    values = iter([0.1, float("nan"), 0.3])
    null = permuted(lambda rng: next(values), 0.9, n_permutations=3, seed=0)
    assert null == pytest.approx((0.2, 0.1, 0.3, 2 / 4))
    assert permuted(lambda rng: float("nan"), 0.9, n_permutations=3, seed=0) is None
    assert permuted(lambda rng: 0.0, 0.9, n_permutations=0, seed=0) is None


@pytest.mark.parametrize("n_permutations, place", [(39, 0), (79, 1), (119, 2)])
def test_the_ends_of_the_range_are_the_values_that_leave_one_of_forty_out(n_permutations, place):
    drawn = np.random.default_rng(0).permutation(n_permutations).astype(float)
    values = iter(drawn)
    null = permuted(lambda rng: next(values), 0.0, n_permutations=n_permutations, seed=0)
    # Of 40 values, the found one among them, the smallest is the 2.5 % point; of 80 the second.
    assert null.span == pytest.approx((drawn.mean(), place, n_permutations - 1 - place))


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1.0, 1e6, 1e12])
def test_values_as_good_but_for_rounding_count_as_good_whatever_the_unit(unit):
    for away, n_as_good in ((1e-10, 1), (1e-6, 0)):
        for higher, drawn in ((True, 1 - away), (False, 1 + away)):
            null = permuted(
                lambda rng, drawn=drawn: unit * drawn, unit, n_permutations=1, seed=0, higher_is_better=higher
            )
            assert null.p_value == (1 + n_as_good) / 2
