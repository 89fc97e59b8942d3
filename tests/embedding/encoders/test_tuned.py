"""An encoder that looks for the fastest way in a long job: its clock goes by what each way is said to take."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from cladescope.embedding import kept_ways
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.encoders import tuned
from cladescope.embedding.encoders.tuned import BUDGET, MEASURED_FROM, TunedEncoder
from cladescope.embedding.several import SeveralEncoders
from cladescope.embedding.ways import HasWays, Way

BATCH = 8
DEFAULT = Way(part=2, side_by_side=2, threads=1)
DOUBLE, HALF = Way(part=4, side_by_side=2, threads=1), Way(part=1, side_by_side=2, threads=1)


class Simulated(Encoder):
    """Computes a mean colour; a batch takes what `seconds` says of its way, on a clock of its own."""

    def __init__(self, seconds, *, changed=(), failing=(), loading=0.1, version="1.0"):
        card = Encoder.load("pixels").card
        self.card = replace(
            card, dim=3, name="simulated", weight_hash="0af3", transform=replace(card.transform, size=4)
        )
        self.default_way, self.other_ways, self.engine = DEFAULT, (DOUBLE, HALF), {"simulated": version}
        self.seconds, self.changed, self.failing, self.loading = seconds, changed, failing, loading
        self.now, self.computed = 0.0, []

    def clock(self):
        return self.now

    def encode_pixels(self, batch):
        return self._computed(DEFAULT, batch)

    def in_way(self, way):
        self.now += self.loading
        return lambda batch: self._computed(way, batch)

    def _computed(self, way, batch):
        if way in self.failing:
            raise RuntimeError("no such instruction")
        self.computed.append((way, len(batch)))
        self.now += self.seconds.get(way, 1.0) * len(batch) / BATCH
        vectors = batch.mean((1, 2), dtype=np.float32) + 1
        if way in self.changed:
            vectors[:, 0] = np.nextafter(vectors[:, 0], np.float32(np.inf))
        return vectors


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_ways, "cache_folder", lambda: tmp_path / "ways")
    return tmp_path / "ways"


def pictures(n=BATCH, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (n, 4, 4, 3), np.uint8)


def job(plain, n_batches=120, **options):
    """An encoder that has encoded so many batches; their vectors must be those of the default way."""
    encoder = TunedEncoder(plain, clock=plain.clock, **options)
    for seed in range(n_batches):
        batch = pictures(seed=seed)
        np.testing.assert_array_equal(encoder.encode_pixels(batch), batch.mean((1, 2), dtype=np.float32) + 1)
    return encoder


def last(plain):
    return plain.computed[-1][0]


def test_a_way_that_is_clearly_faster_is_found_told_and_kept_for_the_next_job(cache):
    plain = Simulated({DOUBLE: 0.8})
    encoder = job(plain)
    assert last(plain) == DOUBLE
    (note,) = encoder.notes
    assert note.startswith("2 other ways to compute simulated were tried on this processor: from picture ")
    assert note.endswith(
        " on in parts of 4 pictures, 2 at the same time, 25 % faster than parts of 2 pictures, 2 at the same time; later jobs do as well"
    )
    assert encoder.ways == [
        {"encoder": "simulated", "part": 4, "side_by_side": 2, "threads": 1, "chosen": "in this job", "gain": 1.25}
    ]
    later = Simulated({})
    second = job(later, 1)
    assert later.computed == [(DOUBLE, BATCH)]
    assert second.ways[0]["chosen"].startswith("on 20")
    assert "found to be faster here on 20" in second.notes[0]
    assert len(list(cache.iterdir())) == 1


def test_it_says_from_which_picture_on_it_computed_otherwise():
    plain = Simulated({DOUBLE: 0.8})
    encoder = TunedEncoder(plain, clock=plain.clock)
    n_before = 0
    while encoder.ways[0]["part"] == DEFAULT.part:
        encoder.encode_pixels(pictures())
        n_before += BATCH
    assert f"from picture {n_before + 1:,} on in parts of 4" in encoder.notes[0]


def test_where_none_gains_enough_the_default_stays_and_the_next_job_tries_nothing():
    plain = Simulated({DOUBLE: 0.97, HALF: 1.02})
    encoder = job(plain)
    assert last(plain) == DEFAULT
    assert "none was clearly faster (5 %), so it stays with parts of 2 pictures" in encoder.notes[0]
    later = Simulated({DOUBLE: 0.5})
    second = job(later)
    assert {way for way, _ in later.computed} == {DEFAULT}
    assert second.notes == ()
    assert second.ways[0]["chosen"].startswith("on 20")


def test_a_short_job_a_single_picture_and_one_that_is_told_not_to_try_nothing(cache):
    plain = Simulated({DOUBLE: 0.1})
    encoder = job(plain, int(MEASURED_FROM) - 1)
    assert {way for way, _ in plain.computed} == {DEFAULT}
    assert encoder.notes == ()
    assert encoder.ways[0]["chosen"] == "by default"
    assert plain.for_a_job() is plain
    assert plain.for_a_job(tuning="none") is plain
    assert isinstance(plain.for_a_job(tuning="auto"), TunedEncoder)
    assert not cache.exists()


def test_a_job_that_ends_in_the_midst_of_the_search_says_so_and_keeps_nothing(cache):
    encoder = job(Simulated({DOUBLE: 0.5}), int(MEASURED_FROM) + 5)
    assert "did not come to its end" in encoder.notes[0]
    assert encoder.ways[0] | {"chosen": None} == {
        "encoder": "simulated",
        **DEFAULT.to_dict(),
        "chosen": None,
        "gain": None,
    }
    assert not cache.exists()


def test_again_the_search_begins_with_the_second_batch_and_its_answer_takes_the_place_of_the_earlier(cache):
    job(Simulated({DOUBLE: 0.8}))
    plain = Simulated({HALF: 0.8})
    encoder = job(plain, 40, again=True)
    assert plain.computed[3] == (DOUBLE, DOUBLE.part * DOUBLE.side_by_side)
    assert encoder.ways[0]["part"] == HALF.part
    assert job(Simulated({}), 1).ways[0]["part"] == HALF.part
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("how", ["changed", "failing"])
def test_a_way_of_other_bits_or_that_fails_is_left_out_however_fast_and_no_vector_is_its(how):
    plain = Simulated({DOUBLE: 0.1}, **{how: (DOUBLE,)})
    encoder = job(plain)
    assert last(plain) == DEFAULT
    assert encoder.notes[0].startswith(
        "1 other ways to compute simulated were tried on this processor (1 more do not give the same bits, or failed): none"
    )


def test_a_way_that_fails_after_its_first_batch_is_left_out_and_the_batch_has_its_vectors():
    plain = Simulated({DOUBLE: 0.5})
    encoder = TunedEncoder(plain, again=True, clock=plain.clock)
    for seed in range(60):
        if plain.computed.count((DOUBLE, BATCH)) == 2:
            plain.failing = (DOUBLE,)
        batch = pictures(seed=seed)
        np.testing.assert_array_equal(encoder.encode_pixels(batch), batch.mean((1, 2), dtype=np.float32) + 1)
    assert last(plain) == DEFAULT
    assert "1 more do not give the same bits, or failed" in encoder.notes[0]


def test_what_the_given_way_cannot_do_is_an_error_in_a_search_too():
    plain = Simulated({})
    encoder = job(plain, 1, again=True)
    plain.failing = (DEFAULT,)
    with pytest.raises(RuntimeError, match="no such instruction"):
        encoder.encode_pixels(pictures())


def test_the_search_loses_no_more_than_its_budget_and_a_batch():
    plain = Simulated({HALF: 1.1, DOUBLE: 1.1}, loading=BUDGET / 2 + 1)
    encoder = job(plain)
    assert last(plain) == DEFAULT
    assert f"took more than {BUDGET:.0f} s" in encoder.notes[0]
    assert plain.now <= 120 + BUDGET + 5


def test_a_way_that_takes_for_ever_ends_the_search_with_its_first_part():
    plain = Simulated({HALF: 1000.0, DOUBLE: 0.5})
    encoder = job(plain)
    assert f"took more than {BUDGET:.0f} s" in encoder.notes[0]
    assert [n for way, n in plain.computed if way == HALF] == [HALF.part * HALF.side_by_side]


def test_short_batches_tell_nothing():
    plain = Simulated({DOUBLE: 0.8})
    encoder = job(plain, 1, again=True)
    before = plain.computed.copy()
    for seed in range(50):
        encoder.encode_pixels(pictures(5, seed))
    assert set(plain.computed[len(before) :]) == {(DEFAULT, 5)}
    assert encoder.ways[0]["chosen"] == "by default: the search did not come to its end"


def test_another_machine_runtime_or_encoder_asks_anew(monkeypatch, cache):
    job(Simulated({DOUBLE: 0.8}))
    assert job(Simulated({}), 1).ways[0]["part"] == DOUBLE.part
    assert job(Simulated({}, version="1.1"), 1).ways[0]["chosen"] == "by default"
    other = Simulated({})
    other.card = replace(other.card, weight_hash="77c1")
    assert job(other, 1).ways[0]["chosen"] == "by default"
    for name, value in {"processor_name": "Xeon", "n_cores": 64, "memory_caches": ["L2 Unified 2048K"]}.items():
        with monkeypatch.context() as patched:
            patched.setattr(kept_ways, name, lambda value=value: value)
            assert job(Simulated({}), 1).ways[0]["chosen"] == "by default"


@pytest.mark.parametrize(
    "damage, told",
    [
        (lambda text: text[:40], "it is no JSON"),
        (lambda text: "[]", "it is not as it was written"),
        (lambda text: text.replace('"part": 4', '"part": 400'), "it is not as it was written"),
        (lambda text: "\0\xff" * 9, "it is no JSON"),
        (lambda text: "[" * 100_000, "it is no JSON"),
    ],
)
def test_a_damaged_file_is_told_of_and_measured_anew(cache, damage, told):
    job(Simulated({DOUBLE: 0.8}))
    (path,) = cache.iterdir()
    path.write_text(damage(path.read_text()), encoding="latin-1")
    encoder = job(Simulated({HALF: 0.8}))
    assert (
        encoder.notes[0]
        == f"{path} cannot be used ({told}): the fastest way to compute simulated is looked for anew in a long job"
    )
    assert encoder.ways[0]["part"] == HALF.part
    assert job(Simulated({}), 1).notes[0].startswith("simulated was computed in parts of 1 picture,")


def test_a_file_of_another_machine_under_this_ones_name_is_not_believed(cache, monkeypatch):
    job(Simulated({DOUBLE: 0.8}))
    (path,) = cache.iterdir()
    with monkeypatch.context() as patched:
        patched.setattr(kept_ways, "processor_name", lambda: "Xeon")
        job(Simulated({HALF: 0.8}))
    (other,) = set(cache.iterdir()) - {path}
    path.write_bytes(other.read_bytes())
    assert "it is another machine's or encoder's" in job(Simulated({}), 1).notes[0]


def test_a_folder_that_cannot_be_written_is_told_of_and_the_way_used(cache):
    cache.write_text("a file")
    plain = Simulated({DOUBLE: 0.8})
    encoder = job(plain)
    assert last(plain) == DOUBLE
    assert "cannot be written (" in encoder.notes[-1]
    assert encoder.notes[-1].endswith("so that later jobs try again")


def test_jobs_that_begin_at_once_all_end_and_leave_one_whole_file(cache):
    found, meeting = [], threading.Barrier(4)

    def one(seconds):
        plain = Simulated(seconds)
        meeting.wait()
        found.append(job(plain, 40, again=True).ways[0]["part"])

    threads = [threading.Thread(target=one, args=({way: 0.8},)) for way in (DOUBLE, HALF) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [1, 1, 4, 4]
    (path,) = cache.glob("*.json")
    assert json.loads(path.read_text())["way"]["part"] in (1, 4)
    assert job(Simulated({}), 1).ways[0]["part"] in (1, 4)


def test_all_else_is_the_encoder_s_own():
    plain = Simulated({})
    plain.note("slow today")
    encoder = job(plain, 1)
    assert encoder.card is plain.card
    assert encoder.notes == ("slow today",)
    both = SeveralEncoders([encoder, Encoder.load("pixels")])
    assert [way["encoder"] for way in both.ways] == ["simulated"]
    assert not isinstance(Encoder.load("pixels"), HasWays)


def test_an_encoder_that_has_one_way_looks_for_no_other():
    plain = Simulated({})
    plain.other_ways = ()
    assert job(plain).notes == ()
    assert tuned.MEASURED_FROM < 120
