"""What no verb does in silence: take the last of two values, or make a folder called `s3:`."""

import inspect
import typing
from enum import StrEnum
from pathlib import Path

import pytest
import typer

from cladescope.app.cli import app

COMMANDS = typer.main.get_group(app).commands


def takes_path(command, option):
    hint = typing.get_type_hints(inspect.unwrap(command.callback))[option.name]
    return Path in (hint, *typing.get_args(hint), *(a for b in typing.get_args(hint) for a in typing.get_args(b)))


def options(chosen):
    return [
        pytest.param(verb, option, id=f"{verb}-{option.opts[0]}")
        for verb, command in COMMANDS.items()
        for option in command.params
        if chosen(command, option)
    ]


def required(command, *, but):
    """Values for whatever a command insists on, in the order of the command line."""
    words = []
    for option in command.params:
        if option is but or not option.required:
            continue
        value = "few-shot" if option.name == "protocol" else "x"
        words += [option.opts[0], value] if option.param_type_name == "option" else [value]
    return words


def single(command, option):
    return option.param_type_name == "option" and not (option.multiple or option.is_flag)


@pytest.mark.parametrize("verb, option", options(single))
def test_an_option_that_takes_one_value_refuses_a_second(misused, tmp_path, monkeypatch, verb, option):
    monkeypatch.chdir(tmp_path)
    twice = [option.opts[0], "1", option.opts[0], "2"]
    said = misused(verb, *required(COMMANDS[verb], but=option), *twice)
    assert f"{option.opts[0]} is given twice, expected once" in said
    assert list(tmp_path.iterdir()) == []


CHOICES = {"protocol": "few-shot", "action": "match", "to": "qdrant"}
"""Arguments that take one of some words."""


def in_place(command, option, value):
    """The words of a command whose option or argument has this value."""
    words = []
    for one in command.params:
        if one is not option and not one.required:
            continue
        text = value if one is option else CHOICES.get(one.name, "x")
        words += [one.opts[0], text] if one.param_type_name == "option" else [text]
    return words


@pytest.mark.parametrize("verb, option", options(takes_path))
def test_a_url_is_refused_wherever_a_local_path_is_expected(fails, tmp_path, monkeypatch, verb, option):
    monkeypatch.chdir(tmp_path)
    said = fails(verb, *in_place(COMMANDS[verb], option, "s3://bucket/x"))
    assert said == "error: found s3://bucket/x, expected a local path: only stores and sources may lie elsewhere"
    assert list(tmp_path.iterdir()) == []


def test_the_sweep_knows_every_place_that_is_written_to():
    swept = {(one.values[0], one.values[1].opts[0]) for one in options(takes_path)}
    assert {("map", "--out"), ("search", "--sheet"), ("fit", "--out"), ("probe", "--compare")} <= swept
    assert len(swept) > 30


def test_options_that_may_repeat_still_do(run, store, query):
    several = ("--image", query, "--image", query)
    assert run("search", store.path, *several, "--json").status == 0
    assert run("search", store.path, "--image", query, "--json", "--json").status == 0


LIBRARY = ("value error", "input should", "validation error", "pydantic", "type=", "unable to parse", "basemodel")
"""Words of a library that checks values, which tell a user nothing."""


def kinds(command, option):
    """The types that a value may have."""
    hint = typing.get_type_hints(inspect.unwrap(command.callback))[option.name]
    parts = [hint, *typing.get_args(hint), *(a for b in typing.get_args(hint) for a in typing.get_args(b))]
    return {one for one in parts if isinstance(one, type)}


def called(option):
    return option.opts[0] if option.param_type_name == "option" else option.metavar


def is_choice(command, option):
    return any(issubclass(one, StrEnum) for one in kinds(command, option))


def is_number(command, option):
    return bool({int, float} & kinds(command, option))


def is_bounded(command, option):
    return is_number(command, option) and (option.min is not None or option.max is not None)


