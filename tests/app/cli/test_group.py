"""What `--help` says of a verb before its module is loaded is what the verb says of itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cladescope.app.cli import VERBS, app, help_page
from cladescope.app.cli.group import SECTIONS
from tests.conftest import REPOSITORY

COMMANDS = typer.main.get_group(app).commands


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_listed_with_the_first_sentence_of_its_help(verb):
    command = COMMANDS[verb]
    assert command.name == verb
    assert re.match(r".*?\.(?=\s|$)", command.help).group() == VERBS[verb]


def test_every_file_of_a_verb_is_listed():
    files = [
        path for path in (REPOSITORY / "app" / "cli").glob("*.py") if "\n    Example: cladescope " in path.read_text()
    ]
    assert {path.stem.rstrip("_") for path in files} == set(VERBS)


def test_help_loads_no_verb():
    code = "import sys; from cladescope.app.cli import app\ntry: app(['--help'])\nfinally: print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert "Draw a map of the pictures" in ended.stdout
    loaded = set(ended.stdout.splitlines()[-1].split())
    assert {name for name in loaded if name.startswith("cladescope.app.cli.")} == {
        "cladescope.app.cli.command",
        "cladescope.app.cli.group",
        "cladescope.app.cli.statuses",
        "cladescope.app.cli.usage_words",
    }
    assert not loaded & {"numpy", "pyarrow", "rich.table", "cladescope.embedding"}


def test_a_misspelt_verb_is_told_the_nearest(misused):
    assert "Did you mean 'search'" in misused("serch")
    assert "No such command" in misused("xyz")


def test_the_module_of_each_verb_is_named_after_it():
    for verb in VERBS:
        file = Path(sys.modules[COMMANDS[verb].callback.__module__].__file__)
        assert file.stem.rstrip("_") == verb


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_parses_calls_and_prints_in_150_lines(verb):
    file = Path(sys.modules[COMMANDS[verb].callback.__module__].__file__)
    text = file.read_text()
    assert len(text.splitlines()) <= 150
    assert "from cladescope.app.verbs" in text


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_whole_at_80_columns(run, monkeypatch, verb):
    monkeypatch.setenv("COLUMNS", "80")
    ended = run("help", verb)
    assert ended == run(verb, "--help")
    lines = ended.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not re.search(r"<(int|float|str|list|Any|path)\b|x>=", ended.out)
    said = "".join(ended.out.split())
    for option in COMMANDS[verb].params:
        assert option.opts[0] in said or option.param_type_name == "argument"
        assert "".join((option.help or "").split()) in said


def test_help_lists_each_verb_once_under_the_question_that_it_answers(run):
    ended = run("help")
    assert ended == run("--help")
    listed = [line.split()[0] for line in ended.out.splitlines() if re.match(r"  [a-z]+  +[A-Z]", line)]
    assert listed == list(VERBS)
    titles = [
        line.rstrip(":") for line in ended.out.splitlines() if line and not line.startswith((" ", "Usage", "What"))
    ]
    assert all("".join(told.split()) in "".join(ended.out.split()) for told in VERBS.values())
    assert titles == ["Options", *SECTIONS]


def test_what_must_be_given_stands_first_and_every_section_names_options_that_there_are(run):
    names = {option.name for command in COMMANDS.values() for option in command.params} | {"help"}
    for title, listed in help_page.SECTIONS.items():
        assert not set(listed.split()) - names, title
    first = run("map", "--help").out.partition("\nOptions:\n")[2]
    assert first.lstrip().startswith("--out")
