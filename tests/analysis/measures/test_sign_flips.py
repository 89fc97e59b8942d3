"""Paired differences by flipping species: exact against SciPy, at its level in simulations, and refused for few species."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, permutation_test

from cladescope.analysis.measures.sign_flips import ALL_OF, FEWEST, sign_flips


@given(st.integers(FEWEST, 10), st.integers(0, 1000))
def test_the_p_value_is_that_of_scipy_over_all_flips(n, seed):
    rng = np.random.default_rng(seed)
    differences = np.round(rng.normal(3, 10, n))  # whole numbers: sums are exact, and some are equal
    wanted = permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    ).pvalue
    found = sign_flips(differences, np.arange(n))
    assert found.p_value == pytest.approx(wanted)


@given(st.integers(FEWEST, 30), st.integers(0, 1000), st.sampled_from([0.0, 0.2, 1.0]))
def test_the_interval_leaves_out_nothing_where_the_test_does(n, seed, shift):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n), rng.integers(1, 4, n))
    differences = rng.normal(shift, 0.3, n)[groups]
    found = sign_flips(differences, groups, seed=seed)
    assert found.low <= differences.mean() <= found.high
    assert (found.low <= 0 <= found.high) == (found.p_value > 0.05)
    moved = sign_flips(differences + 5, groups, seed=seed)
    assert moved[1:3] == pytest.approx((found.low + 5, found.high + 5), abs=1e-6)


@pytest.mark.parametrize("n_species", [FEWEST, 10, ALL_OF + 6])
def test_where_nothing_differs_a_p_value_of_at_most_a_twentieth_is_as_rare(n_species):
    rng = np.random.default_rng(n_species)
    n_draws = 400
    small, inside = 0, 0
    for _ in range(n_draws):
        groups = np.repeat(np.arange(n_species), rng.integers(1, 8, n_species))
        differences = rng.normal(size=n_species)[groups] + rng.normal(size=len(groups))
        found = sign_flips(differences, groups)
        small += found.p_value <= 0.05
        inside += found.low <= 0 <= found.high
    assert small / n_draws <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_draws)
    assert inside == n_draws - small


def test_the_pictures_of_one_species_are_one_piece_of_evidence():
    groups = np.repeat(np.arange(FEWEST - 1), 100)
    assert sign_flips(np.ones(500), groups) == (None, None, None, FEWEST - 1)
    assert sign_flips(np.ones(600), np.repeat(np.arange(FEWEST), 100)).p_value == 2 / 2**FEWEST
    assert sign_flips(np.zeros(600), np.repeat(np.arange(FEWEST), 100)).p_value == 1


def test_there_is_a_p_value_from_on_as_many_groups_as_can_have_one_of_a_twentieth():
    assert min(n for n in range(1, 20) if 2 / 2**n <= 0.05) == FEWEST


def test_flips_of_up_to_fourteen_groups_are_all_tried_and_of_more_as_many_drawn():
    assert sign_flips(np.ones(14), np.arange(14)).p_value == 2 / 2**14
    # Of 20 differences of one size 15 agree: the sum is binomial.
    mixed = np.repeat([1.0, -1.0], [15, 5])
    found = sign_flips(mixed, np.arange(20))
    assert found.p_value == pytest.approx(2 * binom.cdf(5, 20, 0.5), abs=0.006)  # four standard errors of 16,384 draws
    assert found.p_value * 2**14 % 1 == 0  # as documented: 16,384 ways
    assert found.p_value == sign_flips(mixed, np.arange(20), seed=0).p_value
    assert found.p_value != sign_flips(mixed, np.arange(20), seed=1).p_value


@pytest.mark.parametrize("unit", [1e-14, 1e-6, 1.0, 1e9])
def test_neither_the_p_value_nor_the_interval_depends_on_the_unit(unit):
    differences = np.array([0.1, 0.2, -0.3, 0.4, 0.3, 0.3, -0.1, 0.7])  # sums of these tie, but for rounding
    wanted = permutation_test(
        (np.round(10 * differences),), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    ).pvalue
    found, one = sign_flips(unit * differences, np.arange(8)), sign_flips(differences, np.arange(8))
    assert found.p_value == pytest.approx(wanted)
    assert (found.low / unit, found.high / unit) == pytest.approx((one.low, one.high), rel=1e-6)
