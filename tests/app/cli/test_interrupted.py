"""A command that is interrupted, or whose output goes nowhere, ends in one line and loses nothing."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cladescope.app.cli
import cladescope.app.cli.output
from cladescope.app.cli.signals import stop_on_signals
from cladescope.simulation import SimulationConfig, simulate
from tests.conftest import REPOSITORY

TELLING = """
import time
from cladescope.app.cli import main, progress
progress.LOG_SECONDS, say = 0.0, progress.say
progress.say = lambda told: (say(told), time.sleep(0.1))
main()
"""
"""Tells of every batch and waits then, so that a signal finds it at work, however fast the machine."""


def _said(process, start):
    """Whether a process says a line that begins so on stderr, after whatever else."""
    return any(line.startswith(start) for line in process.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_commits_what_is_encoded_and_the_same_command_goes_on(run, tmp_path, number):
    manifest = simulate(tmp_path / "clades", SimulationConfig(species=10, images=30, seed=3, size=64))
    arguments = [
        "embed",
        str(manifest),
        "--store",
        str(tmp_path / "s"),
        "--encoder",
        "pixels",
        "--batch-size",
        "4",
        "--workers",
        "1",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", TELLING, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert _said(process, "embedded 4 of 300")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "nothing is lost: run the same command to go on" in err.splitlines()[-1]
    stored = run("info", tmp_path / "s", "--json").json
    assert 4 <= stored["images"] < 300
    assert stored["runs"][0]["status"] == "stopped"
    rest = run("embed", manifest, "--store", tmp_path / "s", "--json").json
    assert (rest["already_stored"], rest["embedded"]) == (stored["images"], 300 - stored["images"])


def of_the_job(mark):
    """Numbers of the processes that run with this in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_signal_to_all_processes_of_a_job_lets_those_that_decode_do_their_work_and_leaves_none(run, tmp_path):
    manifest = simulate(tmp_path / "clades", SimulationConfig(species=10, images=30, seed=3, size=64))
    embed = ["embed", manifest, "--store", tmp_path / "s", "--encoder", "pixels", "--batch-size", "4", "--workers", "2"]
    mark = f"OF_THE_JOB={tmp_path}"
    process = subprocess.Popen(
        [sys.executable, "-c", TELLING, *embed, "--decode", "processes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=os.environ | dict([mark.split("=")]),
    )
    assert _said(process, "embedded 4 of 300")
    pids = of_the_job(mark)
    assert process.pid in pids
    assert len(pids) >= 2
    for pid in pids:
        os.kill(pid, signal.SIGTERM)  # as a scheduler does with all that it started
    _, err = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "died" not in err
    assert not of_the_job(mark)
    stored = run("info", tmp_path / "s", "--json").json
    assert 4 <= stored["images"] < 300
    assert (stored["runs"][0]["status"], stored["failures"]) == ("stopped", 0)


HANGING = """
import threading
from cladescope.app.cli import main
from cladescope.embedding.encoders.pixels import Pixels
first = Pixels.encode_pixels

def encode(self, batch):
    print("encoding", flush=True)
    threading.Event().wait(60)
    return first(self, batch)

Pixels.encode_pixels = encode
main()
"""


def test_a_second_signal_ends_a_job_at_once_whatever_the_encoder_does(tmp_path):
    manifest = simulate(tmp_path / "clades", SimulationConfig(species=2, images=4, seed=3, size=64))
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING, "embed", str(manifest), "--store", str(tmp_path / "s"), "--encoder", "pixels"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert process.stdout.readline() == "encoding\n"
    process.send_signal(signal.SIGTERM)
    assert process.stderr.readline().startswith("encoder pixels")
    assert process.stderr.readline().startswith(
        "SIGTERM: stopping: committing what is encoded (once more ends at once)"
    )
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 75
    assert err.splitlines()[-1] == "error: interrupted: what was committed is kept, run the same command again"


def test_a_signal_that_is_ignored_stays_so_and_handlers_are_given_back(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.getsignal(signal.SIGTERM)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.is_set()
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.is_set()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "a third one is the system's affair"
        assert (signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGTERM)) == (signal.SIG_IGN, before[1])
    finally:
        signal.signal(signal.SIGHUP, before[0])


def test_a_job_whose_terminal_goes_away_writes_nowhere_and_goes_on(tmp_path):
    leader, follower = os.openpty()
    with os.fdopen(follower, "w") as terminal, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        with stop_on_signals() as stop:
            os.close(leader)
            signal.raise_signal(signal.SIGHUP)
            assert stop.is_set()
            sys.stderr.write("nobody reads this\n")
            sys.stderr.flush()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_while_the_program_loads_ends_in_a_line(name):
    interrupted = f"""
import signal
import sys
from cladescope.app.main import main

class CtrlC:
    def find_spec(name, *_):
        if name == "cladescope.app.cli":
            signal.raise_signal(signal.{name})

sys.meta_path.insert(0, CtrlC)
main()
"""
    ended = subprocess.run([sys.executable, "-c", interrupted], capture_output=True, text=True, cwd=REPOSITORY)
    assert (ended.returncode, ended.stderr) == (75, "error: interrupted before anything was done\n")


def test_a_signal_that_is_ignored_stays_so_and_a_forked_process_ends_by_its_own():
    code = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from cladescope.app import main
main._end_as_by_ctrl_c()
signal.raise_signal(signal.SIGHUP)
child = os.fork()
if not child:
    signal.raise_signal(signal.SIGTERM)
print(-os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert (ended.stdout, ended.stderr) == (f"{signal.SIGTERM.value}\n", "")


@pytest.mark.parametrize("form", ["--csv", "--json", "--exact"])
def test_a_pipe_that_closes_early_is_no_error_to_talk_about(store, query, form, monkeypatch, capfd):
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        monkeypatch.setattr(sys, "argv", ["cladescope", "search", str(store.path), "--image", str(query), form])
        with pytest.raises(SystemExit) as ended:
            cladescope.app.cli.main()
        monkeypatch.undo()
        # Closing flushes, as Python does at its end; typer, which sees the other forms fail, takes care of that itself.
        with contextlib.nullcontext() if form == "--csv" else contextlib.suppress(BrokenPipeError):
            pipe.close()
    assert ended.value.code == 1
    assert [line for line in capfd.readouterr().err.splitlines() if not line.startswith("encoder ")] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("form", ["--csv", "--json"])
def test_output_that_does_not_fit_on_the_disk_is_an_error(store, query, form, monkeypatch, capfd):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "argv", ["cladescope", "search", str(store.path), "--image", str(query), form])
        with pytest.raises(SystemExit) as ended:
            cladescope.app.cli.main()
        monkeypatch.undo()
    assert ended.value.code == 1
    assert capfd.readouterr().err.splitlines()[-1].startswith("error: no space left for the output")
