"""Damaged files of every kind end as a picture or a reason; `benchmarks/fuzz_decode.py` tries them by the ten thousand."""

import importlib
import os
import time

import pytest

from cladescope.embedding import decode as decode_module
from cladescope.embedding.bounds import DECODE_BYTES
from cladescope.errors import PictureError
from tests.conftest import REPOSITORY


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("fuzz_decode")


def test_sound_files_of_every_kind_are_decoded(fuzz):
    assert {seed.kind for seed in fuzz.seeds()} == set(decode_module._OPENERS)
    assert {fuzz.judged(seed.data) for seed in fuzz.seeds()} == {("decoded", "")}


def test_a_number_gives_the_same_damaged_file_again_and_another_gives_another(fuzz):
    sound = fuzz.seeds()
    assert fuzz.damaged(7, sound) == fuzz.damaged(7, sound)
    assert fuzz.damaged(7, sound).data != fuzz.damaged(16, sound).data


def test_no_damaged_file_ends_the_decoder_or_keeps_it(fuzz):
    table = fuzz.fuzz(range(360))
    assert set(table) == set(decode_module._OPENERS)
    bad = {kind: row.outcomes for kind, row in table.items() if set(row.outcomes) - set(fuzz.GOOD)}
    assert not bad
    assert sum(row.outcomes["decoded"] for row in table.values()) > 50
    assert sum(row.outcomes["refused"] for row in table.values()) > 50
    assert max(row.peak for row in table.values()) < DECODE_BYTES


def harm(data):
    """Does what the file says, instead of decoding it."""
    if data == b"die":
        os._exit(3)
    if data == b"hang":
        time.sleep(60)
    try:
        return "decoded", str(len(bytearray(2**33 if data == b"grow" else 2**26)))
    except MemoryError:
        return "MEMORY", ""


def test_a_decoder_that_dies_hangs_or_grows_is_seen_and_the_next_file_is_decoded(fuzz):
    decoder = fuzz.Decoder(5.0, harm)
    assert decoder.judge(b"die")[:2] == ("DIED", "exit code 3")
    assert decoder.judge(b"grow")[0] == "MEMORY"
    decoder.seconds = 0.2
    assert decoder.judge(b"hang")[:2] == ("HUNG", "over 0.2 s")
    decoder.seconds = 5.0
    outcome, _, _, peak = decoder.judge(b"")
    assert outcome == "decoded"
    assert 0.9 * 2**26 < peak < 1.1 * 2**26
    decoder.close()


@pytest.mark.parametrize(
    "error, outcome",
    [
        (KeyError("raw"), "RAW"),
        (PictureError("two\nlines"), "RAW"),
        (PictureError("not enough memory to decode this PNG"), "MEMORY"),
        (PictureError("refused as a whole only"), "DIFFERS"),
    ],
)
def test_what_else_goes_wrong_is_seen(fuzz, monkeypatch, error, outcome):
    def fail(data):
        raise error

    monkeypatch.setattr(fuzz, "decode", fail)
    assert fuzz.judged(fuzz.seeds()[0].data)[0] == outcome
