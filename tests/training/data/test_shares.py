"""Shares that are held out by whole units, as nearly as these allow."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.training.data.splits import first_units


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.floats(0.02, 0.6), st.randoms(use_true_random=False))
def test_shares_are_met_as_nearly_as_whole_units_in_their_order_allow(sizes, share, random):
    order = list(range(len(sizes)))
    random.shuffle(order)
    turn = np.repeat(order, sizes)
    wanted = share * len(turn)
    by_turn = dict(zip(order, sizes, strict=True))
    del by_turn[max(by_turn)]  # the last one is trained on
    taken = set()
    fitting = [unit for unit in sorted(by_turn) if by_turn[unit] <= wanted]
    for unit in fitting:
        left = wanted - sum(by_turn[one] for one in taken)
        is_first_of_one = by_turn[unit] == 1 and not taken
        if left > 0 and (is_first_of_one or abs(left - by_turn[unit]) <= left):
            taken.add(unit)
    found = first_units(np.zeros(len(turn), int), turn, wanted, passes_over=True)
    if fitting:
        assert set(turn[found].tolist()) == taken


def test_a_unit_that_would_nearly_double_the_share_is_passed_over():
    turn = np.concatenate([np.arange(99), np.full(100, 99), np.arange(100, 901)])
    found = first_units(np.zeros(len(turn), int), turn, 100.0, passes_over=True)
    assert found.sum() == 100
    assert not found[turn == 99].any()


def test_a_share_of_single_pictures_is_the_nearest_number_of_them():
    for wanted, n in ((6.2, 6), (6.4, 6), (6.6, 7), (0.2, 1)):
        assert first_units(np.zeros(31, int), np.arange(31), wanted, passes_over=True).sum() == n
