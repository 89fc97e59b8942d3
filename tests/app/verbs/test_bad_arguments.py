"""What a Python caller may get wrong is refused in one line that names the argument, before any work is done."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import cladescope
from cladescope.errors import CladescopeError, InputError
from tests.conftest import REPOSITORY


def refusal(call):
    with pytest.raises(CladescopeError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert " --" not in text
    return text


WRONG_TYPES = """
import sys
import cladescope
from cladescope.errors import InputError

store = sys.argv[1]
verbs = ("info", "verify", "build_index", "audit", "map", "probe", "report", "fit")
for given in (5, None, b"x", object()):
    calls = [(lambda v=v: getattr(cladescope, v)(given), "expected a") for v in verbs]
    calls += [(lambda: cladescope.simulate(given), "expected a path"), (lambda: cladescope.embed(b'picture', given), "expected a ")]
    calls += [(lambda: cladescope.import_vectors(given, "i.store", encoder="unknown"), "expected a path")]
    if given is not None:
        calls += [(lambda v=v: getattr(cladescope, v)(store, out=given), "expected a path") for v in verbs[3:]]
        calls += [(lambda: cladescope.predict(store, classifier=given), "expected a path")]
    if not isinstance(given, bytes):
        calls += [(lambda: cladescope.search(store, given), "expected a picture")]
        calls += [(lambda: cladescope.embed(given, "x.store"), "expected a picture")]
    if given is not None:
        words = ("image_id", "taxon", "not_taxon", "not_image_id", "same")
        calls += [(lambda word=word: cladescope.search(store, b"picture", **{word: given}), f"{word} is ") for word in words]
        calls += [(lambda: cladescope.search(store, b"picture", near=given), "near is ")]
        calls += [(lambda: cladescope.search(store, b"picture", near=("a", "b", "c")), "near is ")]
    if not isinstance(given, bytes):
        calls += [(lambda: cladescope.search_batch(store, given), "expected queries")]
    for call, words in calls:
        try:
            call()
        except InputError as error:
            assert words in str(error) and "--" not in str(error), error
        else:
            raise AssertionError((given, words))
try:
    cladescope.search()
except TypeError as error:
    assert "missing 1 required positional argument: 'store'" in str(error)
"""


def test_what_is_no_store_path_or_picture_is_refused(store, tmp_path):
    # In a process of its own, for the tests' own check of types would come first.
    ended = subprocess.run(
        [sys.executable, "-c", WRONG_TYPES, str(store.path)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert not list(tmp_path.glob("[xi].store"))


@pytest.mark.parametrize("path", ["", " ", "abfs://bucket/x"])
def test_what_is_no_local_path_is_refused(path, store, tmp_path):
    assert refusal(lambda: cladescope.simulate(path))
    assert refusal(lambda: cladescope.embed(b"picture", path))
    assert refusal(lambda: cladescope.import_vectors(path, tmp_path / "i.store", encoder="unknown"))
    assert refusal(lambda: cladescope.predict(store, classifier=path))
    for verb in ("audit", "map", "probe", "report", "fit"):
        assert refusal(lambda verb=verb: getattr(cladescope, verb)(store, out=path))


@pytest.mark.parametrize("value", [0, -1, 1.5, float("nan"), "3", None, True, 10**20])
def test_a_number_that_is_none_is_refused_by_its_name(value, store):
    picture = np.zeros((8, 8, 3), np.uint8)
    assert refusal(lambda: cladescope.search(store, picture, k=value)).startswith("k is ")
    assert refusal(lambda: cladescope.predict(store, k=value)).startswith("k is ")
    if value != 0:
        assert "seed is " in refusal(lambda: cladescope.map(store, seed=value))


def test_a_word_that_is_no_choice_is_refused_with_the_choices(store):
    assert refusal(lambda: cladescope.map(store, method="pca")) == "found method 'pca', expected umap or tsne"
    assert refusal(lambda: cladescope.fit(store, method=5)).startswith(
        "found method 5, expected simpleshot, prototypes"
    )
    assert refusal(lambda: cladescope.fit(store, shrinkage="much")) == "shrinkage is 'much': expected a number, or auto"
    assert refusal(lambda: cladescope.search(store, text=["a"])) == "text is a list: expected a text"
    assert refusal(lambda: cladescope.map(store, drill_down="no")) == "drill_down is 'no': expected True or False"


def test_arguments_that_would_count_for_nothing_are_refused(store, tmp_path):
    assert "is of risk: give one" in refusal(lambda: cladescope.predict(store, calibrate_on=store))
    file = tmp_path / "c.safetensors"
    cladescope.fit(store, out=file)
    assert "leave out the classifier" in refusal(lambda: cladescope.predict(store, classifier=file, text_type="sci"))
    assert "leave out the classifier" in refusal(lambda: cladescope.predict(store, classifier=file, templates=True))
    with pytest.raises(InputError, match=r"data and the key data\.source say the same"):
        cladescope.train("tiny", data="a", set={"data.source": "b"})


@pytest.mark.parametrize("verb", ["audit", "probe", "map", "report"])
def test_a_file_where_the_folder_is_to_be_is_refused_before_any_work(verb, store, tmp_path, monkeypatch):
    monkeypatch.setattr(type(store), "scan", None)
    file = tmp_path / "notes.txt"
    file.write_text("kept")
    for out in (file, file / "below"):
        assert "notes.txt is a file, expected a folder" in refusal(
            lambda out=out: getattr(cladescope, verb)(store, out=out)
        )
    assert file.read_text() == "kept"


def test_a_cache_that_is_a_file_is_not_called_a_store(store, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text(json.dumps({}))
    assert "is a file, expected a folder" in refusal(lambda: cladescope.predict(store, cache=file))


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda: cladescope.embed("photos/", "s", missing="NA"), "missing"),
        (lambda: cladescope.embed("photos/", "s", allow="ftp"), "allow"),
        (lambda: cladescope.import_vectors("v.parquet", "s", missing="NA"), "missing"),
        (lambda: cladescope.evaluate("zero-shot", "photos/", texts="asis"), "texts"),
    ],
)
def test_one_text_is_not_taken_for_its_letters(call, name):
    assert f"{name} is '" in refusal(call)
    assert "expected several in a list" in refusal(call)


def test_a_backbone_takes_one_name_or_several(tmp_path):
    (tmp_path / "t.csv").write_text("genus,species\nParus,Parus major\n")
    made = cladescope.backbone("build", tmp_path / "t.csv", out=tmp_path / "b")
    assert made.description["names"] == 2
    (found,) = cladescope.backbone("match", "Parus major", backbone=tmp_path / "b")
    assert found.status == "accepted"
    assert "expected build, match or trace" in refusal(lambda: cladescope.backbone("look", ["Parus"]))
