"""The row of a job in a store's `runs`: what it ran with and did, also where it failed, was stopped or killed."""

import json
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace

import pytest

import cladescope
from cladescope.embedding.encoders.pixels import Pixels
from cladescope.errors import EncoderError, InputError, InUseError
from cladescope.index.running import RunningJob, running
from cladescope.index.store import Store


@pytest.fixture
def failing(monkeypatch):
    """An encoder that gives up at its third batch."""
    batches, encode = [], Pixels.encode_pixels

    def fail(self, batch):
        batches.append(len(batch))
        if len(batches) > 2:
            raise EncoderError("the device is lost")
        return encode(self, batch)

    monkeypatch.setattr(Pixels, "encode_pixels", fail)


@pytest.fixture
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def runs_of(path):
    return [(run["status"], json.loads(run["manifest"])) for run in Store.open(path).runs.to_pylist()]


def test_a_run_tells_with_what_and_where_it_ran_and_how_fast(clades, tmp_path):
    cladescope.embed(clades / "metadata.csv", tmp_path / "s", encoder="pixels", batch_size=16)
    ((status, told),) = runs_of(tmp_path / "s")
    assert (status, told["embedded"], told["settings"]["batch_size"]) == ("done", 48, 16)
    assert told["versions"]["cladescope"] == cladescope.__version__
    assert told["encoder"]["name"] == "pixels"
    assert told["machine"]["cores"] >= 1
    assert told["source_file"]["bytes"] == (clades / "metadata.csv").stat().st_size
    assert len(told["source_file"]["hash"]) == 32
    assert told["pictures_per_second"] > 0
    assert told["store"]["images"] == 48
    assert not (tmp_path / "s" / "running").exists()


def test_a_scheduler_s_names_of_the_job_are_kept(clades, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    cladescope.embed(clades, tmp_path / "s", encoder="pixels", limit=1)
    ((_, told),) = runs_of(tmp_path / "s")
    assert told["machine"]["scheduler"]["SLURM_JOB_ID"] == "4711"
    assert told["source_file"] == {}


def test_a_run_that_fails_is_noted_with_its_reason_and_what_it_kept(clades, tmp_path, failing):
    with pytest.raises(EncoderError, match="the device is lost"):
        cladescope.embed(clades / "metadata.csv", tmp_path / "s", encoder="pixels", batch_size=16)
    ((status, told),) = runs_of(tmp_path / "s")
    assert (status, told["error"], told["embedded"], told["store"]["images"]) == (
        "failed",
        "the device is lost",
        32,
        32,
    )
    assert running(tmp_path / "s") == []


def test_a_run_that_is_refused_is_noted_too(clades, tmp_path):
    table = tmp_path / "m.csv"
    table.write_text(f"path,species\n{sorted(clades.glob('images/*/*.jpg'))[0]},unknown\n")
    with pytest.raises(InputError):
        cladescope.embed(table, tmp_path / "s", encoder="pixels", strict=True)
    ((status, told),) = runs_of(tmp_path / "s")
    assert (status, told["store"]["images"]) == ("failed", 0)
    assert "unknown" in told["error"]


def test_a_run_that_is_stopped_is_noted_so(clades, tmp_path):
    stop = threading.Event()
    cladescope.embed(
        clades / "metadata.csv", tmp_path / "s", encoder="pixels", batch_size=4, workers=1, stop=stop,
        progress=lambda state: stop.set(),
    )  # fmt: skip
    ((status, told),) = runs_of(tmp_path / "s")
    assert (status, told["stopped"]) == ("stopped", True)


def test_a_job_that_another_one_turned_away_has_no_run(clades, tmp_path):
    cladescope.embed(clades, tmp_path / "s", encoder="pixels", limit=1)
    store = Store.open(tmp_path / "s")
    with store.writing(), pytest.raises(InUseError):
        cladescope.embed(clades, tmp_path / "s")
    assert [status for status, _ in runs_of(tmp_path / "s")] == ["done"]
    assert running(tmp_path / "s") == []


def test_a_job_that_was_killed_is_noted_by_the_next(clades, tmp_path, dead):
    cladescope.embed(clades, tmp_path / "s", encoder="pixels", limit=1)
    left = RunningJob(
        verb="embed", source="photos", started="2026-11-26T09:00:00+00:00", told={"embedded": 4}, process=dead
    )
    left.write(tmp_path / "s")
    assert running(tmp_path / "s") == []
    cladescope.embed(clades, tmp_path / "s", limit=2)
    rows = {run["run_id"]: run for run in Store.open(tmp_path / "s").runs.to_pylist()}
    noted = rows[left.run_id]
    assert (noted["status"], noted["source"], json.loads(noted["manifest"])["embedded"]) == ("killed", "photos", 4)
    assert noted["started"] < noted["ended"]
    assert sorted(run["status"] for run in rows.values()) == ["done", "done", "killed"]
    assert not (tmp_path / "s" / "running").exists()
    assert cladescope.verify(tmp_path / "s").is_sound


def test_a_job_that_was_killed_after_its_row_was_noted_has_one_row(clades, tmp_path, dead):
    cladescope.embed(clades, tmp_path / "s", encoder="pixels", limit=1)
    (run,) = Store.open(tmp_path / "s").runs.to_pylist()
    left = RunningJob(verb="embed", source="photos", started="2026-11-26T09:00:00+00:00", process=dead)
    draft = tmp_path / "s" / "running" / f".part-{dead}-b.json"
    for run_id in (run["run_id"], left.run_id):
        replace(left, run_id=run_id).write(tmp_path / "s")
        draft.write_text("")
        for _ in range(2):
            cladescope.embed(clades, tmp_path / "s", limit=1)
    status = Counter(one["status"] for one in Store.open(tmp_path / "s").runs.to_pylist())
    assert status == {"done": 5, "killed": 1}
    assert not (tmp_path / "s" / "running").exists()


def test_a_job_under_way_is_shown_with_how_far_it_is(clades, tmp_path):
    seen = []

    def look(state):
        seen.extend(cladescope.info(tmp_path / "s")["running"])

    cladescope.embed(clades / "metadata.csv", tmp_path / "s", encoder="pixels", batch_size=16, progress=look)
    assert seen[0]["verb"] == "embed"
    assert seen[0]["told"]["records"] == 16
    assert cladescope.info(tmp_path / "s")["running"] == []
    (run,) = cladescope.info(tmp_path / "s")["runs"]
    assert run["run_id"] == seen[0]["run_id"]


def test_a_job_of_another_machine_is_dead_when_it_has_been_silent_for_long(tmp_path, monkeypatch):
    job = RunningJob(verb="embed", source="photos", started="2026-11-26T09:00:00+00:00", host="elsewhere", process=1)
    job.write(tmp_path)
    assert running(tmp_path) == [job]
    monkeypatch.setattr("cladescope.index.running.SILENT_SECONDS", -1.0)
    assert running(tmp_path) == []


def test_a_note_that_is_damaged_is_told_of_and_passed_over(tmp_path, caplog):
    (tmp_path / "running").mkdir()
    (tmp_path / "running" / "a.json").write_text("{")
    assert running(tmp_path) == []
    assert "cannot be read" in caplog.text


def test_a_job_whose_process_had_the_number_of_this_one_was_killed(tmp_path, monkeypatch):
    """In a container that is started again the host and the process have the same name and number."""
    job = RunningJob(verb="embed", source="photos", started="2026-11-26T09:00:00+00:00")
    job.write(tmp_path)
    assert running(tmp_path) == [job]
    monkeypatch.setattr("cladescope.index.running._OF_THIS_PROCESS", set())
    assert running(tmp_path) == []
