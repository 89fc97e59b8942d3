"""The thirty tasks of the first hour: each succeeds, or fails as it should, and its screen is in the main the one that is kept."""

import shlex
import time

import pytest

from tests.conftest import SHARED_DATA
from tests.first_hour.tasks import BINOMIALS, SCREENS, TASKS, alike, lay_out, screen

REAL = SHARED_DATA / "organisms" / "images"
LEAST = 0.8
"""Share of the kinds of lines of a kept screen that must still be printed: a line may be worded anew, a screen may not become another.
`git diff` after `python -m tests.first_hour.renew` shows every line that changed."""
KINDS = ("Danaus_plexippus", "Lama_glama", "Stellaria_media", "Sus_scrofa")


def done(run, folder, monkeypatch):
    """Type all tasks in a folder, in order; what each ended with, its screen and its seconds."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "100")
    for task in TASKS:
        program, *arguments = shlex.split(task.command)
        assert program == "cladescope"
        began = time.monotonic()
        ended = run(*arguments)
        yield task, ended, screen(task, ended.status, ended.out, ended.err, folder), time.monotonic() - began


def test_there_are_thirty_tasks_and_a_screen_of_each():
    assert len(TASKS) == 30
    assert {path.stem for path in SCREENS.iterdir()} == {task.name for task in TASKS}


def test_every_task_succeeds_and_its_screen_is_as_kept(run, clades, tmp_path, monkeypatch, one_thread):
    lay_out(tmp_path, sorted((clades / "images").iterdir())[: len(BINOMIALS)])
    changed = []
    for task, ended, shown, _ in done(run, tmp_path, monkeypatch):
        assert ended.status == task.status, (task.command, ended.err)
        for name in task.makes:
            assert (tmp_path / name).exists(), (task.command, name)
        kept = (SCREENS / f"{task.name}.txt").read_text(encoding="utf-8")
        forms = set(alike(kept))
        if len(forms & set(alike(shown))) < LEAST * len(forms):
            changed.append(f"{task.name}:\n{kept}\nis now:\n{shown}")
    assert changed == [], "\n".join([*changed, "if that is right, run `python -m tests.first_hour.renew`"])


def test_what_fails_says_why_in_one_line():
    for task in TASKS:
        if task.status:
            lines = (SCREENS / f"{task.name}.txt").read_text(encoding="utf-8").splitlines()
            assert [line.startswith("error: ") for line in lines[1:-1]].count(True) == 1, task.name
            assert lines[-2].startswith("error: "), task.name


@pytest.mark.skipif(not REAL.is_dir(), reason="no real pictures: ../shared/data/organisms is not there")
def test_every_task_succeeds_on_real_pictures(run, tmp_path, monkeypatch, one_thread):
    lay_out(tmp_path, [REAL / name for name in KINDS], None)
    for task, ended, _, _ in done(run, tmp_path, monkeypatch):
        assert ended.status == task.status, (task.command, ended.err)
        assert all((tmp_path / name).exists() for name in task.makes), task.command
