"""Kinds of wrong usage, each tried on every verb that can meet it: one line in our words, before anything is loaded or written.

All commands run one after another in one process of their own, so that what they load can be seen.
"""

import inspect
import json
import os
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import typer
from PIL import Image

from cladescope.app.cli import app
from cladescope.app.cli.places import FREE, WRITTEN
from tests.conftest import REPOSITORY

COMMANDS = typer.main.get_group(app).commands
CHOICES = {"protocol": "few-shot", "action": "match", "to": "qdrant"}
"""Arguments that take one of some words."""
LIBRARY = (
    "value error",
    "input should",
    "validation",
    "pydantic",
    "type=",
    "unable to parse",
    "errno",
    "traceback",
    "typer",
    "argparse",
)
"""Words of libraries, which tell a user nothing."""
RUNNER = """
import contextlib, io, json, os, sys
from cladescope.app.cli import main

HEAVY = {"torch", "onnxruntime", "lancedb", "open_clip", "faiss"}

def listing():
    return sorted((os.path.join(at, name), os.path.getsize(os.path.join(at, name))) for at, _, names in os.walk(".") for name in names)

before, ended = listing(), []
for arguments in json.load(open(sys.argv[1])):
    sys.argv = ["cladescope", *arguments]
    loaded, out, err, status = set(sys.modules), io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code
    heavy = sorted(HEAVY & (set(sys.modules) - loaded))
    ended.append([status, out.getvalue(), err.getvalue(), heavy, listing() == before])
print(json.dumps(ended))
"""


def hint(verb, option):
    """The types that a value may have."""
    found = typing.get_type_hints(inspect.unwrap(COMMANDS[verb].callback))[option.name]
    return {found, *typing.get_args(found), *(a for b in typing.get_args(found) for a in typing.get_args(b))}


def command(verb, option, value):
    """A command whose option or argument has this value; what else must be given is there."""
    words = [verb]
    for one in COMMANDS[verb].params:
        if one is not option and not one.required:
            continue
        text = value if one is option else CHOICES.get(one.name, "new" if one.name in WRITTEN else "photos")
        if one.name == "out" and one is not option and ".safetensors" in str(one.metavar):
            text = "new.safetensors"
        words += [one.opts[0], text] if one.param_type_name == "option" else [text]
    return words


def options(chosen):
    return [(verb, one) for verb, made in COMMANDS.items() for one in made.params if chosen(verb, one)]


def is_option(one):
    return one.param_type_name == "option"


def is_number(verb, one):
    return is_option(one) and bool({int, float} & hint(verb, one))


def is_read(verb, one):
    return is_option(one) and Path in hint(verb, one) and one.name not in WRITTEN | FREE


def is_written(verb, one):
    return is_option(one) and Path in hint(verb, one) and one.name in WRITTEN


