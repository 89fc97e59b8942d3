"""What the benchmarks of embedding are made of: different pictures, weights that are the same for all, and a bound of the cores."""

import importlib

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos" / "deep"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / f"{number}.jpg")
    (folder / "copy.jpg").write_bytes((folder / "0.jpg").read_bytes())
    return folder.parent


def test_no_two_of_the_first_pictures_are_the_same(script, photos, tmp_path):
    first = script("embed_peers").first_pictures(photos, tmp_path / "first", 10)
    assert len({path.read_bytes() for path in first.iterdir()}) == len(list(first.iterdir())) == 3


def test_a_peer_that_left_pictures_out_is_no_peer(script, tmp_path):
    peers = script("embed_peers")
    (tmp_path / "vectors.json").write_text('{"embeddings": {"/a/0.jpg": [3.0, 4.0]}}')
    one = peers.Contender(group="pybioclip", program="pybioclip", settings="", command=lambda pictures, out: [])
    assert peers.vectors_of(one, tmp_path, 1)["0.jpg"].tolist() == pytest.approx([0.6, 0.8])
    with pytest.raises(SystemExit, match="vectors of 1 pictures, expected 2"):
        peers.vectors_of(one, tmp_path, 2)


def test_ratios_are_ours_over_the_fastest_of_the_peers_settings(script, tmp_path, monkeypatch):
    peers = script("embed_peers")
    monkeypatch.setattr(peers, "vectors_of", lambda *_: {"0.jpg": np.array([1.0, 0.0])})
    group = [
        peers.Contender(group="g", program=program, settings=settings, command=lambda pictures, out: [])
        for program, settings in ((peers.OURS, "a"), ("rclip", "b"), ("rclip", "c"))
    ]
    took = dict(zip((one.name for one in group), (10.0, 40.0, 20.0), strict=True))
    took |= {f"{one.name}, first": first for one, first in zip(group, (2.0, 4.0, 8.0), strict=True)}
    lines = peers.table(group, took, 100, 4, tmp_path)
    assert [line[3:7] for line in lines] == [
        ["10.0", "2.0x", "12.0", "1.5x"],
        ["2.5", "", "2.7", ""],
        ["5.0", "", "8.0", ""],
    ]


def test_camera_pictures_are_large_and_all_different(script, photos, tmp_path, monkeypatch):
    pipeline = script("pipeline")
    monkeypatch.setattr(pipeline, "CAMERA", (40, 30))
    made = sorted(pipeline.write_camera_pictures(str(photos), tmp_path / "camera", 7, 3).iterdir())
    assert len({path.read_bytes() for path in made}) == 7
    for path in made:
        with Image.open(path) as image:
            assert image.size == (40, 30)


def test_a_job_that_only_computes_and_decodes_is_at_its_bound(script):
    pipeline = script("pipeline")
    assert pipeline.bound(0.006, 0.002, cores=2) == pytest.approx(250)
    spent = []
    assert pipeline.counted(lambda: float(sum(range(3_000_000))), spent) == sum(range(3_000_000))
    assert 0 < spent[0] < 60
