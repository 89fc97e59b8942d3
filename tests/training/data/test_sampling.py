"""The order of an epoch: shares of classes, no repeats before a class is through, the same in every run."""

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.errors import InputError
from cladescope.training.data.sampling import epoch_order

LONG_TAIL = np.repeat([9, -4, 70, 3], [60, 25, 10, 1])
quick = settings(max_examples=60, deadline=None)
labels = st.lists(st.integers(-3, 5), min_size=1, max_size=40).map(lambda values: np.array(values, np.int64))
balances = st.sampled_from([0.0, 0.25, 0.5, 1.0])


def shares(classes, balance):
    """Probability of each class, written out one by one."""
    sizes = Counter(classes.tolist())
    weights = {label: size ** (1 - balance) for label, size in sizes.items()}
    total = sum(weights.values())
    return {label: weight / total for label, weight in weights.items()}


@quick
@given(labels, st.integers(0, 9))
def test_without_balance_an_epoch_is_a_permutation_of_all_examples(classes, seed):
    order = epoch_order(classes, seed=seed, epoch=3)
    assert sorted(order.tolist()) == list(range(len(classes)))


@quick
@given(labels, balances, st.integers(0, 120), st.integers(0, 9))
def test_every_class_comes_as_often_as_its_share_rounded_down_or_up(classes, balance, n_samples, seed):
    order = epoch_order(classes, seed=seed, epoch=0, balance=balance, n_samples=n_samples)
    assert len(order) == n_samples
    assert np.isin(order, np.arange(len(classes))).all()
    counts = Counter(classes[order].tolist())
    assert sum(counts.values()) == n_samples
    if balance:
        for label, share in shares(classes, balance).items():
            assert abs(counts[label] - share * n_samples) < 1 + 1e-6


@quick
@given(labels, balances, st.integers(1, 120), st.integers(0, 9))
def test_no_example_comes_again_before_all_of_its_class_came(classes, balance, n_samples, seed):
    order = epoch_order(classes, seed=seed, epoch=0, balance=balance, n_samples=n_samples)
    pools = classes if balance else np.zeros_like(classes)
    for label in set(pools.tolist()):
        members = set(np.flatnonzero(pools == label).tolist())
        own = [row for row in order.tolist() if row in members]
        for start in range(0, len(own), len(members)):
            cycle = own[start : start + len(members)]
            assert len(set(cycle)) == len(cycle)


@pytest.mark.parametrize("balance", [0.3, 0.5, 1.0])
def test_over_many_epochs_classes_and_their_examples_have_the_stated_shares(balance):
    n_epochs, n_samples = 400, 30
    seen = np.zeros(len(LONG_TAIL))
    for epoch in range(n_epochs):
        seen += np.bincount(
            epoch_order(LONG_TAIL, seed=2, epoch=epoch, balance=balance, n_samples=n_samples), minlength=len(LONG_TAIL)
        )
    for label, share in shares(LONG_TAIL, balance).items():
        members = seen[label == LONG_TAIL] / (n_epochs * n_samples)
        assert members.sum() == pytest.approx(share, abs=0.005)
        # Five standard deviations of a binomial count, which is wider than what cycling gives.
        expected = share / len(members)
        assert np.abs(members - expected).max() < 5 * np.sqrt(expected / (n_epochs * n_samples))


def test_classes_are_spread_over_the_epoch():
    order = epoch_order(np.repeat([0, 1], [500, 500]), seed=0, epoch=0, balance=0.5)
    first_half = (order[:500] < 500).mean()
    assert 0.4 < first_half < 0.6


def test_an_epoch_longer_than_the_examples_goes_through_all_of_them_again_in_another_order():
    order = epoch_order(np.zeros(50, np.int64), seed=0, epoch=0, n_samples=100).tolist()
    first, second = order[:50], order[50:]
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second


def test_epochs_and_seeds_give_different_orders_and_the_same_arguments_the_same():
    def order(seed, epoch):
        return epoch_order(LONG_TAIL, seed=seed, epoch=epoch, balance=0.5).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed, epoch in [(0, 0), (0, 1), (1, 0), (1, 1)]}) == 4


def test_another_process_with_another_hash_seed_gives_the_same_order():
    code = (
        "import numpy as np; from cladescope.training.data.sampling import epoch_order; "
        "print(epoch_order(np.arange(40) % 7, seed=5, epoch=1, balance=0.5).tolist())"
    )
    expected = epoch_order(np.arange(40) % 7, seed=5, epoch=1, balance=0.5).tolist()
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "77"},
    )
    assert run.stdout.strip() == str(expected)


def test_global_random_state_is_neither_used_nor_changed():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    epoch_order(LONG_TAIL, seed=0, epoch=0)
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"balance": 1.5}, "balance is 1.5"),
        ({"balance": float("nan")}, "balance is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"n_samples": -2}, "n_samples -2"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        epoch_order(LONG_TAIL, **({"seed": 0, "epoch": 0} | arguments))


def test_an_order_of_no_examples_is_refused():
    with pytest.raises(InputError, match="no examples"):
        epoch_order(np.empty(0, np.int64), seed=0, epoch=0)
