"""Mutants of a file: what is changed, what is left alone, and why some count as equivalent."""

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
    logger.info("found", zip([8], [9], strict=True))
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


def test_an_equivalent_mutant_has_a_reason_and_is_another_line_than_its_own(mutation):
    equivalents = importlib.import_module("equivalence").equivalents()
    assert len(equivalents) > 20
    for (file, _, line, mutated), reason in equivalents.items():
        assert (REPOSITORY / file).exists()
        assert mutated != line
        assert reason.endswith(".")
