"""Jobs that look for the fastest way to use a processor: what they say, keep and store, with an answer that is given."""

import numpy as np
import pytest

import cladescope
from cladescope.embedding import kept_ways
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.encoders import tuned
from cladescope.embedding.encoders.compiled import CompiledEncoder
from cladescope.embedding.encoders.tuned import TunedEncoder
from cladescope.embedding.ways import Choice
from cladescope.errors import UsageError
from cladescope.index.store import Store


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_ways, "cache_folder", lambda: tmp_path / "ways")
    return tmp_path / "ways"


@pytest.fixture
def answered(monkeypatch):
    """The first of the other ways is the fastest, as soon as it has computed a batch."""

    def trials(default, others):
        yield others[0]
        return Choice(way=others[0], gain=1.5)

    monkeypatch.setattr(tuned, "trials", trials)


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_a_job_says_what_it_chose_and_the_vectors_stay_the_same(runtime, answered, clades, checkpoint, tmp_path, cache):
    encoder = "tiny" if runtime == "onnx" else str(checkpoint)
    source, options = (
        clades / "metadata.csv",
        {"encoder": encoder, "device": "cpu", "runtime": runtime, "batch_size": 8},
    )
    plain = cladescope.embed(source, tmp_path / "plain.store", tuning="none", **options)
    found = cladescope.embed(source, tmp_path / "found.store", tuning="again", **options)
    later = cladescope.embed(source, tmp_path / "later.store", **options)
    assert plain.ways == []
    assert [found.ways[0]["chosen"], found.ways[0]["gain"], later.ways[0]["gain"]] == ["in this job", 1.5, 1.5]
    assert "tried on this processor: from picture 25 on in parts of" in found.notes[0]
    assert "found to be faster here on 20" in later.notes[0]
    assert len(list(cache.iterdir())) == 1
    manifest = cladescope.info(tmp_path / "found.store")["runs"][0]["manifest"]
    assert manifest["ways"] == found.ways
    assert manifest["settings"]["tuning"] == "again"
    vectors = [Store.open(tmp_path / f"{name}.store").to_numpy() for name in ("plain", "found", "later")]
    for other in vectors[1:]:
        np.testing.assert_array_equal(vectors[0], other)


def test_a_job_that_is_short_looks_for_nothing_and_says_what_is_its_default(clades, tmp_path, cache):
    done = cladescope.embed(clades / "metadata.csv", tmp_path / "s.store", encoder="tiny", limit=4)
    assert done.ways[0]["chosen"] == "by default"
    assert done.notes == ()
    assert not cache.exists()


def test_processes_that_share_a_machine_do_not_measure_it(clades, tmp_path, misused):
    source, store = clades / "metadata.csv", tmp_path / "s.store"
    with pytest.raises(UsageError, match="cannot measure them"):
        cladescope.embed(source, store, devices=["cpu", "cpu"], tuning="again")
    assert cladescope.embed(source, store, encoder="tiny", limit=2, devices=["cpu"]).ways == []
    assert "--tuning" in misused("embed", str(source), "--store", str(store), "--tuning", "fast")


def test_what_is_compiled_or_has_no_ways_is_left_as_it_is(checkpoint):
    pixels = Encoder.load("pixels")
    assert pixels.for_a_job(tuning="auto") is pixels
    by_torch = Encoder.load(str(checkpoint), device="cpu", runtime="torch")
    assert isinstance(by_torch.for_a_job(tuning="auto"), TunedEncoder)
    made = CompiledEncoder(by_torch)
    assert made.for_a_job(tuning="auto") is made
