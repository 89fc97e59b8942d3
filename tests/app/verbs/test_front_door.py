"""`cladescope` offers every verb as a function, says what each does, and loads none before it is called for."""

import importlib
import inspect
import subprocess
import sys
import typing

import numpy as np
import pytest
from PIL import Image

import cladescope
from cladescope.app.cli import VERBS
from cladescope.errors import InputError, PictureError
from cladescope.index.store import Store
from tests.conftest import REPOSITORY

NAMES = {"index": "build_index", "import": "import_vectors", "taxonomy": "backbone"}
"""Verbs whose own name Python or a package has taken."""
FUNCTIONS = [NAMES.get(verb, verb) for verb in VERBS]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_verb_is_a_typed_function_that_says_what_it_does(name):
    function = getattr(cladescope, name)
    assert function is getattr(importlib.import_module(f"cladescope.app.verbs.{name}"), name)
    assert name in dir(cladescope)
    doc = inspect.getdoc(function)
    assert f"{name}(" in doc, "an example"
    assert "Raises" in doc or name == "doctor"
    signature = inspect.signature(function)
    assert signature.return_annotation not in (inspect.Signature.empty, None)
    for one in signature.parameters.values():
        assert one.annotation is not inspect.Parameter.empty, one.name
    assert typing.get_type_hints(function)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_verb_and_its_function_use_the_same_words(name):
    import typer

    from cladescope.app.cli import app

    printing = {
        "json",
        "csv",
        "safe_csv",
        "sheet",
        "failures",
        "gone",
        "figures",
        "show",
        "debug",
        "help",
        "more",
        "metrics",
        "profile",
        "no_browser",
        "ids",  # of `curate trace`, which is the function `trace`
    }
    own = {
        "image": "images", "not_image": "not_images", "set_": "set", "list_": "list_to", "out": "out",
        "every": None,  # what is printed
        "onto": None,  # a function of its own: it draws no map
        **({"overwrite": None} if name == "search" else {}),  # of the sheet, which is printing
        **({"out": None} if name == "predict" else {}),  # a file for what is printed
        **({"out": None, "overwrite": None} if name == "info" else {}),
    }  # fmt: skip
    verb = next((verb for verb, function in NAMES.items() if function == name), name)
    words = {one.name for one in typer.main.get_group(app).commands[verb].params} - printing
    if name == "evaluate":
        pytest.skip("its options are lists as text")
    wanted = {own.get(word, word) for word in words} - {None}
    functions = {"search": ["search", "search_batch"], "predict": ["predict", "act_on"]}.get(name, [name])
    taken = {one for function in functions for one in inspect.signature(getattr(cladescope, function)).parameters}
    assert wanted <= taken


def test_the_import_loads_nothing_heavy_and_every_name_is_known_to_type_checkers():
    code = "import sys, cladescope; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    loaded = set(ended.stdout.split())
    assert not loaded & {"numpy", "torch", "lancedb", "faiss", "pyarrow", "typer", "PIL"}
    source = (REPOSITORY / "cladescope" / "__init__.py").read_text()
    for name in [*FUNCTIONS, "Store", "Encoder"]:
        assert f" import {name} as {name}\n" in source, name


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'serch'"):
        _ = cladescope.serch
    assert not hasattr(cladescope, "_missing")


def test_a_query_may_be_a_path_bytes_an_image_or_an_array(store, query):
    image = Image.open(query)
    given = [query, str(query), query.read_bytes(), image, np.asarray(image), [query, query]]
    found = [cladescope.search(store, one, k=1).hits[0].uri for one in given]
    assert found == [str(query)] * len(given)
    assert cladescope.search(store.path, query, k=1).hits[0].uri == str(query)
    with pytest.raises(PictureError, match="expected uint8"):
        cladescope.search(store, np.zeros((8, 8)))


def test_pictures_at_hand_are_embedded_and_named(tmp_path, clades):
    paths = sorted(clades.glob("images/*/*.jpg"))[:12:4]
    pictures = [paths[0], paths[1].read_bytes(), np.asarray(Image.open(paths[2]))]
    summary = cladescope.embed(pictures, tmp_path / "s", encoder="pixels")
    assert (summary.embedded, summary.failed) == (3, 0)
    opened = Store.open(tmp_path / "s")
    assert cladescope.embed(pictures, opened).already_stored == 3
    assert opened.runs.column("verb").to_pylist() == ["embed", "embed"]


def test_a_classifier_names_pictures_of_every_kind_as_it_names_the_store(store, clades, tmp_path):
    fitted = cladescope.fit(store, rank="order", calibration=0.0)
    path = sorted(clades.glob("images/*/*.jpg"))[0]
    ways = [path, path.read_bytes(), Image.open(path), np.asarray(Image.open(path))]
    predictions = cladescope.predict(
        [*ways, b"no picture", tmp_path / "gone.jpg"], classifier=fitted.classifier, encoder="pixels", rank="order", k=1
    )
    named = list(predictions)
    assert len({answers[0]["order"] for _, answers in named}) == 1
    assert len(named) == 4
    assert named[0][0] == str(path)
    assert len(predictions.failures) == 2
    stored = dict(iter(cladescope.predict(store, classifier=fitted.classifier, rank="order", k=1)))
    assert stored[str(path)][0]["order"] == named[0][1][0]["order"]
    assert stored[str(path)][0]["score"] == pytest.approx(named[0][1][0]["score"], abs=2e-3)
    table = predictions.to_table()
    assert table.column_names[:2] == ["file_name", "kingdom"]
    assert table.num_rows == 4
    assert len(predictions.failures) == 2, "counted anew in each iteration"


def test_options_that_contradict_each_other_are_refused(store):
    for options, reason in (
        ({"labels": ["a"], "taxa": "t.csv"}, "give one of taxa, labels and classifier"),
        ({"doubt": 1.0}, "the doubt is 1.0: expected a share"),
    ):
        with pytest.raises(InputError, match=reason):
            cladescope.predict(store, **options)
    with pytest.raises(InputError, match="where is for a store"):
        cladescope.predict("a.jpg", where="width > 1")
    with pytest.raises(InputError, match="drill_down"):
        cladescope.map(store, drill_down=True)
    with pytest.raises(InputError, match="give compare"):
        cladescope.probe(store, curve=True)


@pytest.mark.parametrize("address", ["s3://bucket/x", "gs://bucket/x"])
def test_a_url_for_a_store_or_a_result_is_refused(store, clades, address):
    for call in (
        lambda: cladescope.embed(clades, "abfs://bucket/x", encoder="pixels"),
        lambda: cladescope.search("https://example.org/x.store", "x.jpg"),
        lambda: cladescope.info("abfs://bucket/x"),
        lambda: cladescope.fit(store, out=address),
        lambda: cladescope.map(store, out=address),
        lambda: cladescope.report(store, out=address),
        lambda: cladescope.simulate(address),
        lambda: cladescope.import_vectors(address, store),
    ):
        with pytest.raises(InputError, match="only stores and sources may lie elsewhere"):
            call()


def test_no_verb_prints(store, query, capfd, tmp_path):
    cladescope.info(store)
    cladescope.build_index(store, kind="hnsw")
    cladescope.search(store, query)
    cladescope.audit(store)
    cladescope.fit(store, rank="order", out=tmp_path / "c.safetensors")
    list(cladescope.predict(store, classifier=tmp_path / "c.safetensors", rank="order"))
    cladescope.probe(store, permutations=0)
    assert capfd.readouterr() == ("", "")