def test_the_sweeps_know_choices_and_numbers_of_all_verbs():
    choices, numbers = ({(one.values[0], one.values[1].name) for one in options(of)} for of in (is_choice, is_number))
    assert {("embed", "device"), ("evaluate", "protocol"), ("search", "per"), ("fit", "runtime")} <= choices
    assert {("embed", "batch_size"), ("predict", "risk"), ("map", "dim")} <= numbers


@pytest.mark.parametrize("verb, option", options(is_choice))
def test_a_word_that_is_no_choice_is_told_in_our_words(misused, tmp_path, monkeypatch, verb, option):
    monkeypatch.chdir(tmp_path)
    said = misused(verb, *in_place(COMMANDS[verb], option, "zebra"))
    (choices,) = (one for one in kinds(COMMANDS[verb], option) if issubclass(one, StrEnum))
    assert said.startswith(f"error: {called(option)}: 'zebra' is not one of")
    assert all(repr(str(one)) in said for one in choices)
    assert not any(word in said.lower() for word in LIBRARY)


@pytest.mark.parametrize("verb, option", options(is_number))
def test_a_word_in_place_of_a_number_is_told_in_our_words(misused, tmp_path, monkeypatch, verb, option):
    monkeypatch.chdir(tmp_path)
    said = misused(verb, *in_place(COMMANDS[verb], option, "zebra"))
    whole = "a whole number" if int in kinds(COMMANDS[verb], option) else "a number"
    assert said == f"error: {called(option)}: found 'zebra', expected {whole} (cladescope {verb} --help)"


@pytest.mark.parametrize("verb, option", options(is_bounded))
def test_a_number_beyond_its_ends_is_told_in_our_words(misused, tmp_path, monkeypatch, verb, option):
    monkeypatch.chdir(tmp_path)
    beyond = str(option.max + 1 if option.max is not None else option.min - 1)
    said = misused(verb, *in_place(COMMANDS[verb], option, beyond))
    assert said.startswith(f"error: {called(option)}: found '{beyond}', expected a number ")
    assert not any(word in said.lower() for word in LIBRARY)


@pytest.mark.parametrize("verb, option", options(is_choice))
def test_a_misspelt_choice_is_told_the_nearest(misused, tmp_path, monkeypatch, verb, option):
    monkeypatch.chdir(tmp_path)
    (choices,) = (one for one in kinds(COMMANDS[verb], option) if issubclass(one, StrEnum))
    word = max(map(str, choices), key=len)
    assert misused(verb, *in_place(COMMANDS[verb], option, word + "z")).endswith(f"(did you mean {word}?)")


@pytest.mark.parametrize("verb, option", options(lambda command, option: option.param_type_name == "option"))
def test_a_misspelt_option_is_told_the_nearest(misused, verb, option):
    name = max(option.opts, key=len)
    if len(name) < 5:
        pytest.skip("too short to be misspelt")
    assert misused(verb, f"{name}z").endswith(f"(did you mean {name}?)")


@pytest.mark.parametrize(
    "verb", [verb for verb, command in COMMANDS.items() if any(one.required for one in command.params)]
)
def test_wrong_usage_is_one_line(run, verb):
    ended = run(verb)
    assert (ended.status, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("error: Missing ")
    assert line.endswith(f"(cladescope {verb} --help)")


def test_a_store_may_come_before_or_after_the_picture(run, store, query):
    before = run("search", store.path, query, "-k", "3", "--json")
    after = run("search", query, store.path, "-k", "3", "--json")
    named = run("search", store.path, "--image", query, "-k", "3", "--json")
    assert before.json == after.json == named.json
    two = run("search", query, query, store.path, "--json").json
    assert two["query"]["images"] == [str(query), str(query)]


def test_a_table_of_labels_may_come_before_the_store(fails, store, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file,species\nnone.jpg,Parus major\n")
    said = fails("relabel", table, store.path)
    assert said == fails("relabel", store.path, table)
    assert f"names one picture of {store.path}" in said


def test_what_is_to_be_done_may_come_after_what_it_is_done_to(misused):
    said = misused("evaluate", "birds.csv", "few-shot", "--shots", "x")
    assert "found --shots 'x'" in said
