"""A tower in int8: measured on pictures that did not calibrate it, taken where that allows it, and told either way."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from cladescope.analysis.classify.choosing import Choice
from cladescope.analysis.classify.class_gallery import ClassGallery
from cladescope.analysis.classify.stopping import Stops
from cladescope.analysis.field_kit import packing, quantising
from cladescope.analysis.field_kit.asking import Told, ask
from cladescope.analysis.field_kit.quantising import FEWEST, Measured, halves, measured
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.encoders import onnx_export
from cladescope.errors import InputError


@pytest.fixture(scope="module")
def encoder(checkpoint, tmp_path_factory):
    """A small transformer with random weights, and its graph."""
    folder = Path(shutil.copytree(checkpoint, tmp_path_factory.mktemp("exported") / "folder"))
    onnx_export.export_beside(folder)
    return Encoder.load(str(folder), runtime="onnx")


@pytest.fixture(scope="module")
def pictures():
    """Coarse colours with a grain, all different."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (60, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    return (coarse + rng.normal(0, 20, coarse.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def answers(encoder, pictures):
    """Four classes, around four of the pictures."""
    gallery = ClassGallery(encoder.encode_pixels(pictures[:4]), ("a", "b", "c", "d"), 20.0)
    return Stops(None, None, None, ()).answers(Choice(classes=gallery), rank="species")


def kits(encoder, answers, pictures, least):
    """The kit with pictures and without, both in bytes and words."""
    return (
        packing.pack_kit(encoder, answers, pictures, least_cosine=least),
        packing.pack_kit(encoder, answers),
    )


def test_int8_is_taken_where_the_cosine_allows_it_and_what_it_costs_is_that_of_other_pictures(
    encoder, answers, pictures
):
    small, whole = kits(encoder, answers, pictures, 0.5)
    assert (small.about["precision"], whole.about["precision"]) == ("int8", "fp32")
    assert len(small.data) < 0.6 * len(whole.data)
    calibrating, held = halves(len(pictures), 0)
    assert not set(calibrating) & set(held)
    mine, theirs = ask(small.data, pictures[held]), ask(whole.data, pictures[held])
    cosines = (mine.vector * theirs.vector).sum(axis=1)
    told = small.about["int8"]
    assert (told["calibrated_on"], told["held_out"]) == (len(calibrating), len(held)) == (20, 40)
    assert told["mean_cosine"] == pytest.approx(cosines.mean(), abs=1e-6)
    assert told["lowest_cosine"] == pytest.approx(cosines.min(), abs=1e-6)
    assert told["same_name"] == (mine.answer[:, 0] == theirs.answer[:, 0]).sum()
    assert cosines.min() < 0.99999, "it is another tower"
    assert small.notes[-1].startswith("in int8, calibrated on 20 pictures: mean cosine 0.")


def test_where_the_cosine_is_too_low_the_kit_is_in_fp32_and_says_why(encoder, answers, pictures):
    kept, whole = kits(encoder, answers, pictures, 1.0)
    assert kept.about["precision"] == "fp32"
    assert kept.about["int8"]["held_out"] == 40
    assert abs(len(kept.data) - len(whole.data)) < 1000
    np.testing.assert_array_equal(ask(kept.data, pictures).vector, ask(whole.data, pictures).vector)
    assert "the mean cosine is below 1, and a lower least cosine would take it" in kept.notes[-1]


def test_the_pictures_that_calibrate_are_none_of_those_that_are_asked():
    for n in (2 * FEWEST, 77, 640, 5000):
        calibrating, held = halves(n, 3)
        assert min(len(calibrating), len(held)) >= FEWEST
        assert not set(calibrating.tolist()) & set(held.tolist())
    with pytest.raises(InputError, match="39 pictures that can be read are too few"):
        halves(2 * FEWEST - 1, 0)


def test_figures_are_those_of_the_two_kits(encoder, answers, pictures):
    whole = ask(packing.pack_kit(encoder, answers).data, pictures)
    same = measured(whole, whole, calibrated_on=5, least_cosine=0.99)
    assert same.mean_cosine == pytest.approx(1.0, abs=1e-6)
    assert (same.same_name, same.named, same.same_of_named, same.held_out, same.is_enough) == (60, 60, 60, 60, True)
    other = Measured(
        calibrated_on=5,
        held_out=4,
        mean_cosine=0.98,
        lowest_cosine=0.9,
        least_cosine=0.99,
        same_name=3,
        named=2,
        same_of_named=1,
    )
    assert not other.is_enough
    assert str(other).endswith(
        "mean cosine 0.9800 to fp32 on 4 others (lowest 0.9000); 3 of these get the same name or verdict, among them 1 of the 2 that fp32 names"
    )


def test_verdicts_that_agree_are_not_counted_as_names_that_agree():
    def told(*rows):
        nearest, scores, vectors = np.array(["", "", ""], object), np.ones(3, np.float32), np.eye(3, dtype=np.float32)
        return Told(np.array(rows, object), nearest, scores, vectors)

    whole = told(("Parus major", "species"), ("not known", ""), ("Paridae", "family"))
    small = told(("Parus major", "species"), ("not known", ""), ("not sure", ""))
    found = measured(whole, small, calibrated_on=5, least_cosine=0.99)
    assert (found.same_name, found.named, found.same_of_named) == (2, 2, 1)


def test_a_kit_that_says_something_else_is_never_written(encoder, answers, monkeypatch):
    monkeypatch.setattr(packing, "says_the_same", lambda *_: False)
    with pytest.raises(Exception, match="the kit does not say what is said without it"):
        packing.pack_kit(encoder, answers)


def test_nothing_of_the_quantiser_s_advice_reaches_a_user(encoder, pictures, caplog, capfd):
    tower = onnx.load_model(encoder.picture_graph)
    before = tower.SerializeToString()
    quantising.in_int8(tower, pictures[:8])
    assert tower.SerializeToString() == before
    assert (caplog.text, capfd.readouterr()) == ("", ("", ""))
