import threading
import time

import pytest

from cladescope.embedding.ahead import Room, ahead
from cladescope.embedding.stages import Meter


def threads_named(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


@pytest.mark.parametrize("most_bytes, most_waiting", [(40, 4), (1, 1), (10**9, 30)])
def test_items_come_in_order_and_no_more_wait_than_there_is_room_for(most_bytes, most_waiting):
    n_made, waiting = 0, []

    def made():
        nonlocal n_made
        for number in range(30):
            n_made += 1
            yield number

    taken = []
    for number in ahead(made(), size=lambda _: 10, most_bytes=most_bytes, name="test-order"):
        time.sleep(0.002)
        waiting.append(n_made - len(taken))
        taken.append(number)
    assert taken == list(range(30))
    # Beside those that wait, one is in the consumer's hands and one in the maker's.
    assert max(waiting) <= most_waiting + 2
    assert not threads_named("test-order")


def test_an_error_comes_after_what_was_made_before_it():
    def made():
        yield from (1, 2, 3)
        raise KeyError("four")

    items = ahead(made(), size=lambda _: 1, most_bytes=99, name="test-error")
    assert [next(items) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(KeyError, match="four"):
        next(items)


def test_a_caller_that_leaves_early_ends_the_thread_and_closes_what_is_made():
    closed = []

    def made():
        try:
            while True:
                yield 0
        finally:
            closed.append(threading.current_thread().name)

    items = ahead(made(), size=lambda _: 1, most_bytes=3, name="test-early")
    next(items)
    items.close()
    assert closed == ["test-early"]
    assert not threads_named("test-early")


def test_a_stop_is_heard_while_what_is_made_hangs(monkeypatch):
    monkeypatch.setattr("cladescope.embedding.ahead.LEAVE_SECONDS", 0.05)
    goes_on, stop = threading.Event(), threading.Event()

    def made():
        yield 1
        stop.set()
        goes_on.wait(60)
        yield 2

    items = ahead(made(), size=lambda _: 1, most_bytes=9, name="test-hangs", stop=stop)
    assert list(items) in ([], [1])
    assert threads_named("test-hangs")
    goes_on.set()
    threads_named("test-hangs")[0].join(10)
    assert not threads_named("test-hangs")


def test_waiting_for_room_is_counted():
    meter = Meter()
    for _ in ahead(range(4), size=lambda _: 1, most_bytes=1, name="test-meter", meter=meter):
        time.sleep(0.02)
    assert meter.seconds["blocked"] > 0.01
    assert meter.seconds["at work"] == 0


def test_one_thing_may_always_enter_a_room_and_a_closed_one_lets_go():
    room = Room(10)
    assert room.enter(100)
    entered = []
    waiting = threading.Thread(target=lambda: entered.append(room.enter(1)))
    waiting.start()
    waiting.join(0.05)
    assert not entered
    room.leave(100)
    waiting.join(10)
    assert (entered, room.n_bytes) == ([True], 1)
    room.close()
    assert not room.enter(1000)


def test_the_caller_may_do_something_while_it_waits():
    goes_on, n_meanwhile = threading.Event(), 0

    def made():
        yield 1
        goes_on.wait(60)
        yield 2

    def meanwhile():
        nonlocal n_meanwhile
        n_meanwhile += 1
        if n_meanwhile == 2:
            goes_on.set()

    assert list(ahead(made(), size=lambda _: 1, most_bytes=9, name="test-meanwhile", meanwhile=meanwhile)) == [1, 2]
    assert n_meanwhile >= 2
