"""Mutants of a file: what is changed, what is left alone, and that those told to be equivalent still exist."""

import ast
import importlib

import pytest

from tests.conftest import REPOSITORY

SOURCE = '''"""Steps of 2."""
LEAST = 2

@cached(size=3)
def kept(value: "Float[n 4]", *, most: int = 5) -> bool:
    """At most 6."""
    if not value:
        raise ValueError(f"{value + 7} is none")
    logger.info("found", 8)
    return (
        LEAST < value
        <= most
    )
'''


@pytest.fixture
def mutation(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks" / "mutants"))
    return importlib.import_module("mutation")


def test_comparisons_operators_and_constants_are_changed_and_neither_messages_nor_annotations(mutation):
    found = [(one.function, one.line, one.mutated) for one in mutation.mutants_of("a.py", SOURCE)]
    head = 'def kept(value: "Float[n 4]", *, most: int = 5) -> bool:'
    assert found == [
        ("", "LEAST = 2", "LEAST = 3"),
        ("kept", head, head.replace("5", "6")),
        ("kept", "if not value:", "if value:"),
        ("kept", "LEAST < value", "LEAST <= value"),
        ("kept", "LEAST < value", "LEAST < value < most"),  # an operator takes its line's break with it
    ]


def test_lines_of_one_statement_run_together_and_defaults_on_import(mutation):
    places = mutation.Places(ast.parse(SOURCE))
    assert list(places.together(11)) == [10, 11, 12, 13]
    assert list(places.together(7)) == [7]
    assert [places.outer(line) for line in (2, 5, 7, 11)] == ["", "", "kept", "kept"]


def test_every_line_that_is_told_to_have_equivalent_mutants_is_there(mutation):
    equivalents = importlib.import_module("equivalence").equivalents()
    lines = {}
    for (file, _, line, mutated), reason in equivalents.items():
        if file not in lines:
            lines[file] = {text.strip() for text in (REPOSITORY / file).read_text().splitlines()}
        assert line in lines[file], f"{file}: {line}"
        assert mutated != line
        assert reason.endswith(".")
    assert len(equivalents) > 20
