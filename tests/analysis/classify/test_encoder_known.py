"""What `tiny` knows: noise and documents get no name, whatever the softmax says of them."""

import numpy as np
import pytest
from PIL import Image

import cladescope
from cladescope.analysis.classify.back_off import BackOff
from cladescope.analysis.classify.encoder_known import EncoderKnown, read_known, write_known
from cladescope.analysis.classify.known import Known
from cladescope.embedding.encoder import Encoder


@pytest.fixture(scope="module")
def grey(tmp_path_factory):
    """An empty frame of a camera trap at night: grey, darker towards the corners, with noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:224, :224] - 112
    frame = 80 * np.exp(-(x**2 + y**2) / (2 * 120**2)) + rng.normal(0, 8, (224, 224))
    path = tmp_path_factory.mktemp("night") / "night.png"
    Image.fromarray(np.clip(frame, 0, 255).astype(np.uint8)).save(path)
    return path


def test_an_empty_frame_at_night_is_empty_and_closed_set_names_it(grey):
    found = cladescope.predict(grey, encoder="tiny")
    ((_, (row,)),) = list(found)
    assert (row["verdict"], row["species"]) == ("empty", "")
    assert row["nearest"]
    assert "1 of 1 picture is empty" in found.why[0]
    ((_, rows),) = list(cladescope.predict(grey, encoder="tiny", closed_set=True))
    assert len(rows) == 5
    assert all(one["species"] for one in rows)  # the nearest guess may be a genus that is listed without species


def test_what_other_weights_made_is_not_used(tmp_path):
    encoder = Encoder.load("tiny")
    known = Known(np.zeros((2, 512), np.float32), np.eye(512, dtype=np.float32), np.zeros(5, np.float32))
    taxa = tmp_path / "taxa.csv"
    write_known(EncoderKnown(known), tmp_path, encoder.card)
    assert read_known(taxa, encoder.card, 2).back_off is None
    write_known(EncoderKnown(known, BackOff(np.zeros(3), np.full(4, 0.5))), tmp_path, encoder.card)
    found = read_known(taxa, encoder.card, 2)
    assert (len(found.known.held), len(found.back_off.seen), len(found.back_off.unseen)) == (5, 3, 4)
    assert read_known(taxa, encoder.card, 3) is None
    (tmp_path / "known.safetensors").write_bytes(b"no file")
    assert read_known(taxa, encoder.card, 2) is None


def test_the_own_list_of_tiny_is_named_only_as_narrowly_as_pictures_of_unlisted_birds_allow(tmp_path):
    """A drawing of no species: some rank at most, its score that of the name, and each setting that names more says more."""
    path = tmp_path / "blot.png"
    y, x = np.mgrid[:224, :224] - 112
    blot = np.stack([200 * (x**2 + 2 * y**2 < 4000), 90 + 0 * x, 40 + x // 4 + 30], axis=2)
    Image.fromarray(np.clip(blot, 0, 255).astype(np.uint8)).save(path)
    ((_, (row,)),) = list(cladescope.predict(path, encoder="tiny", k=1, doubt=1e-4))
    assert row["species"] == ""
    assert row["nearest"]
    ((_, (bold,)),) = list(cladescope.predict(path, encoder="tiny", k=1, closed_set=True))
    assert bold["species"]
    encoder = Encoder.load("tiny")
    back_off = read_known(encoder.taxa_file, encoder.card, 652).back_off
    assert back_off.usual_risk == 0.02
    assert 0.9 < back_off.threshold(0.02) < 1
