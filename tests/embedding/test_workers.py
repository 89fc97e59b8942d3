import threading
import time

import pytest

from cladescope.embedding import encode, workers
from cladescope.embedding.decode import decode
from cladescope.embedding.encode import encoded
from cladescope.embedding.encoders.pixels import Pixels
from cladescope.embedding.given import as_records
from cladescope.embedding.prepare import prepare
from cladescope.embedding.records import Record
from cladescope.embedding.stages import Stages
from cladescope.errors import EncoderError
from tests.embedding.test_encode import png, record

PIXELS = Pixels()


@pytest.fixture
def hanging(monkeypatch):
    """Makes the decoder hang on pictures of some names until it is let go."""
    goes_on, names = threading.Event(), set()

    def sometimes(one, *arguments, entering, **named):
        if one.image_id in names:
            with entering("decode"):
                goes_on.wait(60)
        return prepare(one, *arguments, entering=entering, **named)

    monkeypatch.setattr(encode, "prepare", sometimes)
    yield names
    goes_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("decode"):
            thread.join(10)
            assert not thread.is_alive()


def outcomes(records, **settings):
    batches = list(encoded(records, PIXELS, **{"workers": 1, "readers": 1, "picture_seconds": 0.2, **settings}))
    return (
        [one.image_id for batch in batches for one in batch.records],
        [(one.record.image_id, one.stage, one.reason) for batch in batches for one in batch.failures],
    )


def test_a_picture_on_which_the_decoder_hangs_fails_alone(hanging):
    hanging |= {"r1", "r4"}
    good, failed = outcomes([record(f"r{n}", data=png(n)) for n in range(7)], batch_size=2)
    assert good == ["r0", "r2", "r3", "r5", "r6"]
    reason = "took longer than 0.2 seconds: open and save it with other software"
    assert failed == [("r1", "decode", reason), ("r4", "decode", reason)]


def test_what_hanging_pictures_carry_does_not_keep_others_out(hanging):
    hanging |= {"r0", "r1", "r2"}
    records = (record(f"r{n}", data=png(n)) for n in range(6))
    good, failed = outcomes(records, waiting_bytes=len(png(0)))
    assert (good, [name for name, *_ in failed]) == (["r3", "r4", "r5"], ["r0", "r1", "r2"])


def test_all_boxes_of_a_picture_that_hangs_fail_and_those_of_others_do_not(tmp_path, monkeypatch):
    goes_on = threading.Event()

    def slow(data, **named):
        if data == png(0):
            goes_on.wait(60)
        return decode(data, **named)

    monkeypatch.setattr("cladescope.embedding.prepare.decode", slow)
    for n in range(2):
        (tmp_path / f"{n}.png").write_bytes(png(n))
    records = [
        Record(image_id=f"{n}-{x}", uri=f"{tmp_path}/{n}.png#box={x},0,20,20", source="s")
        for n in range(2)
        for x in (0, 10, 20)
    ]
    good, failed = outcomes(records, readers=3)
    goes_on.set()
    assert good == ["1-0", "1-10", "1-20"]
    assert [name for name, *_ in failed] == ["0-0", "0-10", "0-20"]


def test_a_decoder_that_hangs_on_everything_ends_the_job(hanging, monkeypatch):
    monkeypatch.setattr(workers, "MOST_HUNG", 3)
    hanging |= {f"r{n}" for n in range(9)}
    with pytest.raises(EncoderError, match="4 pictures took longer than 0.05 seconds to decode, the last of them /r"):
        outcomes([record(f"r{n}", data=png(n)) for n in range(9)], picture_seconds=0.05)


def test_no_more_pictures_are_decoded_at_a_time_than_there_are_workers(monkeypatch):
    most, now, lock = 0, 0, threading.Lock()

    def counted(one, *arguments, entering, **named):
        nonlocal most, now
        with entering("decode"):
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.002)
            with lock:
                now -= 1
        return prepare(one, *arguments, **named)

    monkeypatch.setattr(encode, "prepare", counted)
    outcomes([record(f"r{n}", data=png(n)) for n in range(30)], workers=2, readers=5)
    assert most == 2


def test_records_are_listed_in_another_thread_than_the_encoders_and_meanwhile():
    listed_by, listed_meanwhile, encoding = set(), threading.Event(), threading.Event()

    def records():
        for number in range(20):
            listed_by.add(threading.current_thread().name)
            if number > 4:
                encoding.wait(10)
                listed_meanwhile.set()
            yield record(f"r{number}", data=png(number))

    class Watching(Pixels):
        def encode_pixels(self, batch):
            encoding.set()
            assert listed_meanwhile.wait(10)
            return super().encode_pixels(batch)

    assert sum(len(batch.records) for batch in encoded(records(), Watching(), batch_size=4)) == 20
    assert "list" in listed_by
    listed_by.clear()
    here = threading.current_thread().name
    assert len(list(encoded(as_records([png(0)]), PIXELS))) == 1
    assert here not in listed_by


def test_a_single_picture_is_not_worth_a_thread(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail("a thread was started"))
    assert outcomes([record("r", data=png(1))])[0] == ["r"]
    assert outcomes([record("r")])[1][0][:2] == ("r", "read")
    assert outcomes([record("r", problem="no path")])[1] == [("r", "list", "no path")]
    assert outcomes([]) == ([], [])


def test_what_a_source_raises_comes_after_what_came_before_it():
    def records():
        for number in range(5):
            yield record(f"r{number}", data=png(number))
        raise KeyError("gone")

    batches = encoded(records(), PIXELS, batch_size=2)
    found = [one.image_id for batch in (next(batches), next(batches)) for one in batch.records]
    assert found == ["r0", "r1", "r2", "r3"]
    with pytest.raises(KeyError, match="gone"):
        next(batches)


def test_a_fault_of_ours_in_a_thread_is_raised_and_not_waited_for(monkeypatch):
    def broken(one, *_arguments, **_named):
        raise ZeroDivisionError

    monkeypatch.setattr(encode, "prepare", broken)
    with pytest.raises(ZeroDivisionError):
        outcomes([record("a", data=png(0)), record("b", data=png(1))])


def test_a_stop_lets_go_what_is_only_listed():
    stop = threading.Event()
    batches = encoded(as_records([png(seed) for seed in range(20)]), PIXELS, batch_size=2, stop=stop)
    next(batches)
    stop.set()
    assert list(batches) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("decode", "list"))]


def test_stages_count_what_came_through_them():
    stages = Stages()
    records = [record("bad", data=b"text"), record("none"), *(record(f"r{n}", data=png(n)) for n in range(6))]
    list(encoded(records, PIXELS, batch_size=3, stages=stages))
    numbers = {one.stage: one.n for one in stages.profile(1.0)}
    assert numbers == {"list": 8, "read": 0, "decode": 6, "encode": 6, "write": 0}
    assert stages.encode.seconds["at work"] > 0