VALUES = {
    "a value out of range": [
        *(command(verb, one, "-1000") for verb, one in options(is_number)),
        *(command(verb, one, "nan") for verb, one in options(lambda verb, one: is_number(verb, one) and float in hint(verb, one))),
        ["search", "photos", "--id", "a", "--near", "91,0,5"], ["search", "photos", "--id", "a", "--near", "1,2"],
        ["index", "photos", "--max-memory", "lots"], ["index", "photos", "--target-recall", "0"],
        ["fit", "photos", "--out", "c.safetensors", "--shrinkage", "-1"], ["fit", "photos", "--out", "c.safetensors", "--text-weight", "x"],
        ["duplicates", "photos", "--near", "2"], ["duplicates", "photos", "--near", "nan"], ["evaluate", "few-shot", "photos", "--shots", "0"],
        ["evaluate", "few-shot", "photos", "--shots", "1,x"], ["embed", "photos", "--store", "s", "--shard", "4/3"],
        ["audit", "photos", "--out", "a", "--limit", "3"], ["simulate", "new", "--size", "5000"], ["predict", "photos", "--risk", "2"],
    ],
    "a wrong ending": [
        command(verb, one, "new.doc") for verb, one in options(lambda verb, one: is_written(verb, one) and "." in str(one.metavar))
    ],
    "a folder where a file is written": [
        command(verb, one, "plain.csv") for verb, one in options(lambda verb, one: is_written(verb, one) and ".csv" in str(one.metavar))
    ],
    "a place that cannot be written": [
        *(command(verb, one, f"/dev/null/x{ending}") for verb, one in options(is_written)
          for ending in [str(one.metavar).partition("FILE")[2].partition("|")[0]]),
        *(command(verb, one, f"/proc/x{ending}") for verb, one in options(is_written)
          for ending in [str(one.metavar).partition("FILE")[2].partition("|")[0]]),
    ],
    "an argument too many": [["train", "fine-tune", "photos"], ["doctor", "photos"], ["info", "photos", "plain"]],
    "nothing to learn from": [["train", "fine-tune"], ["train", "fine-tune", "--resume"]],
    "a file that an option names and that is not there": [
        command(verb, one, "none.csv") for verb, one in options(is_read)
    ],
    "a folder that is no store": [
        *(command(verb, one, "plain") for verb, one in options(lambda verb, one: is_read(verb, one) and one.metavar == "STORE")),
        *(command(verb, one, "notes.txt") for verb, one in options(lambda verb, one: is_read(verb, one) and one.metavar == "STORE")),
    ],
    "a word that is none of the choices": [
        ["duplicates", "photos", "--near", "simmilar"], ["embed", "photos", "--store", "s", "--types", "width"],
        ["embed", "photos", "--store", "s", "--types", "width=txt"], ["embed", "photos", "--store", "s", "--labels-from", "folders"],
        ["index", "photos", "--kind", "hsnw"], ["evaluate", "zero-shot", "photos", "--text", "latin"],
        ["embed", "photos", "--store", "s", "--progress", "nome"], ["train", "tini"], ["train", "tiny", "--set", "loop.epoch=3"],
    ],
    "a picture or a folder of them where a store is expected": [
        ["search", "photos/a.jpg"], ["search", "photos"], ["search", "photos", "plain"], ["search", "photos/a.jpg", "photos/b.jpg", "plain"],
    ],
    "options that exclude each other": [
        *([*command(verb, None, ""), "--json", "--csv"] for verb, made in COMMANDS.items()
          if {"json", "csv"} <= {one.name for one in made.params}),
        *([*command(verb, None, ""), "--out", "new.csv", "--json"] for verb in ("predict", "info")),
        ["search", "photos", "--id", "a", "--out", "new.json", "--csv"],
        ["predict", "photos", "--by", "move"], ["map", "photos", "--out", "m", "--onto", "plain", "--drill-down"],
    ],
}  # fmt: skip
"""Commands by what is wrong with them; status 2."""
ENCODER = ("embed", "fit", "predict", "evaluate")
FAILURES = {
    "an encoder that is misspelt": [
        [*command(verb, None, ""), "--encoder", name] for verb in ENCODER for name in ("tyni", "bioclip-2", "ViT-B-61/openai")
    ],
    "a folder that is no store, as the argument": [
        command(verb, one, place)
        for verb, one in options(lambda verb, one: not is_option(one) and one.metavar == "STORE")
        for place in ("plain", "none", "notes.txt")
        if verb not in ("search", "delete")
    ]
    + [[verb, place, "--id", "a"] for verb in ("search", "delete") for place in ("plain", "none", "notes.txt")],
    "a place without pictures": [["predict", "none"], ["predict", "none.jpg"], ["predict", "notes.pdf"], ["duplicates", "none"], ["evaluate", "few-shot", "none"]],
    "a text where a picture is expected": [["predict", "notes.txt"], ["predict", "photos/words.jpg"], ["predict", "a bird"]],
    "arguments that were swapped": [["embed", "none.store", "--store", "photos"], ["predict", "photos", "--classifier", "photos/a.jpg"]],
}  # fmt: skip
"""Commands that fail: what they name is not what they need; status 1."""
CASES = [
    (kind, words, status)
    for table, status in ((VALUES, 2), (FAILURES, 1))
    for kind, all_ in table.items()
    for words in all_
]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """How each command ended, what it loaded, and whether all files are as before."""
    folder = tmp_path_factory.mktemp("usage")
    (folder / "photos").mkdir()
    (folder / "plain").mkdir()
    (folder / "plain.csv").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (64, 48), "teal").save(folder / "photos" / f"{name}.jpg")
    (folder / "notes.pdf").write_text("no picture")
    (folder / "notes.txt").write_text("no picture, no store, no table")
    (folder / "photos" / "words.jpg").write_text("no picture")
    cases = tmp_path_factory.mktemp("cases") / "cases.json"
    cases.write_text(json.dumps([words for _, words, _ in CASES]))
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(cases)], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("place", range(len(CASES)), ids=[f"{kind}: {' '.join(words)}" for kind, words, _ in CASES])
def test_wrong_usage_is_one_line_before_anything_is_loaded_or_written(ended, place):
    kind, words, status = CASES[place]
    got, out, err, heavy, is_untouched = ended[place]
    assert (got, out) == (status, ""), err
    (line,) = [said for said in err.splitlines() if not said.startswith(("encoder ", "choosing among"))]
    assert line.startswith("error: ")
    assert not [word for word in LIBRARY if word in line.lower()], line
    assert len(line) < 600
    assert is_untouched
    assert kind == "a text where a picture is expected" or heavy == [], heavy


