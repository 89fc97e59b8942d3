"""Intervals: how often they hold the truth, and drawing by kinds, groups and blocks."""

import numpy as np
import pytest
from scipy import stats

from cladescope.analysis.measures import bootstrap
from cladescope.analysis.measures.bootstrap import bootstrap_interval, resampled_ratios
from cladescope.errors import InputError


def right_or_wrong(rng):
    return (rng.random(150) < 0.7).astype(np.float64)


def skewed(rng):
    return rng.exponential(0.7, 150)


@pytest.mark.parametrize("draw", [right_or_wrong, skewed])
def test_the_interval_holds_the_true_mean_about_as_often_as_it_says(draw):
    rng = np.random.default_rng(0)
    intervals = [bootstrap_interval(draw(rng), level=0.8, n_resamples=300, seed=seed) for seed in range(200)]
    coverage = np.mean([low <= 0.7 <= high for low, high in intervals])
    assert 0.72 <= coverage <= 0.88  # 0.8 within 2.8 standard errors


def test_many_kinds_of_pictures_give_the_interval_of_few():
    values = np.array([0.0] * 120 + [1.0] * 80)
    jittered = values + np.linspace(0, 1e-9, 200)  # all distinct: as many kinds as images
    few, many = (bootstrap_interval(some, n_resamples=20_000) for some in (values, jittered))
    np.testing.assert_allclose(few, many, rtol=0, atol=0.006)
    half_width = 1.96 * np.sqrt(0.4 * 0.6 / 200)
    np.testing.assert_allclose(few, [0.4 - half_width, 0.4 + half_width], rtol=0, atol=0.01)


def test_resamples_in_blocks_are_those_of_one_block(monkeypatch):
    values = np.random.default_rng(0).normal(size=100)
    whole = bootstrap_interval(values, n_resamples=50)
    monkeypatch.setattr(bootstrap, "BLOCK_BYTES", 8 * 100 * 7)
    assert bootstrap_interval(values, n_resamples=50) == whole


def test_an_interval_is_repeatable_and_another_seed_gives_another():
    values = np.random.default_rng(0).normal(size=100)
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)


def test_values_that_are_all_equal_leave_no_doubt():
    assert bootstrap_interval(np.array([True, True, True])) == (1.0, 1.0)


@pytest.mark.parametrize(
    "values, changes, message",
    [
        ([], {}, "none of 0 pictures was asked: there is nothing to measure"),
        ([0.5, np.nan], {}, "1 of 2 values are not finite"),
        ([1.0], {"level": 1.0}, "level is 1.0, expected a share in (0, 1)"),
        ([1.0], {"n_resamples": 0}, "n_resamples is 0, expected at least 1"),
    ],
)
def test_values_without_an_interval_are_refused(values, changes, message):
    with pytest.raises(InputError) as refusal:
        bootstrap_interval(np.array(values, np.float64), **changes)
    assert message in str(refusal.value)


def test_resampling_groups_is_resampling_their_images_where_each_has_one():
    values = np.random.default_rng(0).random(150)
    alone = bootstrap_interval(values)
    np.testing.assert_allclose(bootstrap_interval(values, groups=np.arange(150)), alone, atol=0.01)


def test_images_of_one_group_count_as_little_more_than_one():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 25)
    values = rng.normal(size=40)[groups] + 0.1 * rng.normal(size=1000)
    low, high = bootstrap_interval(values, groups=groups)
    means = values.reshape(40, 25).mean(axis=1)
    np.testing.assert_allclose((low, high), bootstrap_interval(means), atol=0.05)
    narrow = bootstrap_interval(values)
    assert high - low > 3 * (narrow[1] - narrow[0])


def test_the_interval_is_that_of_scipys_bootstrap():
    values = skewed(np.random.default_rng(3))
    found = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(0))
    theirs = found.confidence_interval
    np.testing.assert_allclose(bootstrap_interval(values, n_resamples=20_000), (theirs.low, theirs.high), atol=0.006)


def test_equal_seeds_draw_equal_groups():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 12, 60)
    values = rng.normal(size=60)
    parts = resampled_ratios(values, groups=groups, seed=4) + resampled_ratios(1 - values, groups=groups, seed=4)
    np.testing.assert_allclose(parts, 1)


def test_groups_of_which_nothing_was_asked_are_not_drawn():
    groups, asked = np.array([5, 5, 9, 11]), np.array([1, 1, 0, 2])
    scored = np.array([1.0, 0.0, 0.0, 1.0])
    some = asked > 0
    alone = resampled_ratios(scored[some], asked[some], groups=groups[some])
    np.testing.assert_array_equal(resampled_ratios(scored, asked, groups=groups), alone)
    assert np.isfinite(alone).all()


def test_unless_told_otherwise_two_thousand_resamples_are_drawn_with_the_seed_0():
    values = np.random.default_rng(0).normal(size=30)
    drawn = resampled_ratios(values)
    assert len(drawn) == 2000  # enough that a 2.5 % point is the 50th of them, and no more than takes a moment
    assert (drawn == resampled_ratios(values, n_resamples=2000, seed=0)).all()
    assert bootstrap_interval(values) == bootstrap_interval(values, seed=0)
    assert len(resampled_ratios(values, n_resamples=1)) == 1


def test_an_interval_of_no_share_is_refused():
    with pytest.raises(InputError, match="level is 0"):
        bootstrap_interval(np.ones(3), level=0.0)
