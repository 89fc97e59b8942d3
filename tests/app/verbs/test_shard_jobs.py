"""Several processes or a Ray cluster, each over a shard, store what one job would."""

import sys

import pytest
from PIL import Image

import cladescope
from cladescope.app.verbs import shard_jobs
from cladescope.errors import CladescopeError, InputError
from cladescope.index.store import Store


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures, and one file that is none."""
    (tmp_path / "photos").mkdir()
    for place in range(12):
        Image.new("RGB", (20, 20), (20 * place, 255 - 20 * place, 7)).save(tmp_path / "photos" / f"{place}.png")
    (tmp_path / "photos/broken.png").write_bytes(b"no picture")
    return tmp_path / "photos"


def test_two_processes_store_what_one_job_does(folder, tmp_path):
    done = cladescope.embed(folder, tmp_path / "many.store", encoder="pixels", devices=["cpu", "cpu"])
    cladescope.embed(folder, tmp_path / "one.store", encoder="pixels")
    assert (done.records, done.embedded, done.failed) == (13, 12, 1)
    assert dict(done.failures_by_reason) == {"decode: not a picture but text": 1}
    many, one = Store.open(tmp_path / "many.store"), Store.open(tmp_path / "one.store")
    tables = [store.table().sort_by("image_id") for store in (many, one)]
    assert tables[0] == tables[1]
    assert many.failures == one.failures


def test_a_process_that_dies_is_started_again_and_one_that_cannot_go_on_is_told(folder, tmp_path, monkeypatch):
    begun = []
    start = shard_jobs._start

    def dies_once(call, device, threads):
        process = start(call, device, threads)
        begun.append(call["shard"])
        if len(begun) == 1:
            process.kill()
        return process

    monkeypatch.setattr(shard_jobs, "_start", dies_once)
    assert cladescope.embed(folder, tmp_path / "many.store", encoder="pixels", devices=["cpu"]).embedded == 12
    assert begun == ["1/1", "1/1"]
    with pytest.raises(CladescopeError, match=r"shard 1/1 on cpu failed: .*nonsense"):
        cladescope.embed(folder, tmp_path / "other.store", encoder="nonsense", devices=["cpu"])


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"devices": ["gpu"]}, "found the device 'gpu', expected numbers of GPUs"),
        ({"devices": ["cpu"], "shard": "1/2"}, "is one job"),
        ({"devices": ["cpu"], "executor": "ray"}, "give one of devices and executor"),
        ({"devices": ["cpu"], "shards": 2}, "each device has one shard"),
        ({"shards": 2}, "shards are for the executor ray"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, said, folder, tmp_path):
    with pytest.raises(InputError, match=said):
        cladescope.embed(folder, tmp_path / "x.store", encoder="pixels", **settings)


def test_objects_are_not_sent_to_other_processes(tmp_path):
    with pytest.raises(InputError, match="found an object"):
        cladescope.embed([Image.new("RGB", (9, 9))], tmp_path / "x.store", encoder="pixels", devices=["cpu"])


def test_a_missing_ray_names_its_extra(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'cladescope\[ray\]'"):
        cladescope.embed(folder, tmp_path / "x.store", encoder="pixels", executor="ray")