def test_what_to_learn_from_is_pointed_to_its_option(ended):
    place = next(place for place, (_, one, _) in enumerate(CASES) if one == ["train", "fine-tune", "photos"])
    assert "found photos as well, expected CONFIG.toml alone; what to learn from goes after --data" in ended[place][2]


@pytest.mark.parametrize(
    "words, meant",
    [
        (["predict", "photos", "--encoder", "tyni"], "tiny"),
        (["embed", "photos", "--store", "s", "--progress", "nome"], "none"),
        (["embed", "photos", "--store", "s", "--types", "width=txt"], "text"),
        (["index", "photos", "--kind", "hsnw"], "hnsw"),
        (["train", "tini"], "tiny"),
        (["info", "photos", "plain"], None),
        (["train", "tiny", "--set", "loop.epoch=3"], "epochs"),
        (["evaluate", "zero-shot", "photos", "--text", "latin"], None),
        (["embed", "photos", "--store", "s", "--labels-from", "folders"], "folder"),
    ],
)  # fmt: skip
def test_a_near_word_is_asked_for(ended, words, meant):
    place = next(place for place, (_, one, _) in enumerate(CASES) if one == words)
    said = ended[place][2]
    assert (f"did you mean {meant}" in said) if meant else ("expected" in said), said


@pytest.fixture
def many_variants(run, clades, tmp_path):
    """A store of the clades with a column of fourteen values."""
    rows = (clades / "metadata.csv").read_text().splitlines()
    lines = [f"{row},{number % 14}" for number, row in enumerate(rows)]
    lines[0] = f"{rows[0]},morph"
    (clades / "variants.csv").write_text("\n".join(lines))
    store = tmp_path / "variants.store"
    assert run("embed", clades / "variants.csv", "--store", store, "--encoder", "pixels").status == 0
    return store


def test_a_variant_with_fourteen_values_is_refused_before_anything_is_measured(
    fails, many_variants, tmp_path, monkeypatch
):
    monkeypatch.setattr("cladescope.analysis.probes.run.nearest_others", None)
    for verb in ("probe", "report"):
        said = fails(verb, many_variants, "--variant", "morph", "--out", tmp_path / "out")
        assert "has 14 values among these pictures, expected two, such as female and male" in said
        said = fails(verb, many_variants, "--variant", "morf", "--out", tmp_path / "out")
        assert "did you mean morph?" in said
    assert not (tmp_path / "out").exists()


def test_a_tree_of_other_species_is_refused_before_anything_is_measured(fails, store, tmp_path, monkeypatch):
    monkeypatch.setattr("cladescope.analysis.probes.run.nearest_others", None)
    (tmp_path / "birds.nwk").write_text("((Parus_major:1,Parus_ater:1):1,Corvus_corax:2);")
    for verb in ("probe", "report"):
        said = fails(verb, store.path, "--tree", tmp_path / "birds.nwk", "--out", tmp_path / "out")
        assert "none of" in said
    assert not (tmp_path / "out").exists()


def test_more_neighbours_than_pictures_are_refused_before_anything_is_laid_out(fails, store, tmp_path, monkeypatch):
    monkeypatch.setattr("cladescope.analysis.maps.run.fit_map", None)
    said = fails("map", store.path, "--neighbours", 48, "--out", tmp_path / "out")
    assert "48 neighbours of 48 pictures: give fewer than there are pictures" in said
    assert not (tmp_path / "out").exists()


def test_a_store_in_place_of_pictures_and_pictures_in_place_of_a_store_are_told(
    fails, misused, store, photos, tmp_path
):
    before = sorted(path.name for path in store.path.iterdir())
    assert "is a store" in fails("embed", store.path, "--store", tmp_path / "new.store")
    assert "is no empty folder" in fails("embed", photos, "--store", photos)
    assert "holds" in fails("simulate", store.path, "--species", 2, "--images", 1)
    assert sorted(path.name for path in store.path.iterdir()) == before
    assert not (tmp_path / "new.store").exists()


def test_a_classifier_in_place_of_a_picture_or_a_store_is_told(run, fails, store, query, tmp_path):
    file = tmp_path / "genus.safetensors"
    run("fit", store.path, "--rank", "genus", "--out", file)
    for words in (("predict", file), ("search", store.path, "--image", file)):
        ended = run(*words)
        assert (ended.status, ended.out) == (1, "")
        assert "genus.safetensors" in ended.err.splitlines()[-1]
    assert "is a file" in fails("info", file)
    assert "expected a file that fit has written" in fails("predict", query, "--classifier", query)
