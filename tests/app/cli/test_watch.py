"""What programs see of a job: lines of JSON, metrics, and the exit status."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from cladescope.app.cli import jobs, metrics
from cladescope.app.cli.watch import Watch, watched
from cladescope.embedding.pipeline import Progress
from cladescope.index.store import Store
from tests.app.cli import exposition
from tests.conftest import REPOSITORY

STATE = Progress(done=30, total=100, embedded=20, failed=1, seconds=4.0, pace=10.0, lately=8.0)
GATED = """
import sys
from cladescope.app.cli import main, watch
from cladescope.embedding.encoders.pixels import Pixels
first = Pixels.encode_pixels
watch.WATCH_SECONDS = 0.0

def encode(self, batch):
    sys.stdin.readline()
    return first(self, batch)

Pixels.encode_pixels = encode
main()
"""
"""An `embed` that encodes a batch for each line that it is given."""


@pytest.fixture
def lines(photos, run, tmp_path):
    """The events of one small job, whose last line of `photos` is no picture."""
    (photos / "bad.jpg").write_text("no picture")
    path = tmp_path / "events.jsonl"
    ended = run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--progress", path, "--json")
    assert (ended.status, ended.json["embedded"]) == (0, 6)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_file_of_lines_tells_the_whole_story(lines, photos, tmp_path):
    first, *others, last = lines
    assert (first["event"], first["verb"], first["source"]) == ("start", "embed", str(photos))
    assert [one["event"] for one in others] == ["progress"] * len(others)
    assert {one["job"] for one in lines} == {first["job"]}
    assert [one["time"] for one in lines] == sorted(one["time"] for one in lines)
    counts = {"done": 7, "total": 7, "embedded": 6, "already_stored": 0, "failed": 1, "eta_seconds": 0.0}
    assert {name: last[name] for name in counts} == counts
    assert (last["status"], last["exit_status"], last["error"]) == ("done", 0, None)
    assert last["summary"]["failed"] == 1


def test_lines_are_added_to_those_of_earlier_jobs(lines, photos, run, tmp_path):
    path = tmp_path / "events.jsonl"
    run("embed", photos, "--store", tmp_path / "s", "--progress", path)
    both = [json.loads(line) for line in path.read_text().splitlines()]
    assert both[: len(lines)] == lines
    assert both[len(lines)]["job"] != lines[0]["job"]
    assert (both[-1]["already_stored"], both[-1]["embedded"]) == (6, 0)


def test_lines_on_stderr_stand_alone_and_stdout_is_the_result(photos, run, tmp_path):
    ended = run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--progress", "json", "--json")
    told = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    assert [told[0]["event"], told[-1]["event"]] == ["start", "end"]
    assert told[-1]["summary"]["embedded"] == ended.json["embedded"] == 6


def test_a_job_that_fails_says_so_in_its_last_line(photos, run, tmp_path):
    run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels")
    arguments = ("--store", tmp_path / "s", "--encoder", "tiny", "--metrics", tmp_path / "m.prom")
    ended = run("embed", photos, *arguments, "--progress", "json")
    last = json.loads([line for line in ended.err.splitlines() if line.startswith("{")][-1])
    assert (ended.status, last["status"], last["exit_status"], last["summary"]) == (1, "failed", 1, None)
    assert "holds vectors of another encoder" in last["error"]
    found = exposition.read((tmp_path / "m.prom").read_text())
    assert found["cladescope_job_exit_status"][1] == 1
    assert found["cladescope_job_running"][1] == 0


def test_a_store_in_use_is_told_apart_from_a_failure(photos, run, tmp_path):
    run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels")
    with Store.open(tmp_path / "s").writing():
        ended = run("embed", photos, "--store", tmp_path / "s")
    assert ended.status == 75
    assert "another job is writing" in ended.err


def test_a_stopped_job_is_told_apart_from_a_failure(photos, run, tmp_path, monkeypatch):
    stop = threading.Event()
    stop.set()
    monkeypatch.setattr(jobs, "stop_on_signals", lambda: nullcontext(stop))
    events = tmp_path / "e.jsonl"
    asked = ("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--metrics", tmp_path / "m.prom")
    ended = run(*asked, "--progress", events)
    found = exposition.read((tmp_path / "m.prom").read_text())
    assert (found["cladescope_job_running"][1], found["cladescope_job_exit_status"][1]) == (0, 75)
    last = json.loads(events.read_text().splitlines()[-1])
    assert (ended.status, last["status"], last["exit_status"]) == (75, "stopped", 75)


def test_metrics_are_what_prometheus_reads(photos, run, tmp_path):
    path = tmp_path / "job.prom"
    (photos / "bad.jpg").write_text("no picture")
    run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--metrics", path)
    found = {
        name.removeprefix("cladescope_job_"): value for name, (_, value) in exposition.read(path.read_text()).items()
    }
    assert found.keys() == metrics.METRICS.keys()
    counts = {"source_records": 7, "records_total": 7, "pictures_embedded_total": 6, "pictures_failed_total": 1}
    assert {name: found[name] for name in counts} == counts
    assert (found["running"], found["exit_status"], found["remaining_seconds"]) == (0, 0, 0)
    assert found["start_time_seconds"] <= found["last_progress_time_seconds"] <= found["end_time_seconds"]
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []
    assert path.stat().st_mode & 0o777 == (photos / "bad.jpg").stat().st_mode & 0o777


def test_drafts_of_killed_jobs_go_and_those_of_running_ones_stay(photos, run, tmp_path):
    path, gone = tmp_path / "job.prom", subprocess.Popen(["true"])
    gone.wait()
    drafts = [tmp_path / f".job.prom.{number}" for number in (gone.pid, os.getppid(), "kept")]
    for draft in drafts:
        draft.write_text("half")
    run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--metrics", path)
    assert [draft.exists() for draft in drafts] == [False, True, True]


def test_a_name_as_long_as_names_may_be_is_a_file_of_metrics(tmp_path):
    path = tmp_path / f"{'é' * 125}.prom"
    metrics.write_metrics(path, {}, None, started=0.0, moved=0.0, exit_status=None)
    assert exposition.read(path.read_text())["cladescope_job_running"][1] == 1


def test_when_the_source_has_been_read_the_number_of_its_records_is_known(photos, run, tmp_path, monkeypatch):
    monkeypatch.setattr("cladescope.embedding.counting.count_of", lambda source: None)
    path = tmp_path / "job.prom"
    run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--metrics", path)
    found = exposition.read(path.read_text())
    assert found["cladescope_job_source_records"][1] == found["cladescope_job_records_total"][1] == 6


FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="the system has no device that is always full")


def in_a_process(*arguments, **streams):
    code = "import sys; from cladescope.app.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, text=True, check=False, **streams)


@needs_full
@pytest.mark.parametrize("how", ["auto", "json"])
def test_a_log_on_a_full_disk_stops_no_job(how, photos, tmp_path):
    with FULL.open("w") as full:
        arguments = ("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--progress", how, "--json")
        ended = in_a_process(*arguments, stdout=subprocess.PIPE, stderr=full)
    assert (ended.returncode, json.loads(ended.stdout)["embedded"]) == (0, 6)


def test_a_log_that_nobody_reads_any_more_stops_no_job(photos, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    arguments = ("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--progress", "json", "--json")
    ended = in_a_process(*arguments, stdout=subprocess.PIPE, stderr=writing)
    os.close(writing)
    assert (ended.returncode, json.loads(ended.stdout)["embedded"]) == (0, 6)


@needs_full
def test_a_store_in_use_has_its_status_where_nothing_can_be_said(photos, run, tmp_path):
    run("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels")
    with FULL.open("w") as full, Store.open(tmp_path / "s").writing():
        ended = in_a_process("embed", photos, "--store", tmp_path / "s", stdout=full, stderr=full)
    assert ended.returncode == 75


@needs_full
def test_a_result_that_cannot_be_written_is_one_line_and_the_job_is_done(photos, tmp_path):
    with FULL.open("w") as full:
        arguments = ("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--json")
        ended = in_a_process(*arguments, stdout=full, stderr=subprocess.PIPE)
    assert ended.returncode == 1
    assert "error: no space left for the output, or a temporary file: what was committed is kept" in ended.stderr
    assert Store.open(tmp_path / "s").runs.column("status").to_pylist() == ["done"]


def test_metrics_of_a_running_job_have_no_end():
    found = exposition.read(metrics.text({"store": "s"}, STATE, started=1.0, moved=2.0, exit_status=None))
    assert found["cladescope_job_running"] == ({"store": "s"}, 1.0)
    assert "cladescope_job_end_time_seconds" not in found
    assert "cladescope_job_exit_status" not in found
    assert found["cladescope_job_remaining_seconds"][1] == 7.0


@pytest.mark.parametrize("name", ['a "b"', "a\\b", "two\nlines", "é", "half \ud83d"])
def test_any_name_is_a_label(name):
    text = metrics.text({"source": name}, None, started=0.0, moved=0.0, exit_status=None)
    labels, value = exposition.read(text)["cladescope_job_running"]
    assert (labels["source"], value) == (name.replace("\ud83d", "\\ud83d"), 1)


def test_watching_never_stops_a_job(tmp_path, capsys):
    folder = tmp_path / "gone"
    folder.mkdir()
    watch = Watch(verb="embed", source="a", store="s", how=str(folder / "e.jsonl"), metrics=folder / "m.prom")
    folder.rmdir()
    with watched(watch), watch.told("embedded") as note:
        note(STATE)
    assert [line.partition(" in ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "no more progress",
        "no more metrics",
    ]


def test_a_way_of_telling_that_there_is_not_is_refused_before_anything_is_done(photos, misused, tmp_path):
    reason = misused("embed", photos, "--store", tmp_path / "s", "--encoder", "pixels", "--progress", "xml")
    assert reason == "error: found 'xml' for the progress, expected auto, json, none or a file *.jsonl"
    reason = misused("embed", photos, "--store", tmp_path / "s", "--metrics", tmp_path / "none" / "m.prom")
    assert f"{tmp_path / 'none'} is no folder" in reason
    assert not (tmp_path / "s").exists()


def test_metrics_can_be_read_while_a_job_runs_once_it_is_killed_and_when_it_goes_on(photos, run, tmp_path):
    path, arguments = (
        tmp_path / "job.prom",
        ["--store", str(tmp_path / "s"), "--encoder", "pixels", "--batch-size", "2"],
    )
    asked = ["embed", str(photos), *arguments, "--metrics", str(path)]
    process = subprocess.Popen([sys.executable, "-c", GATED, *asked], stdin=subprocess.PIPE, text=True, cwd=REPOSITORY)
    process.stdin.write("\n\n")
    process.stdin.flush()
    found, until = {}, time.monotonic() + 100
    while found.get("cladescope_job_pictures_embedded_total", ({}, 0))[1] < 4:
        assert time.monotonic() < until
        assert process.poll() is None
        if path.exists():
            found = exposition.read(path.read_text(encoding="utf-8"))
            assert found["cladescope_job_running"][1] == 1
            assert found.keys().isdisjoint({"cladescope_job_exit_status", "cladescope_job_end_time_seconds"})
    process.kill()
    process.communicate()
    killed = exposition.read(path.read_text(encoding="utf-8"))
    assert (killed["cladescope_job_running"][1], killed["cladescope_job_pictures_embedded_total"][1]) == (1, 4)
    (tmp_path / f".job.prom.{process.pid}").write_text("cut sh")  # as where it is killed while it writes
    ended = run(*asked, "--json")
    resumed = exposition.read(path.read_text(encoding="utf-8"))
    values = {name.removeprefix("cladescope_job_"): value for name, (_, value) in resumed.items()}
    assert (values["running"], values["exit_status"], values["records_total"]) == (0, 0, 6)
    assert values["pictures_embedded_total"] == ended.json["embedded"]
    assert values["start_time_seconds"] > killed["cladescope_job_start_time_seconds"][1]
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []
