"""Paired tests against the binomial, scipy's own exact test and their behaviour under the null."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binom, kstest, ttest_rel

from cladescope.analysis.measures.bootstrap import bootstrap_interval
from cladescope.analysis.measures.outcomes import Outcome
from cladescope.analysis.measures.paired import difference, mcnemar, permutation_test
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


def by_scipy(a, b, n_resamples):
    rng = np.random.default_rng(1)
    statistic = lambda x, y, axis: (x - y).mean(axis=axis)  # noqa: E731
    options = {"permutation_type": "samples", "vectorized": True, "n_resamples": n_resamples, "rng": rng}
    return stats.permutation_test((a, b), statistic, **options).pvalue


@given(pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=8))
def test_all_exchanges_of_few_pairs_are_those_of_scipy(pairs):
    a, b = np.array(pairs, float).T  # whole numbers: scipy takes equal sums of fractions for different ones
    assert permutation_test(a, b) == pytest.approx(by_scipy(a, b, 10_000))


def test_exchanges_that_come_to_the_same_difference_count_as_it():
    # Two of the eight sums of 0.2, 0.4 and 0.6 are 0, as the one seen is, which fractions in binary hide.
    assert permutation_test(np.array([0.0, 0.0, 0.8]), np.array([0.2, 0.4, 0.2])) == 1


@pytest.mark.parametrize("unit", [1e-14, 1e-6, 1e9])
def test_p_does_not_depend_on_the_unit_of_scores(unit):
    a, b = np.random.default_rng(0).normal(size=(2, 12)).round(1)
    assert permutation_test(a * unit, b * unit) == permutation_test(a, b) < 1


@pytest.mark.parametrize("values", [lambda rng, n: rng.integers(0, 6, n) / 5, lambda rng, n: rng.random(n)])
def test_drawn_exchanges_agree_with_those_of_scipy(values):
    rng = np.random.default_rng(2)
    a, b = values(rng, 60), values(rng, 60)
    assert permutation_test(a, b, n_resamples=100_000) == pytest.approx(by_scipy(a, b, 20_000), abs=0.02)


def test_under_the_null_p_is_uniform():
    rng = np.random.default_rng(1)
    p = [permutation_test(*rng.normal(size=(2, 30)), n_resamples=400, seed=seed) for seed in range(150)]
    assert kstest(p, "uniform").pvalue > 0.01


def test_nothing_to_compare_is_an_error():
    for values in (np.empty(0), np.array([np.nan, 1.0])):
        with pytest.raises(InputError, match="all of finite values"):
            permutation_test(values, values)


def test_a_difference_sees_what_two_intervals_side_by_side_do_not():
    hardness, asked = np.random.default_rng(0).random(400), np.ones(400)
    a, b = ((hardness < share).astype(float) for share in (0.72, 0.66))
    assert bootstrap_interval(b)[1] > bootstrap_interval(a)[0]
    found = difference(Outcome(b, asked), Outcome(a, asked))
    assert (found.low, found.high) == bootstrap_interval(a - b)
    assert 0 < found.low < found.value < found.high
    assert (found.test, found.p) == ("McNemar", mcnemar(a == 1, b == 1))
    mirrored = difference(Outcome(a, asked), Outcome(b, asked))
    assert (mirrored.value, mirrored.p) == (-found.value, found.p)
    assert mirrored.high < 0


def test_an_encoder_does_not_differ_from_itself():
    values = np.array([1.0, 0.0, 1.0])
    same = difference(Outcome(values, np.ones(3)), Outcome(values, np.ones(3)))
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_scores_of_folds_are_exchanged_picture_by_picture():
    asked = np.array([3.0, 3.0, 2.0, 1.0, 0.0])
    found = difference(Outcome(np.zeros(5), asked), Outcome(asked, asked))
    assert (found.value, found.test, found.p) == (1, "permutation", pytest.approx(2 / 16))


def test_pictures_that_were_not_asked_alike_have_no_difference():
    values = np.ones(3)
    with pytest.raises(InputError, match="not asked the same"):
        difference(Outcome(values, np.ones(3)), Outcome(values, 2 * np.ones(3)))


@pytest.mark.parametrize(
    "first, other, asked",
    [
        ([0.5, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], 1),
        ([0, 0, 0, 0, 0, 0], [0.5, 1, 1, 1, 1, 1], 1),
        ([0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], 2),
    ],
)
def test_only_what_was_asked_once_and_is_right_or_wrong_is_mcnemars(first, other, asked):
    a, b, often = np.array(first, float), np.array(other, float), np.full(6, float(asked))
    found = difference(Outcome(a, often), Outcome(b, often))
    assert (found.test, found.p) == ("permutation", permutation_test(a, b))
    assert difference(Outcome(a.round() * 0, np.ones(6)), Outcome(b.round() * 0 + 1, np.ones(6))).test == "McNemar"


def test_pictures_that_were_not_asked_take_no_part_in_a_test():
    asked, none, all_ = np.array([1.0] * 5 + [0.0] * 9), np.zeros(14), np.array([1.0] * 5 + [0.0] * 9)
    found = difference(Outcome(none, asked), Outcome(all_, asked))
    assert (found.value, found.test, found.p) == (1, "McNemar", 2 / 2**5)


def test_all_exchanges_are_tried_where_they_are_no_more_than_the_resamples():
    few, zeros = np.ones(4), np.zeros(4)
    assert permutation_test(few, zeros, n_resamples=2**4) == 2 / 2**4
    # One fewer, and so many are drawn; p is then never below 2 / (n + 1).
    assert permutation_test(few, zeros, n_resamples=2**4 - 1) * 2**4 % 2 == 0
    many = np.ones(40)
    assert permutation_test(many, 0 * many, n_resamples=99) == 2 / 100
    assert permutation_test(many, 0 * many) == 2 / 10_001  # ten thousand are drawn unless told otherwise


def test_exchanges_are_drawn_anew_for_each_seed_and_with_0_unless_told_otherwise():
    a, b = np.random.default_rng(3).normal(size=(2, 50))
    assert permutation_test(a, b) == permutation_test(a, b, seed=0) != permutation_test(a, b, seed=1)


def test_two_that_are_right_apart_equally_often_have_a_p_value_of_one():
    a = np.array([True, False, True, False, True])
    assert mcnemar(a, ~a | (np.arange(5) == 4)) == 1
