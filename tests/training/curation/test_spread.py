"""Parts and shards that other processes do, as the nodes of a cluster do them, have the bytes that one process gives them."""

import multiprocessing
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest

import cladescope
from cladescope.app.verbs.curation import curate
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError
from cladescope.simulation import SimulationConfig, simulate
from cladescope.training.curation.config import load_config

CONFIG = """workers = 2
[[sources]]
name = "photos"
path = "photos"
[pictures]
min_side = 32
[duplicates]
near = "copies"
[splits]
val = 0.2
[kinds]
encoder = "pixels"
[out]
samples_per_shard = 10
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Some forty pictures, of which two cannot be read."""
    folder = tmp_path_factory.mktemp("spread")
    simulate(folder / "photos", SimulationConfig(species=7, images=6, seed=5))
    pictures = sorted((folder / "photos").rglob("*.png")) + sorted((folder / "photos").rglob("*.jpg"))
    for path in pictures[3:30:20]:
        path.write_bytes(path.read_bytes()[:200])
    (folder / "curate.toml").write_text(CONFIG)
    return folder / "curate.toml"


def processes(told):
    """What does the pieces in new processes, in any order; `told` gets the words, how many pieces there were, and whether they need a GPU."""

    def spread(work, pieces, words, *, on_gpu):
        told.append((words, len(pieces), on_gpu))
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
            list(pool.map(work, reversed(pieces)))

    return spread


def run(config, out, spread=None):
    return curate(load_config(config), out, load_encoder=Encoder.load, part_rows=16, spread=spread)


def test_many_processes_write_the_bytes_of_one(config, tmp_path):
    told = []
    one = run(config, tmp_path / "one")
    run(config, tmp_path / "many", processes(told))
    assert told == [
        ("looking at pictures, in parts of records:", 3, False),
        ("encoding, in parts of records:", 3, True),
        (
            "writing shards",
            len(one.summary["files"]) - sum(not name.endswith(".tar") for name in one.summary["files"]),
            False,
        ),
    ]
    assert one.n_pictures == 40
    assert (tmp_path / "many/curate.json").read_bytes() == (tmp_path / "one/curate.json").read_bytes()
    for stage in ("look", "encode"):
        for part in (tmp_path / "one/work" / stage).glob("part-*.parquet"):
            assert (tmp_path / "many/work" / stage / part.name).read_bytes() == part.read_bytes()


def test_what_a_piece_raises_stops_the_job_and_what_is_done_stays(config, tmp_path):
    told = []
    run(config, tmp_path / "out")
    shutil.rmtree(tmp_path / "out/work/write")
    (tmp_path / "out/curate.json").unlink()
    shutil.rmtree(tmp_path / "out/shards")
    photos, away = config.parent / "photos/images", config.parent / "away"
    photos.rename(away)
    for one in away.rglob("*"):
        if one.is_file():  # of the same names, so that only what reads them knows
            other = photos / one.relative_to(away)
            other.parent.mkdir(parents=True, exist_ok=True)
            other.write_bytes(b"other")
    try:
        with pytest.raises(InputError, match="can no longer be read"):
            run(config, tmp_path / "out", processes(told))
    finally:
        shutil.rmtree(photos)
        away.rename(photos)
    assert run(config, tmp_path / "out", processes(told)).n_pictures == 40


def test_a_part_that_is_not_seen_here_is_an_error(config, tmp_path):
    def elsewhere(work, pieces, words, *, on_gpu):
        """A node that has a folder of its own."""

    with pytest.raises(InputError, match=r"part 0 of the stage look was made and is not in .*one address"):
        run(config, tmp_path / "out", elsewhere)
    assert not (tmp_path / "out/work/look/manifest.json").exists()
    assert run(config, tmp_path / "out").n_pictures == 40


def test_a_missing_ray_names_its_extra_before_a_stage_is_deleted(config, tmp_path, monkeypatch):
    run(config, tmp_path / "out")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'cladescope\[ray\]'"):
        cladescope.curate(config, out=tmp_path / "out", executor="ray", redo="look")
    assert (tmp_path / "out/work/look/manifest.json").exists()
    assert (tmp_path / "out/curate.json").exists()
