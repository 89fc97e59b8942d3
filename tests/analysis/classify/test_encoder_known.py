"""What `tiny` knows: noise and documents get no name, whatever the softmax says of them."""

import numpy as np
import pytest
from PIL import Image

import cladescope
from cladescope.analysis.classify.encoder_known import read_known, write_known
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
    assert "1 of 1 pictures are empty" in found.why[0]
    ((_, rows),) = list(cladescope.predict(grey, encoder="tiny", closed_set=True))
    assert len(rows) == 5
    assert rows[0]["species"] == row["nearest"]


def test_what_other_weights_made_is_not_used(tmp_path):
    encoder = Encoder.load("tiny")
    known = Known(np.zeros((2, 512), np.float32), np.eye(512, dtype=np.float32), np.zeros(5, np.float32))
    write_known(known, tmp_path, encoder.card)
    taxa = tmp_path / "taxa.csv"
    assert len(read_known(taxa, encoder.card, 2).held) == 5
    assert read_known(taxa, encoder.card, 3) is None
    (tmp_path / "known.safetensors").write_bytes(b"no file")
    assert read_known(taxa, encoder.card, 2) is None
