"""How fast a job is lately, and how long it still takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.embedding.pace import WINDOW_SECONDS, Pace
from cladescope.embedding.summary import Progress


def test_what_was_passed_over_at_the_start_is_forgotten():
    pace = Pace()
    for second in range(1, 11):
        pace.note(float(second), 100_000 * second, 0)
    for second in range(11, 11 + 2 * int(WINDOW_SECONDS)):
        pace.note(float(second), 1_000_000 + 50 * (second - 10), 50 * (second - 10))
    assert (pace.records, pace.pictures) == (50.0, 50.0)


def test_a_pace_that_nothing_is_known_of_is_none_at_all():
    assert (Pace().records, Pace().pictures) == (0.0, 0.0)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=50))
def test_the_window_is_never_shorter_than_it_says(steps):
    pace, now, done, embedded = Pace(), 0.0, 0, 0
    notes = [(0.0, 0, 0)]
    for seconds, more, made in steps:
        now, done, embedded = now + seconds, done + more, embedded + made
        notes.append((now, done, embedded))
        pace.note(now, done, embedded)
        # The last note that lies at least a window back, or the first of all.
        first = max((one for one in notes[:-1] if one[0] <= now - WINDOW_SECONDS), default=notes[0])
        assert pace.records == pytest.approx((done - first[1]) / (now - first[0]))
        assert pace.pictures == pytest.approx((embedded - first[2]) / (now - first[0]))


def test_the_time_to_go_follows_the_pace_of_late():
    state = Progress(done=1_000_100, total=1_001_100, embedded=100, failed=0, seconds=110.0, pace=10.0, lately=9.5)
    assert (state.eta, state.rate) == (100.0, 9.5)


@pytest.mark.parametrize(("pace", "eta"), [(None, 10.0), (0.0, None)])
def test_where_nothing_moves_nobody_knows_when_it_ends(pace, eta):
    assert Progress(done=10, total=20, embedded=10, failed=0, seconds=10.0, pace=pace).eta == eta


def test_a_source_that_grew_has_no_time_below_none():
    assert Progress(done=12, total=10, embedded=12, failed=0, seconds=1.0).eta == 0.0
