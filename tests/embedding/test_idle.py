import pytest

from cladescope.embedding.idle import Idle
from cladescope.embedding.stages import Stages


@pytest.fixture
def stages():
    made = Stages()
    made.read.places, made.decode.places = 3, 2
    return made


def waits(stages):
    """Seconds starved and blocked, of reading and of decoding."""
    return [meter.seconds[spent] for meter in (stages.read, stages.decode) for spent in ("starved", "blocked")]


def test_nothing_waits_before_the_first_picture(stages):
    idle = Idle(stages)
    idle.change(held=1, now=100.0)
    assert waits(stages) == [0.0, 0.0, 0.0, 0.0]


def test_threads_without_a_picture_wait_for_the_source(stages):
    idle = Idle(stages)
    idle.change(held=1, now=0.0)
    idle.change(held=-1, now=5.0)
    idle.change(held=1, now=7.0)
    assert waits(stages) == [2 * 5.0 + 3 * 2.0, 0.0, 2 * 7.0, 0.0]


def test_while_the_source_may_list_no_more_they_wait_for_the_encoder(stages):
    idle = Idle(stages)
    idle.change(held=1, now=0.0)
    idle.change(decoded=1, now=0.0)
    stages.list.add("blocked", 4.0)
    idle.change(decoded=-1, held=-1, now=5.0)
    assert waits(stages) == [2 * 1.0, 2 * 4.0, 1.0, 4.0]


def test_a_place_for_decoding_waits_for_a_picture_that_is_read_whatever_else_is_full(stages):
    idle = Idle(stages)
    idle.change(held=3, now=0.0)
    stages.list.add("blocked", 5.0)
    idle.change(decoded=1, now=5.0)
    assert waits(stages) == [0.0, 0.0, 10.0, 0.0]


def test_threads_that_have_read_are_blocked_by_those_that_decode(stages):
    idle = Idle(stages)
    idle.change(held=3, now=0.0)
    idle.change(decoded=2, waiting=1, now=0.0)
    idle.change(decoded=-1, held=-1, now=6.0)
    assert waits(stages) == [0.0, 6.0, 0.0, 0.0]


def test_a_wait_that_has_not_ended_counts_so_far(stages):
    idle = Idle(stages)
    with stages.list.blocked():
        began = stages.list._begun["blocked"][0]
        idle.change(held=1, decoded=1, now=began)
        idle.change(held=-1, decoded=-1, now=began + 3.0)
    assert waits(stages) == [0.0, 6.0, 0.0, 3.0]
