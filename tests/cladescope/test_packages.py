"""What is said where a package is missing, for all packages that the code imports."""

import ast
import re
import sys
import tomllib

import pytest

import cladescope.app.cli
from cladescope.packages import PACKAGES, is_known, not_installed
from tests.conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
ALWAYS = {"PIL", "braceexpand", "filelock", "fsspec", "ftfy", "jaxtyping", "numpy", "platformdirs", "pyarrow", "regex", "rich"} | {
    "safetensors", "threadpoolctl", "typer", "urllib3"
}  # fmt: skip
"""Modules without which no command starts: Python's own error says what is missing."""


def imported():
    """Top modules that any file of the house imports, in whatever line."""
    found = set()
    for folder in ("cladescope", "embedding", "index", "analysis", "training", "app"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"cladescope"}


def test_every_package_that_is_imported_is_known():
    assert imported() - ALWAYS - set(PACKAGES) == set()
    by_others = {"multipart", "python_multipart", "tensorboard", "torchvision"}  # of starlette and torch
    assert set(PACKAGES) - imported() - by_others == set()


@pytest.mark.parametrize("module", PACKAGES)
def test_what_is_asked_of_pip_brings_the_package(module):
    asked = PACKAGES[module]
    extras = PROJECT["optional-dependencies"]
    if extra := re.fullmatch(r"'cladescope\[(\w+)\]'", asked):
        assert module.replace("_", "-") in " ".join(extras[extra[1]])
    else:
        declared = [*PROJECT["dependencies"], *extras["dev"]]
        assert asked.lower() in {re.match(r"[\w-]+", line)[0].lower() for line in declared}


@pytest.mark.parametrize("module", PACKAGES)
def test_a_command_that_lacks_a_package_ends_in_a_line_that_says_what_to_install(module, fails, monkeypatch):
    def lacks():
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr("cladescope.app.verbs.doctor.doctor", lacks)
    assert fails("doctor") == f"error: {not_installed(module)}"


def test_a_module_of_our_own_that_is_missing_is_a_bug_and_no_package(run, monkeypatch):
    def lacks():
        raise ModuleNotFoundError("No module named 'cladescope.embbeding'", name="cladescope.embbeding")

    assert not is_known("cladescope.embbeding")
    monkeypatch.setattr("cladescope.app.verbs.doctor.doctor", lacks)
    ended = run("doctor")
    assert ended.status == 1
    assert "unexpected" in ended.err
    assert cladescope.app.cli.VERBS


def test_a_map_without_umap_and_a_frame_without_pandas_say_so(store, fails, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "umap", None)
    monkeypatch.setitem(sys.modules, "umap.umap_", None)
    assert fails("map", store.path, "--out", tmp_path / "m") == f"error: {not_installed('umap')}"
