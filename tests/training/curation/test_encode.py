"""Vectors of pictures that are in: the encoder's own, in the pictures' order; what cannot be read any more is dropped."""

import numpy as np
import pytest
from PIL import Image

from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.encode import encode, vectors_of
from cladescope.training.curation.job import Job
from cladescope.training.curation.sections import KindsConfig, SourceConfig
from tests.training.curation.tables import put_stage


def drawn(folder, n):
    """Pictures of noise in a folder; their places."""
    rng = np.random.default_rng(3)
    folder.mkdir()
    places = []
    for number in range(n):
        places.append(str(folder / f"{number}.png"))
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), np.uint8)).save(places[-1])
    return places


def looked(folder, rows, *, load=Encoder.load):
    """A job that has looked at pictures."""
    config = CurateConfig(
        sources=(SourceConfig(name="a", path=str(folder.parent)),), kinds=KindsConfig(encoder="pixels")
    )
    job = Job(config, folder, load_encoder=load, part_rows=3)
    for stage in ("gather", "names", "screen", "look"):
        put_stage(job, stage, [{"source": "a", "id": str(n), **row} for n, row in enumerate(rows)])
    return job


def test_vectors_are_those_of_the_encoder(tmp_path):
    places = drawn(tmp_path / "pictures", 5)
    box = f"{places[0]}#box=0,0,30,40"
    rows = [{"picture_at": place} for place in [*places, box, str(tmp_path / "gone.png"), places[1]]]
    rows[2]["dropped"] = "look: blank"
    job = looked(tmp_path / "out", rows)
    encode(job)
    found = [row for table in job.scan("encode") for row in table.to_pylist()]
    assert [row["row"] for row in found] == list(range(8))
    assert [row["dropped"] for row in found] == [
        None, None, "look: blank", None, None, None, "encode: could not be read again", None
    ]  # fmt: skip
    assert [row["vector"] is None for row in found] == [n in (2, 6) for n in range(8)]
    expected = Encoder.load("pixels").encode_images([*places, box, places[1]])[[0, 1, 3, 4, 5, 6]]
    read = np.concatenate([vectors_of(table["vector"]) for table in job.scan("encode")])
    np.testing.assert_array_equal(read, expected.astype(np.float16))
    assert job.manifest("encode")["counts"]["dropped"] == [["a", "could not be read again", 1]]
    again = looked(tmp_path / "again", rows)
    encode(again)
    assert again.manifest("encode") == job.manifest("encode")


def test_another_encoder_in_a_resumed_run_is_refused(tmp_path):
    rows = [{"picture_at": place} for place in drawn(tmp_path / "pictures", 2)]
    encode(looked(tmp_path / "out", rows))
    job = looked(tmp_path / "out", rows, load=lambda name: Encoder.load("tiny"))
    with pytest.raises(InputError, match="begun with other settings of the stage encode"):
        encode(job)
    with pytest.raises(InputError, match="kinds.encoder is pixels, and nothing was given"):
        encode(looked(tmp_path / "none", rows, load=None))


def test_a_source_that_disappears_stops_the_stage(tmp_path):
    places = drawn(tmp_path / "pictures", 4)
    job = looked(tmp_path / "out", [{"picture_at": place} for place in places])
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"source a disappears: {tmp_path}/pictures is gone; bring it back"):
        encode(job)
    (tmp_path / "elsewhere").rename(tmp_path / "pictures")
    encode(job)
    assert job.manifest("encode")["counts"]["dropped"] == []
