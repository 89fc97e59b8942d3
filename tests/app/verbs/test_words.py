"""Messages serve Python and the command line alike: below `app/cli` none speaks of an option or of a command."""

import ast
import re

import pytest

from tests.conftest import REPOSITORY

ROOMS = ("cladescope", "embedding", "index", "analysis", "training", "app")
COMMAND_LINE = re.compile(r"(?<![\w-])--[a-z]|`cladescope ")
PAGES = {
    "app/verbs/demo.py": "shows the commands that do the same",
    "analysis/benchmark/page.py": "the head of a written page",
    "training/loop/export.py": "the README of a checkpoint",
}
"""Files whose texts are no messages."""
FILES = [
    path
    for room in ROOMS
    for path in sorted((REPOSITORY / room).rglob("*.py"))
    if "cli" not in path.parts and str(path.relative_to(REPOSITORY)) not in PAGES
]


def texts(tree):
    """The texts of a module that are no docstrings."""
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare
    ]


@pytest.mark.parametrize("text", ["choose another --out", "run `cladescope index` again"])
def test_an_option_or_command_in_a_message_is_found(text):
    assert [one for one in texts(ast.parse(f'"""Doc --x."""\nraise ValueError({text!r})')) if COMMAND_LINE.search(one)]


def test_no_message_below_the_command_line_speaks_of_its_options():
    found = [
        f"{path.relative_to(REPOSITORY)}: {text}"
        for path in FILES
        for text in texts(ast.parse(path.read_text(encoding="utf-8")))
        if COMMAND_LINE.search(text)
    ]
    assert not found, "\n".join(found)
