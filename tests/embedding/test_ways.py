"""Which way is chosen from how long batches took; all times are made up."""

import math
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.ways import DUELS, GAIN, HOPELESS, ROUNDS, Choice, Way, trials, ways_of

DEFAULT = Way(part=2, side_by_side=2, threads=1)
HALF, DOUBLE, SHARED = (
    Way(part=1, side_by_side=2, threads=1),
    Way(part=4, side_by_side=2, threads=1),
    Way(part=8, side_by_side=1, threads=2),
)
OTHERS = (HALF, DOUBLE, SHARED)


def chosen(seconds, others=OTHERS):
    """The choice, and the ways asked for, where `seconds(way, turn)` says how long a batch takes."""
    asked, turns = [], count()
    running = trials(DEFAULT, others)
    try:
        way = next(running)
        while True:
            asked.append(way)
            way = running.send(seconds(way, next(turns)))
    except StopIteration as end:
        return end.value, asked


def test_the_way_that_is_clearly_faster_is_taken():
    choice, _ = chosen(lambda way, turn: {DOUBLE: 0.8, HALF: 0.9}.get(way, 1.0))
    assert choice == Choice(way=DOUBLE, gain=1.25)


@pytest.mark.parametrize("gain, way", [(GAIN * 1.001, DOUBLE), (GAIN * 0.999, DEFAULT)])
def test_it_must_gain_as_much_as_it_says(gain, way):
    choice, _ = chosen(lambda asked, turn: 1 / gain if asked == DOUBLE else 1.0)
    assert choice.way == way
    assert choice.gain == pytest.approx(gain)


@given(st.lists(st.floats(0.98, 1.02), min_size=60, max_size=60))
def test_noise_of_two_percent_never_leads_away_from_the_default(noise):
    choice, _ = chosen(lambda way, turn: noise[turn % 60])
    assert choice.way == DEFAULT


def test_what_looked_fast_by_luck_must_be_fast_again_alone_beside_the_default():
    n_round_batches = ROUNDS * (1 + len(OTHERS))
    choice, asked = chosen(lambda way, turn: 0.5 if way == DOUBLE and turn < n_round_batches else 1.0)
    assert choice == Choice(way=DEFAULT, gain=1.0)
    assert len(asked) == n_round_batches + 2 * DUELS
    assert set(asked[n_round_batches:]) == {DEFAULT, DOUBLE}


@given(st.lists(st.sampled_from([0.7, 1.3]), min_size=2 * DUELS, max_size=2 * DUELS))
def test_it_must_win_all_duels_but_one(duels):
    n_round_batches = ROUNDS * 2

    def seconds(way, turn):
        if turn < n_round_batches:
            return 0.8 if way == DOUBLE else 1.0
        return duels[turn - n_round_batches] if way == DOUBLE else 1.0

    choice, asked = chosen(seconds, [DOUBLE])
    won = sum(seconds(way, turn) < 1 for turn, way in enumerate(asked) if turn >= n_round_batches and way == DOUBLE)
    assert (choice.way == DOUBLE) == (won >= DUELS - 1)


def test_a_burden_of_the_machine_that_grows_falls_on_all():
    choice, _ = chosen(lambda way, turn: 1.0 + 0.02 * turn)
    assert choice.way == DEFAULT


def test_a_hopeless_way_is_tried_once_and_one_that_cannot_be_used_is_none():
    slow = 1.01 / HOPELESS
    choice, asked = chosen(lambda way, turn: {SHARED: slow, HALF: math.inf}.get(way, 1.0))
    assert choice == Choice(way=DEFAULT, gain=1.0)
    assert [asked.count(way) for way in (SHARED, HALF, DOUBLE)] == [1, 1, ROUNDS]
    assert chosen(lambda way, turn: 1.0 if way == DEFAULT else math.inf)[0] == Choice(way=DEFAULT, gain=None)
    assert chosen(lambda way, turn: 1.0, [])[0] == Choice(way=DEFAULT, gain=None)


@given(st.integers(1, 64), st.integers(2, 8), st.integers(1, 64))
def test_the_ways_are_few_and_use_no_more_cores_than_there_are(part, share, cores):
    found = ways_of(part=part, share=share, cores=cores)
    assert 1 <= len(found) == len(set(found)) <= 6
    assert all(way.side_by_side * way.threads <= cores for way in found)
    assert all(1 <= way.part <= max(part, 2) for way in found)


@pytest.mark.parametrize(
    "wrong", [{}, {"part": 1}, *({"part": 1, "side_by_side": 1, "threads": n} for n in (0, True, "1", 1.0, None))]
)
def test_what_is_no_way_is_refused(wrong):
    assert Way.from_dict(DEFAULT.to_dict()) == DEFAULT
    with pytest.raises((KeyError, ValueError)):
        Way.from_dict(wrong)


def test_where_batches_take_up_to_twice_as_long_by_chance_the_default_is_left_once_in_fifty_times_at_most():
    n_left = 0
    for seed in range(200):
        noise = np.random.default_rng(seed).uniform(1, 2, 100)
        n_left += chosen(lambda way, turn, noise=noise: float(noise[turn]))[0].way != DEFAULT
    assert n_left <= 4
