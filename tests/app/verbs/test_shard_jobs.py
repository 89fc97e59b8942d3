"""Several processes or a Ray cluster, each over a shard, store what one job would."""

import json
import sys
import threading

import pytest
from PIL import Image

import cladescope
from cladescope.app.verbs import shard_jobs
from cladescope.errors import CladescopeError, InputError, InUseError
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
    assert [(stage.stage, stage.places) for stage in done.stages if stage.stage in ("list", "encode")] == [
        ("list", 2),
        ("encode", 2),
    ]
    assert done.to_dict()["bottleneck"]
    cladescope.embed(folder, tmp_path / "one.store", encoder="pixels")
    assert (done.records, done.embedded, done.failed) == (13, 12, 1)
    assert dict(done.failures_by_reason) == {"decode: not a picture but text": 1}
    many, one = Store.open(tmp_path / "many.store"), Store.open(tmp_path / "one.store")
    tables = [store.table().sort_by("image_id") for store in (many, one)]
    assert tables[0] == tables[1]
    assert many.failures == one.failures


def test_a_process_gives_the_vectors_of_several_encoders_also_to_what_is_stored(folder, tmp_path):
    cladescope.embed(folder, tmp_path / "many.store", encoder="pixels", limit=2)
    done = cladescope.embed(folder, tmp_path / "many.store", encoder=["pixels", "tiny"], devices=["cpu"])
    assert (done.filled, done.failed, done.notes) == (2, 1, ())
    many = Store.open(tmp_path / "many.store", vectors="tiny")
    cladescope.embed(folder, tmp_path / "one.store", encoder=["pixels", "tiny"])
    one = Store.open(tmp_path / "one.store", vectors="tiny")
    found, wanted = (
        dict(zip(store.table(["uri"])["uri"].to_pylist(), store.matrix().tolist(), strict=True))
        for store in (many, one)
    )
    assert found == wanted


def test_a_process_that_dies_is_started_again_and_one_that_cannot_go_on_is_told(folder, tmp_path, monkeypatch):
    begun = []

    class DiesOnce(shard_jobs.ShardProcess):
        def __init__(self, call, *others):
            super().__init__(call, *others)
            begun.append(call["shard"])
            if len(begun) == 1:
                self.process.kill()

    monkeypatch.setattr(shard_jobs, "ShardProcess", DiesOnce)
    assert cladescope.embed(folder, tmp_path / "many.store", encoder="pixels", devices=["cpu"]).embedded == 12
    assert begun == ["1/1", "1/1"]
    with pytest.raises(CladescopeError, match=r"shard 1/1 on cpu failed: .*nonsense"):
        cladescope.embed(folder, tmp_path / "other.store", encoder="nonsense", devices=["cpu"])


def test_the_command_line_tells_what_the_processes_did_and_a_stop_before_they_did_anything(folder, tmp_path, run):
    store = tmp_path / "s.store"
    asked = [
        "embed",
        folder,
        "--store",
        store,
        "--encoder",
        "pixels",
        "--devices",
        "cpu",
        "--progress",
        "json",
        "--json",
    ]
    done = run(*asked)
    assert (done.json["embedded"], done.json["encoder"], done.json["stages"]["encode"]["n"]) == (12, "pixels", 12)
    events = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    assert [event["done"] for event in events if event["event"] == "progress"][-1] > 0
    asked_to = threading.Event()
    asked_to.set()
    stopped = cladescope.embed(folder, tmp_path / "t.store", encoder="pixels", devices=["cpu"], stop=asked_to)
    assert stopped.stopped
    assert not (tmp_path / "t.store/store.json").exists()


def test_a_part_that_another_job_holds_is_told_as_such(folder, tmp_path):
    cladescope.embed(folder, tmp_path / "s.store", encoder="pixels", shard="1/1")
    (part,) = (tmp_path / "s.store/parts").glob("*/*")
    with Store.open(part).held(), pytest.raises(InUseError, match=r"shard 1/1 on cpu failed: another job is writing"):
        cladescope.embed(folder, tmp_path / "s.store", encoder="pixels", devices=["cpu"])


def test_rows_that_the_store_refuses_are_counted_as_failures(tmp_path):
    for name, colour in {"a": "red", "b": "blue"}.items():
        Image.new("RGB", (9, 9), colour).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.csv").write_text(f"file_name,image_id\n{name}.png,same\n")
    cladescope.embed(tmp_path / "a.csv", tmp_path / "s.store", encoder="pixels")
    done = cladescope.embed(tmp_path / "b.csv", tmp_path / "s.store", encoder="pixels", devices=["cpu"])
    assert (done.records, done.embedded, done.already_stored, done.failed) == (1, 0, 0, 1)
    assert dict(done.failures_by_reason) == {"identity: image_id … is stored for another picture": 1}


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
        cladescope.embed(folder, tmp_path / "x.store", **{"encoder": "pixels"} | settings)


def test_objects_are_not_sent_to_other_processes(tmp_path):
    with pytest.raises(InputError, match="found an object"):
        cladescope.embed([Image.new("RGB", (9, 9))], tmp_path / "x.store", encoder="pixels", devices=["cpu"])


def test_a_missing_ray_names_its_extra(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'cladescope\[ray\]'"):
        cladescope.embed(folder, tmp_path / "x.store", encoder="pixels", executor="ray")
