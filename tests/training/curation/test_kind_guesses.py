"""Guessed kinds: the confidence that is promised is kept on pictures that were never seen, and noise is not guessed."""

import numpy as np
import pytest
from scipy.stats import binom

from cladescope.training.curation.kind_guesses import FEWEST, RISK, learn, levels_of


def drawn(rng, n, apart, share=0.5):
    """Vectors of two kinds whose means are so far apart, and their kinds."""
    is_live = rng.random(n) < share
    vectors = rng.normal(size=(n, 3)) + apart * np.where(is_live, 0.5, -0.5)[:, None] * np.array([1, 0, 0])
    return vectors, np.where(is_live, "live", "drawing").tolist()


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_guesses_of_new_pictures_are_right_as_often_as_is_promised(share):
    """In 60 worlds each; the bound may fail in one of 20, and the power is not nothing."""
    broken, guessed, n_said = 0, 0, 0
    for world in range(60):
        rng = np.random.default_rng([world, 1])
        vectors, kinds = drawn(rng, 600, 2.0, share)
        made = learn(vectors, kinds, ["a"] * len(kinds), confidence=0.9, seed=world)
        new, truth = drawn(rng, 20_000, 2.0, share)
        found, _ = made.guess(new)
        for kind in ("live", "drawing"):
            right = [one == kind for guess, one in zip(found, truth, strict=True) if guess == kind]
            n_said += bool(right)
            guessed += len(right)
            broken += bool(right) and float(np.mean(right)) < 0.9
    assert broken <= binom.ppf(0.999, 120, RISK)
    assert n_said > 40
    assert guessed > 60 * 20_000 * 0.1


def test_a_regression_that_is_right_four_times_of_five_would_break_the_promise_without_the_measure():
    """The worlds of the test above are hard enough: guessing all of them is not right nine times of ten."""
    vectors, kinds = drawn(np.random.default_rng(0), 600, 2.0)
    made = learn(vectors, kinds, ["a"] * 600, confidence=0.5, seed=0)
    found, _ = made.guess(vectors)
    right = [one == kind for one, kind in zip(found, kinds, strict=True) if one]
    assert 0.75 < np.mean(right) < 0.9


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_on_noise_nothing_is_guessed(share):
    """Not even the kind that is nearly always there, which a guess without looking would name."""
    n_guessing = 0
    for world in range(60):
        rng = np.random.default_rng([world, 2])
        vectors, kinds = drawn(rng, 800, 0.0, share)
        made = learn(vectors, kinds, ["a"] * 800, confidence=0.6 if share == 0.5 else 0.9, seed=world)
        n_guessing += sum(bool(levels) for levels in made.levels.values())
    assert n_guessing <= binom.ppf(0.999, 120, RISK)


def test_the_confidence_of_a_guess_is_counted_among_held_out_guesses_as_sure():
    rng = np.random.default_rng(3)
    surety = rng.random(1000)
    is_right = rng.random(1000) < 0.5 + surety / 2
    levels = levels_of(surety, is_right, confidence=0.85, base=0.5)
    assert levels
    for one in levels:
        as_sure = is_right[surety >= one.surety]
        assert (one.n, one.right) == (len(as_sure), as_sure.sum())
        # The bound: so many right guesses or more would be this rare if the share were no more than it.
        assert binom.sf(one.right - 1, one.n, one.low) == pytest.approx(RISK / 6)
        assert one.low >= 0.85
    assert [one.n for one in levels] == sorted(one.n for one in levels)


def test_a_kind_with_too_few_known_pictures_is_not_guessed():
    vectors, kinds = drawn(np.random.default_rng(4), 300, 9.0)
    few = ["fossil"] * (FEWEST - 1)
    made = learn(
        np.concatenate([vectors, np.full((len(few), 3), 30.0)]),
        kinds + few,
        ["a"] * (300 + len(few)),
        confidence=0.9,
        seed=0,
    )
    assert set(made.levels) == {"live", "drawing"}
    assert made.told["known pictures"]["fossil"] == FEWEST - 1
    alone = learn(vectors[:40], ["live"] * 40, ["a"] * 40, confidence=0.9, seed=0)
    assert alone.guess(vectors)[0] == [None] * 300
    assert "nothing is guessed" in alone.told["note"]


def test_a_source_that_is_told_by_its_own_mark_is_no_kind():
    """Each source has a mark of its own, and kinds differ in nothing else: held out by observation all would seem right."""
    rng = np.random.default_rng(5)
    sources = np.repeat(["a", "b", "c", "d"], 100)
    kinds = np.repeat(["live", "drawing", "live", "drawing"], 100)
    marks = np.repeat(np.eye(4) * 6, 100, axis=0)
    made = learn(rng.normal(size=(400, 4)) + marks, kinds.tolist(), sources.tolist(), confidence=0.9, seed=0)
    assert made.told["note"] == "held out by source"
    assert not any(made.levels.values())
    careless = learn(rng.normal(size=(400, 4)) + marks, kinds.tolist(), ["a"] * 400, confidence=0.9, seed=0)
    assert all(careless.levels.values())
