"""Macro-F1 with interval and difference, against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from cladescope.analysis.measures import macro_f1
from cladescope.analysis.measures.macro_f1 import N_EXCHANGES, MacroF1
from cladescope.analysis.measures.outcomes import Figure
from cladescope.errors import InputError

numbers = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40)


def answers(n, share, *, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    return truth, np.where(rng.random(n) < share, truth, rng.integers(0, classes, n))


@given(numbers)
def test_of_classes_it_is_scikit_learns(pairs):
    truth, named = np.array(pairs).T
    assert MacroF1.of_classes(truth, named).value == pytest.approx(f1_score(truth, named, average="macro"))
    every = f1_score(truth, named, average="macro", labels=range(8), zero_division=0)
    assert MacroF1.of_classes(truth, named, n_classes=8).value == pytest.approx(every)


@given(seed=st.integers(0, 1000), n=st.integers(1, 20), a=st.integers(2, 5))
def test_of_traits_it_is_the_mean_over_runs_of_scikit_learns(seed, n, a):
    rng = np.random.default_rng(seed)
    truth, first, second = rng.integers(0, 2, (3, n, a))
    theirs = [f1_score(truth, one, average="macro", zero_division=0) for one in (first, second)]
    found = MacroF1.of_traits(truth, [first, second])
    assert found.folds == pytest.approx(theirs)
    assert found.value == pytest.approx(np.mean(theirs))
    assert MacroF1.of_traits(truth, [first]).folds == ()


def test_the_interval_is_that_of_drawing_pictures_one_by_one():
    truth, named = answers(120, 0.6)
    rng = np.random.default_rng(5)
    rows = rng.integers(120, size=(1500, 120))
    drawn = np.array([f1_score(truth[r], named[r], average="macro") for r in rows])
    moved = np.quantile(drawn, [0.025, 0.975]) + f1_score(truth, named, average="macro") - drawn.mean()
    assert MacroF1.of_classes(truth, named).interval() == pytest.approx(moved, abs=0.015)


@pytest.mark.parametrize("n_classes", [None, 40])
def test_the_interval_holds_the_truth_where_classes_have_two_pictures(n_classes):
    # Each class is named rightly with chance 0.8, else another: its F1 is 0.8. A resample lacks one class of seven.
    rng, truth = np.random.default_rng(0), np.repeat(np.arange(40), 2)
    held = []
    for draw in range(60):
        named = np.where(rng.random(80) < 0.8, truth, (truth + rng.integers(1, 40, size=80)) % 40)
        found = MacroF1.of_classes(truth, named, n_classes=n_classes)
        low, high = found.interval(n_resamples=300, seed=draw)
        assert low <= found.value <= high
        held.append(low <= 0.8 <= high)
    assert np.mean(held) >= 0.88


def test_the_interval_of_a_difference_holds_it_where_classes_are_rare():
    truth = np.repeat(np.arange(40), 2)
    good, bad = truth.copy(), np.where(np.arange(80) % 2, truth, (truth + 1) % 40)
    found = MacroF1.of_classes(truth, good, n_classes=40).minus(MacroF1.of_classes(truth, bad, n_classes=40))
    assert found.low < found.value < found.high
    assert (found.low + found.high) / 2 == pytest.approx(found.value, abs=0.02)


def test_a_figure_has_what_others_have():
    figure = Figure.of(MacroF1.of_classes(*answers(60, 0.7)))
    assert figure.low < figure.value < figure.high
    assert (figure.n, figure.std) == (60, None)


def test_an_encoder_that_says_the_same_does_not_differ():
    truth, named = answers(50, 0.6)
    found = MacroF1.of_classes(truth, named).minus(MacroF1.of_classes(truth, named))
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_a_much_better_encoder_differs_and_a_coin_toss_does_not():
    truth, weak = answers(80, 0.2, seed=1)
    _, strong = answers(80, 0.9, seed=1)
    found = MacroF1.of_classes(truth, strong).minus(MacroF1.of_classes(truth, weak))
    assert found.value == pytest.approx(
        f1_score(truth, strong, average="macro") - f1_score(truth, weak, average="macro")
    )
    assert found.p == pytest.approx(2 / (N_EXCHANGES + 1))
    assert found.low > 0
    _, alike = answers(80, 0.2, seed=1)
    alike = np.roll(alike, 1)
    assert MacroF1.of_classes(truth, alike).minus(MacroF1.of_classes(truth, np.roll(weak, 2))).p > 0.05


def test_p_values_of_equals_are_spread_evenly():
    rng = np.random.default_rng(0)
    ps = []
    for _ in range(60):
        truth = rng.integers(0, 3, 40)
        first, second = (np.where(rng.random(40) < 0.5, truth, rng.integers(0, 3, 40)) for _ in range(2))
        ps.append(MacroF1.of_classes(truth, first).minus(MacroF1.of_classes(truth, second), n_resamples=2).p)
    assert np.mean(np.array(ps) <= 0.1) <= 0.22
    assert 0.35 < np.mean(ps) < 0.65


def test_pictures_must_be_the_same():
    with pytest.raises(InputError, match="not asked the same"):
        MacroF1.of_classes(*answers(9, 0.5)).minus(MacroF1.of_classes(*answers(8, 0.5)))
    with pytest.raises(InputError, match="no picture was asked"):
        MacroF1.of_classes(np.zeros(0, int), np.zeros(0, int))


def test_exchanges_of_all_blocks_count(monkeypatch):
    monkeypatch.setattr(macro_f1, "BLOCK_BYTES", 4 * 30 * 100)
    truth, named = answers(30, 0.5)
    one = MacroF1.of_classes(truth, named)
    assert one.minus(one).p == 1.0, "an exchange of equal answers changes nothing, in each of twenty blocks"
