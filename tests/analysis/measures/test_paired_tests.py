"""Paired tests against the binomial, scipy's own exact test and their behaviour under the null."""

import numpy as np
import pytest
from scipy.stats import binom, kstest, ttest_rel

from cladescope.analysis.measures.paired_tests import mcnemar, permutation_test
from cladescope.errors import InputError


def test_mcnemar_sums_the_tails_of_the_binomial():
    a = np.array([True] * 9 + [False] * 3 + [True] * 20)
    b = np.array([False] * 9 + [True] * 3 + [True] * 20)
    assert mcnemar(a, b) == pytest.approx(2 * binom.cdf(3, 12, 0.5))
    assert mcnemar(a, a) == 1


def test_permutations_of_many_pictures_agree_with_the_t_test():
    rng = np.random.default_rng(0)
    a = rng.normal(size=400)
    b = a + rng.normal(0.06, 0.5, size=400)
    assert permutation_test(a, b) == pytest.approx(ttest_rel(a, b).pvalue, abs=0.01)


def test_permutations_of_few_pictures_are_all_tried():
    # Of the 2^4 exchanges of signs only the one seen and its mirror image are as far from 0.
    assert permutation_test(np.array([3, 2, 5, 1]), np.zeros(4, int)) == pytest.approx(2 / 16)
    assert permutation_test(np.ones(4), np.ones(4)) == 1


def test_under_the_null_p_is_uniform():
    rng = np.random.default_rng(1)
    p = [permutation_test(*rng.normal(size=(2, 30)), n_resamples=400, seed=seed) for seed in range(150)]
    assert kstest(p, "uniform").pvalue > 0.01


def test_nothing_to_compare_is_an_error():
    for values in (np.empty(0), np.array([np.nan, 1.0])):
        with pytest.raises(InputError, match="all of finite values"):
            permutation_test(values, values)
