"""Shards as tasks of Ray on this machine tell how far they are, stop when they are asked to, and end as a job of one process does; `.ci/ray` runs this."""

import json
import threading

import pytest
from PIL import Image

import cladescope
from cladescope.app.cli import jobs
from cladescope.app.verbs import ray_shards
from cladescope.errors import CladescopeError, InUseError
from cladescope.index.store import Store
from tests.app.verbs.clusters import MEMORY
from tests.conftest import REPOSITORY

ray = pytest.importorskip("ray", reason="Ray is not installed: .ci/ray runs this")


@pytest.fixture(scope="module", autouse=True)
def machine():
    """Ray on two processors of this machine, which finds the code of this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        ray.init(num_cpus=2, object_store_memory=MEMORY, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


@pytest.fixture
def folder(tmp_path):
    """Thirty pictures, and one file that is none."""
    (tmp_path / "photos").mkdir()
    for place in range(30):
        Image.new("RGB", (20, 20), (8 * place, 255 - 8 * place, 7)).save(tmp_path / "photos" / f"{place}.png")
    (tmp_path / "photos/broken.png").write_bytes(b"no picture")
    return tmp_path / "photos"


def asked(folder, store, *more):
    return ["embed", folder, "--store", store, "--encoder", "pixels", "--executor", "ray", "--shards", "3", *more]


def test_lines_tell_how_far_all_shards_are(folder, tmp_path, run):
    ended = run(
        *asked(folder, tmp_path / "s", "--progress", tmp_path / "e.jsonl", "--metrics", tmp_path / "m.prom", "--json")
    )
    assert (ended.status, ended.json["embedded"], ended.json["failed"]) == (0, 30, 1)
    first, *others, last = map(json.loads, (tmp_path / "e.jsonl").read_text().splitlines())
    assert [one["event"] for one in (first, last)] == ["start", "end"]
    assert {one["event"] for one in others} == {"progress"}
    assert others[0].keys() >= {"done", "total", "embedded", "failed", "per_second", "eta_seconds"}
    assert {name: last[name] for name in ("done", "embedded", "already_stored", "failed", "status", "exit_status")} == {
        "done": 31, "embedded": 30, "already_stored": 0, "failed": 1, "status": "done", "exit_status": 0,
    }  # fmt: skip
    assert "cladescope_job_pictures_embedded_total" in (tmp_path / "m.prom").read_text()


def test_a_part_that_another_job_holds_is_told_as_such(folder, tmp_path, run, monkeypatch):
    monkeypatch.setattr(ray_shards, "BUSY_SECONDS", 0.0)
    cladescope.embed(folder, tmp_path / "s", encoder="pixels", shard="2/3")
    (part,) = (tmp_path / "s/parts").glob("*/*")
    with Store.open(part).held():
        ended = run(*asked(folder, tmp_path / "s", "--progress", "json"))
    last = json.loads([line for line in ended.err.splitlines() if line.startswith("{")][-1])
    assert (ended.status, last["status"], last["exit_status"]) == (75, "failed", 75)
    assert last["error"].startswith("a shard failed: another job is writing")
    with Store.open(part).held(), pytest.raises(InUseError):
        cladescope.embed(folder, tmp_path / "s", encoder="pixels", executor="ray", shards=3)
    assert cladescope.embed(folder, tmp_path / "s", encoder="pixels", executor="ray", shards=3).failed == 1
    assert Store.open(tmp_path / "s").count() == 30


def test_a_job_that_is_asked_to_stop_has_its_tasks_stop(folder, tmp_path, run, monkeypatch):
    stop = threading.Event()
    stop.set()

    class Asked:
        def __enter__(self):
            return stop

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(jobs, "stop_on_signals", Asked)
    ended = run(*asked(folder, tmp_path / "s", "--json"))
    assert (ended.status, ended.json["stopped"]) == (75, True)
    assert not (tmp_path / "s/store.json").exists()
    monkeypatch.undo()
    assert run(*asked(folder, tmp_path / "s", "--json")).status == 0
    assert Store.open(tmp_path / "s").count() == 30


def test_a_shard_that_cannot_be_done_is_told_in_one_line(folder, tmp_path):
    with pytest.raises(CladescopeError, match="a shard failed: .*nonsense") as failed:
        cladescope.embed(folder, tmp_path / "s", encoder="nonsense", executor="ray", shards=2)
    assert not isinstance(failed.value, InUseError)
