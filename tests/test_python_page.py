"""docs/python.md does what it says: its code runs in order as it stands there, and prints what it shows."""

import re
import shutil

import pytest

import cladescope
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "python.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|text)\n(.*?)```", TEXT, re.DOTALL)


def test_the_page_runs_in_order_and_prints_what_it_shows(tmp_path, monkeypatch, capsys, one_thread):
    shutil.copy(REPOSITORY / "tests" / "data" / "small.toml", tmp_path)
    monkeypatch.chdir(tmp_path)
    names, printed, n_shown = {}, "", 0
    for kind, block in BLOCKS:
        if kind == "python":
            exec(compile(block, "docs/python.md", "exec"), names)
            printed = capsys.readouterr().out
            continue
        for line in block.strip().splitlines():
            assert line in printed.splitlines(), line
            n_shown += 1
    assert n_shown > 10


@pytest.mark.parametrize("name", cladescope._VERBS)
def test_the_page_shows_every_function(name):
    assert f"`{name}`" in TEXT
    assert f"cladescope.{name}(" in TEXT


def test_the_readme_points_to_the_page():
    assert "](docs/python.md)" in (REPOSITORY / "README.md").read_text()
