"""docs/architecture.md is true: what it names exists, and is called in the order that it tells."""

import importlib
import re
import sys
import threading

import pytest
from typer.testing import CliRunner

from cladescope.app.cli import app
from cladescope.simulation import SimulationConfig, simulate
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "architecture.md").read_text()
NAMES = re.findall(r"`((?:app|analysis|embedding|index|taxonomy)(?:\.\w+)+)`", PAGE)
PATHS = {re.findall(r"`(\w+)`", part)[0]: part for part in PAGE.split("\n## One ")[1:]}


def found(name):
    """What a dotted name stands for."""
    parts = name.split(".")
    for n_modules in range(len(parts), 0, -1):
        try:
            there = importlib.import_module(".".join(["cladescope", *parts[:n_modules]]))
        except ModuleNotFoundError:
            continue
        for part in parts[n_modules:]:
            there = getattr(there, part)
        return there
    raise AssertionError(f"no module for {name}")


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_what_the_page_names_exists(name):
    assert found(name) is not None


def test_each_path_is_told_in_ten_steps():
    assert list(PATHS) == ["embed", "search", "predict"]
    for part in PATHS.values():
        assert re.findall(r"^(\d+)\. ", part, re.MULTILINE) == [str(number) for number in range(1, 11)]


def calls(arguments):
    """Functions of ours in the order in which they are first called by a command, in all of its threads."""
    seen = {}

    def note(frame, event, _):
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("cladescope."):
            seen.setdefault(f"{module.removeprefix('cladescope.')}.{frame.f_code.co_qualname}", len(seen))

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        ended = CliRunner().invoke(app, arguments)
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    assert ended.exit_code == 0, ended.output
    return seen


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traced")
    clades = folder / "clades"
    # Taxa of no other test: a lineage that was cleaned before is not cleaned again.
    simulate(clades, SimulationConfig(species=6, images=6, seed=1859, size=64))
    store, classifier = str(folder / "clades.store"), str(folder / "species.safetensors")
    picture = str(sorted(clades.glob("images/*/*.jpg"))[0])
    embedded = calls(["embed", str(clades / "metadata.csv"), "--store", store, "--encoder", "pixels"])
    fitted = CliRunner().invoke(app, ["fit", store, "--rank", "species", "--out", classifier])
    assert fitted.exit_code == 0, fitted.output
    return {
        "embed": embedded,
        "search": calls(["search", store, "--image", picture]),
        "predict": calls(["predict", picture, "--classifier", classifier, "--risk", "0.9", "--encoder", "pixels"]),
    }


@pytest.mark.parametrize("verb", PATHS)
def test_the_functions_are_called_in_the_order_told(traced, verb):
    told = [name for name in dict.fromkeys(re.findall(r"`([a-z_.]+\.\w+(?:\.\w+)*)`", PATHS[verb])) if name in NAMES]
    told = [name for name in told if not isinstance(found(name), type)]
    assert len(told) >= 10
    order = traced[verb]
    assert [name for name in told if name not in order] == []
    assert told == sorted(told, key=order.__getitem__)
