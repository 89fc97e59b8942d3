"""docs/api.md is written from docstrings: it is fresh, and shows what `cladescope` offers."""

import os
import re
import subprocess
import sys

import pytest

import cladescope
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_page_is_fresh():
    written = subprocess.run(
        [sys.executable, "docs/write_api.py", "--print"],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert written.stdout == PAGE, "run `make docs`"


@pytest.mark.parametrize("name", [*cladescope._VERBS, "open"])
def test_every_function_stands_on_it_with_what_it_takes_and_an_example(name):
    section = PAGE.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
    assert f"cladescope.{name}(" in section
    assert ">>> " in section


def test_it_shows_no_address_of_an_object_and_names_types_without_their_modules():
    assert " at 0x" not in PAGE
    signatures = "".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    assert "cladescope.index" not in signatures
    assert "collections.abc" not in signatures


def test_code_blocks_are_closed():
    assert PAGE.count("```") % 2 == 0
