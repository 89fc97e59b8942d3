"""Every verb that reads vectors takes those of a further encoder by name, and never mixes them with others."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import cladescope
from cladescope.analysis.classify.classifier_file import load_classifier
from cladescope.embedding.encoder import Encoder
from cladescope.errors import InputError, StoreError
from cladescope.index.store import Store
from tests.index.toy import Toy

HALF = 24


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    """An encoder `toy` that can be named on the command line."""
    load = Encoder.load
    by_name = staticmethod(lambda name, **options: Toy() if name == "toy" else load(name, **options))
    monkeypatch.setattr(Encoder, "load", by_name)


@pytest.fixture(scope="module")
def part(clades, tmp_path_factory):
    """A store of 48 pictures by `pixels`, half of which have vectors of the toy, too."""
    path, pixels = tmp_path_factory.mktemp("named") / "part", Encoder.load("pixels")
    cladescope.embed(clades / "metadata.csv", path, encoder=[pixels, Toy()], limit=HALF)
    cladescope.embed(clades / "metadata.csv", path, encoder=pixels)
    return path


VERBS = {
    "fit": ("--rank", "class", "--out", "o.safetensors"),
    "map": ("--color", "class", "--method", "tsne", "--out", "o"),
    "audit": ("--out", "o"),
    "probe": ("--permutations", 2, "--out", "o"),
    "report": ("--permutations", 2, "--no-map", "--out", "o"),
    "export": ("--out", "o"),
    "publish": ("--to", "qdrant", "--url", "o"),
    "info": (),
    "index": ("--kind", "flat"),
    "search": ("--image", "query.jpg"),
    "predict": ("--classifier", "c.safetensors", "--rank", "class"),
}
"""What each verb needs beside a store."""


@pytest.mark.parametrize("verb", VERBS)
def test_a_wrong_name_is_told_with_those_that_there_are(fails, part, query, tmp_path, monkeypatch, verb):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "query.jpg").write_bytes(query.read_bytes())
    cladescope.fit(part, rank="class", out="c.safetensors")
    said = fails(verb, part, "--vectors", "toi", *VERBS[verb])
    assert said == "error: the store has no vectors 'toi': it has those of pixels, toy, did you mean toy?"


COUNTED = {
    "fit": "24 pictures left out: no vector of toy",
    "map": "24 pictures left out: no vector of toy",
    "audit": "24 pictures left out: no vector of toy",
    "probe": "left out: 24 pictures have no usable vector or no rank and are left out",
    "report": "left out: 24 pictures have no usable vector or no rank and are left out",
    "export": "24 pictures of {part} have no vector of toy and are left out",
    "info": "these are its vectors toy, which 24 pictures lack",
    "search": "24 pictures of {part} have no vector of toy and are left out",
    "predict": "24 pictures of {part} have no vector of toy and are left out",
}
"""How the summary of each verb counts the pictures without such a vector."""


@pytest.mark.parametrize("verb", COUNTED)
def test_pictures_without_a_vector_are_counted_in_the_summary(run, part, query, tmp_path, monkeypatch, verb):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "query.jpg").write_bytes(query.read_bytes())
    cladescope.fit(part, rank="class", vectors="toy", out="c.safetensors")
    ended = run(verb, part, "--vectors", "toy", *VERBS[verb])
    assert ended.status == 0, ended.err
    assert COUNTED[verb].format(part=part) in f"{ended.out}{ended.err}"


def test_a_classifier_carries_the_name_and_the_encoder_and_encodes_new_pictures_by_it(run, part, query, tmp_path):
    file = tmp_path / "c.safetensors"
    made = run("fit", part, "--vectors", "toy", "--rank", "class", "--out", file, "--json").json
    assert (made["vectors"], made["left_out"]) == ("toy", {"no vector of toy": HALF})
    kept = load_classifier(file)
    assert (kept.vectors, kept.card) == ("toy", Store.open(part, vectors="toy").card)
    answers = run("predict", query, "--classifier", file, "--rank", "class", "--json").json
    assert answers["made_by"]["encoder"] == "toy"


def test_a_classifier_finds_the_vectors_of_a_store_that_it_is_of(run, fails, part, tmp_path):
    own, named = tmp_path / "own.safetensors", tmp_path / "named.safetensors"
    run("fit", part, "--rank", "class", "--out", own)
    run("fit", part, "--rank", "class", "--vectors", "toy", "--out", named)
    asked = ("--rank", "class", "--json")
    ended = run("predict", part, "--classifier", named, *asked)
    assert (len(ended.json["predictions"]), ended.json["made_by"]["encoder"]) == (
        HALF,
        "toy",
    )
    assert "pictures are named by the vectors toy" in ended.err
    ended = run("predict", part, "--classifier", own, *asked)
    assert ended.json["made_by"]["encoder"] == "pixels"
    said = fails("predict", part, "--classifier", own, "--vectors", "toy", *asked)
    assert said.startswith("error: the classifier was fitted to vectors of 'pixels': encoder 'toy' is not 'pixels'")
    said = fails("predict", part, "--classifier", named, "--vectors", "pixels", *asked)
    assert said.startswith("error: the classifier was fitted to vectors of 'toy': encoder 'pixels' is not 'toy'")


def test_pictures_that_are_in_no_store_have_no_vectors_to_name(misused, part, query, tmp_path):
    assert "--where and --vectors are for a store" in misused("predict", query, "--vectors", "toy")
    with pytest.raises(InputError, match="vectors are for a store"):
        cladescope.predict(str(query), vectors="toy")
    with pytest.raises(InputError, match="vectors are of a store"):
        cladescope.fit(query.parent.parent, vectors="toy")
    assert "vectors are of stores" in misused("evaluate", "retrieval", query.parent.parent, "--vectors", "toy")


def test_a_map_says_whose_vectors_it_is_of_and_takes_only_those(run, part, tmp_path):
    run("map", part, "--vectors", "toy", "--color", "class", "--out", tmp_path / "map")
    about = json.loads((tmp_path / "map/map.json").read_text())
    assert (about["vectors"], about["encoder"]["name"], about["pictures"]) == ("toy", "toy", HALF)
    ended = run("map", part, "--onto", tmp_path / "map", "--out", tmp_path / "placed")
    assert "24 pictures placed" in ended.err
    assert "24 pictures left out: no vector of toy" in ended.err
    with pytest.raises(StoreError, match="another encoder"):
        cladescope.map(Store.open(part, vectors="pixels"), color="class", place=Store.open(part, vectors="toy"))
    placed = cladescope.map(part, vectors="toy", color="class", method="tsne", place=part).placed
    assert len(placed) == HALF


def test_an_audit_against_a_store_compares_vectors_of_one_encoder(part):
    found = cladescope.audit(part, vectors="toy", against=part, only=["leaks"], threshold=0.9999)
    assert (found.summary["vectors"], found.summary["encoder"]["name"], found.summary["pictures"]) == (
        "toy",
        "toy",
        HALF,
    )
    assert f"{part} (toy): 24 pictures left out: no vector of toy" in found.summary["notes"]
    assert found.summary["leaks"] >= 1


def test_an_evaluation_is_of_the_vectors_that_are_named(run, part, tmp_path):
    results = {}
    for name in ("pixels", "toy"):
        asked = ("retrieval", part, "--rank", "class", "--vectors", name, "--out", tmp_path / "scores", "--json")
        (results[name],) = run("evaluate", *asked).json["evaluations"]
    assert [one["results"][0]["encoder"]["name"] for one in results.values()] == ["pixels", "toy"]
    assert [one["task"]["n_images"] for one in results.values()] == [48, HALF]
    assert f"24 pictures of {part} have no vector of toy and are left out" in results["toy"]["task"]["left_out"]


def test_a_report_compares_vectors_of_one_store_by_name(run, part, tmp_path):
    run(
        "report",
        part,
        "--vectors",
        "toy",
        "--compare",
        "pixels",
        "--permutations",
        2,
        "--no-map",
        "--out",
        tmp_path / "r",
    )
    about = json.loads((tmp_path / "r/report.json").read_text())
    assert [(one["store"], one["encoder"]["name"]) for one in about["probes"]] == [
        (f"{part} (toy)", "toy"),
        (str(part), "pixels"),
    ]


def test_an_export_has_the_vectors_of_the_name_and_says_what_it_has_not(run, fails, part, tmp_path):
    asked = ("--vectors", "toy", "--out", tmp_path / "e", "--json")
    made = run("export", part, *asked).json
    assert (made["rows"], made["vectors"]) == (HALF, "toy")
    assert "vectors left out: those of the store's own encoder (vectors=NAME writes others)" in made["notes"]
    rows = pq.read_table(tmp_path / "e/pictures.parquet")
    found = np.array(rows["vector"].to_pylist(), np.float32)
    assert np.array_equal(found, Store.open(part, vectors="toy").matrix())
    assert "(the store's vectors toy)" in (tmp_path / "e/croissant.json").read_text()
    made = run("export", part, "--out", tmp_path / "own", "--json").json
    assert (made["rows"], made["vectors"]) == (48, None)
    assert made["notes"] == ["vectors left out: toy (vectors=NAME writes others)"]
    said = fails("export", part, "--format", "csv", "--vectors", "toy", "--out", tmp_path / "csv")
    assert said == "error: vectors are of the formats parquet and npy: csv has none"


def test_a_collection_shows_vectors_of_one_name_and_refuses_others(run, fails, part, tmp_path):
    place = ("--to", "qdrant", "--url", tmp_path / "q")
    made = run("publish", part, *place, "--vectors", "toy", "--json").json
    assert (made["rows"], made["added"], made["vectors"], made["notes"]) == (
        HALF, HALF, "toy", [f"24 pictures of {part} have no vector of toy and are left out"],
    )  # fmt: skip
    assert "part_toy" in made["place"]
    assert run("publish", part, *place, "--vectors", "toy", "--json").json["unchanged"] == HALF
    assert "numbers" in fails("publish", part, *place, "--collection", "part_toy")


def test_info_of_a_name_tells_of_its_pictures_and_its_encoder(run, part):
    told = run("info", part, "--vectors", "toy", "--json").json
    assert (told["encoder"]["name"], told["images"], told["without_vector"], told["vectors_name"]) == (
        "toy",
        HALF,
        HALF,
        "toy",
    )
    told = run("info", part, "--json").json
    assert (told["encoder"]["name"], told["images"], told["without_vector"], told["vectors_name"]) == (
        "pixels",
        48,
        0,
        None,
    )


def test_the_pictures_of_a_store_are_queries_by_the_vectors_that_are_searched(run, part):
    found = run("search", part, "--queries", part, "-k", 1, "--vectors", "toy", "--json").json
    assert (found["n_queries"], {round(hit["score"], 3) for hit in found["hits"]}) == (HALF, {1.0})
