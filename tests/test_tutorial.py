"""The tutorial does what it says: its commands run in order as they stand there, and print what it shows."""

import re
import shlex

import pytest
from PIL import Image

from tests.app.cli.command_line import run  # noqa: F401
from tests.conftest import REPOSITORY

TUTORIAL = REPOSITORY / "docs" / "tutorial.md"
TEXT = TUTORIAL.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|text)\n(.*?)```", TEXT, re.DOTALL)
MADE = {"simulate": 2, "embed": "--store", "fit": "--out", "map": "--out", "probe": "--out", "report": "--out"}
"""Where a verb writes: behind this option, or at this place."""


def shape(text):
    """A text whose numbers and spaces do not count."""
    return re.sub(r"\s+", " ", re.sub(r"\d[\d,.]*", "#", text)).strip()


def test_the_commands_run_in_order_and_print_what_is_shown(run, tmp_path, monkeypatch, one_thread):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    printed, n_commands = "", 0
    for kind, block in BLOCKS:
        if kind == "text":
            for line in block.strip().splitlines():
                assert shape(line) in shape(printed), line
            continue
        printed = ""
        for line in block.strip().splitlines():
            program, *arguments = shlex.split(line)
            assert program == "cladescope"
            ended = run(*arguments)
            assert ended.status == 0, (line, ended.err)
            printed += ended.out
            n_commands += 1
            if (place := MADE.get(arguments[0])) is not None:
                written = arguments[1] if place == 2 else arguments[arguments.index(place) + 1]
                assert (tmp_path / written).exists(), line
    assert n_commands == len(re.findall(r"^cladescope ", TEXT, re.MULTILINE)) == 12
    named = [
        "hits.png",
        "map/map.html",
        "map/map.png",
        "map/coordinates.parquet",
        "report/report.html",
        "report/report.json",
    ]
    for name in named:
        assert f"`{name}`" in TEXT
        assert (tmp_path / name).exists()


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)\)", TEXT))
def test_what_the_tutorial_points_to_is_there(target):
    path = TUTORIAL.parent / target
    assert path.exists()
    if path.suffix in (".png", ".jpg"):
        assert path.stat().st_size < 150_000
        with Image.open(path) as picture:
            assert min(picture.size) > 300
