"""`predict --backbone` and `fit --backbone`: accepted names in the answers, counted, with the release that gave them."""

import csv
from collections import Counter

import pytest

from cladescope.analysis.classify.classifier_file import load_classifier
from tests.cladescope.taxonomy.test_backbone import FULL, darwin_core


@pytest.fixture
def backbone(run, tmp_path):
    built = run(
        "taxonomy",
        "build",
        darwin_core(tmp_path / "Taxon.tsv"),
        "--out",
        tmp_path / "b",
        "--release",
        "test 1",
        "--json",
    )
    return tmp_path / "b", built.json["hash"]


@pytest.fixture
def predict(run, checkpoint, tmp_path):
    return lambda *arguments: run("predict", *arguments, "--encoder", checkpoint, "--cache", tmp_path / "cache")


def test_synonyms_of_a_list_become_accepted_names_with_their_ranks_and_are_one_class(
    predict, photos, backbone, tmp_path
):
    (tmp_path / "taxa.csv").write_text(
        "genus,species\nParus,Parus ater\nPeriparus,Periparus ater\nParus,Parus major\n,Parus zzz\n"
    )
    picture = min(photos.rglob("*.jpg"))
    taxa = ["--taxa", tmp_path / "taxa.csv", "--backbone", backbone[0], "--conflicts", tmp_path / "conflicts.csv"]
    found = predict(picture, *taxa, "--csv")
    assert Counter(row["species"] for row in found.rows) == Counter(["Periparus ater", "Parus major", "Parus zzz"])
    assert {row["family"] for row in found.rows} == {"Paridae"}
    assert {(row["backbone"], row["backbone_hash"]) for row in found.rows} == {("test 1", backbone[1])}
    told = "taxa named by the backbone test 1: 2 accepted, gaps filled; 1 synonym, gaps filled; 1 unknown, genus known, gaps filled"
    assert told in found.err
    rows = list(csv.DictReader((tmp_path / "conflicts.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == ["Parus zzz"]
    made = predict(picture, *taxa, "--within", "Parus ater", "--json").json
    assert made["made_by"]["backbone"] == "test 1"
    assert [answer["species"] for answer in made["predictions"][0]["answers"]] == ["Periparus ater"]


def test_labels_bins_and_priors_go_through_the_backbone_too(predict, photos, backbone, tmp_path):
    (tmp_path / "labels.txt").write_text("Parus ater\nPeriparus ater\na nest\n")
    (tmp_path / "bins.csv").write_text("label,bin\nx,Parus ater\ny,Periparus ater\nz,Parus major\n")
    (tmp_path / "taxa.csv").write_text("genus,species\nPeriparus,Periparus ater\nParus,Parus major\n")
    (tmp_path / "prior.csv").write_text("taxon,weight\nParus ater,0\n")
    picture = min(photos.rglob("*.jpg"))
    by = ["--backbone", backbone[0], "--csv"]
    found = predict(picture, "--labels", tmp_path / "labels.txt", *by)
    assert {row["classification"] for row in found.rows} == {"Periparus ater", "a nest"}
    assert sum(float(row["score"]) for row in found.rows) == pytest.approx(1, abs=1e-3)
    found = predict(picture, "--labels", tmp_path / "bins.csv", *by)
    assert {row["classification"] for row in found.rows} == {"Periparus ater", "Parus major"}
    found = predict(picture, "--taxa", tmp_path / "taxa.csv", "--prior", tmp_path / "prior.csv", *by)
    assert float(found.rows[0]["score"]) == pytest.approx(1)
    assert found.rows[0]["species"] == "Parus major"


@pytest.fixture
def store(run, photos, tmp_path):
    pictures = sorted(photos.rglob("*.jpg"))[:6]
    names = ["ater", "ater", "major", "major", "major", "ater"]
    rows = [f"{path},Parus,{name}" for path, name in zip(pictures, names, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,genus,species", *rows, ""]))
    embedded = run("embed", tmp_path / "labels.csv", "--store", tmp_path / "s", "--encoder", "pixels")
    assert embedded.status == 0
    return tmp_path / "s"


def test_a_classifier_learns_accepted_names_and_keeps_the_release(run, store, backbone, tmp_path):
    folder, digest = backbone
    file = tmp_path / "named.safetensors"
    fitted = run("fit", store, "--out", file, "--backbone", folder, "--calibration", 0)
    assert fitted.status == 0
    assert "pictures named by the backbone test 1" in fitted.err
    assert load_classifier(file).backbone == {"release": "test 1", "hash": digest}
    (row, *_) = run("predict", store, "--classifier", file, "-k", 1, "--csv").rows
    assert (row["species"], row["family"]) in {("Periparus ater", "Paridae"), ("Parus major", "Paridae")}
    assert (row["backbone"], row["backbone_hash"]) == ("test 1", digest)


def test_a_classifier_of_synonyms_is_asked_through_a_backbone(run, store, backbone, tmp_path):
    for method in ("simpleshot", "knn"):
        file = tmp_path / f"{method}.safetensors"
        assert run("fit", store, "--out", file, "--method", method, "--calibration", 0).status == 0
        asked = ["predict", store, "--classifier", file, "--csv"]
        before, after = run(*asked).rows, run(*asked, "--backbone", backbone[0]).rows
        assert {row["species"] for row in before} == {"Parus ater", "Parus major"}
        assert {row["species"] for row in after} == {"Periparus ater", "Parus major"}
        assert [row["score"] for row in before] == [row["score"] for row in after]
        named = {
            tuple(row[rank] for rank in ("kingdom", "phylum", "class", "order", "family", "genus", "species"))
            for row in after
        }
        assert FULL in named
        assert {row["backbone"] for row in before} == {""}


def test_labels_of_a_csv_that_are_synonyms_are_one_class(run, store, backbone, photos, tmp_path):
    pictures = sorted(photos.rglob("*.jpg"))[:6]
    names = ["Parus ater", "Periparus ater", "Parus major", "Parus major", "a nest", "a nest"]
    rows = [f"{path.name},{name}" for path, name in zip(pictures, names, strict=True)]
    (tmp_path / "own.csv").write_text("\n".join(["file,label", *rows, ""]))
    file = tmp_path / "own.safetensors"
    fitted = run(
        "fit", store, "--labels", tmp_path / "own.csv", "--out", file, "--backbone", backbone[0], "--calibration", 0
    )
    assert fitted.status == 0
    assert set(load_classifier(file).labels) == {"Periparus ater", "Parus major", "a nest"}


def test_another_release_than_the_stores_is_told(run, store, backbone, tmp_path):
    job = ["embed", tmp_path / "labels.csv", "--store", store, "--encoder", "pixels", "--backbone", backbone[0]]
    assert run(*job).status == 0
    taxa = tmp_path / "Taxon.tsv"
    taxa.write_text(taxa.read_text().replace("Paridae", "Parulidae"))
    assert run("taxonomy", "build", taxa, "--out", tmp_path / "two", "--release", "two").status == 0
    file = tmp_path / "c.safetensors"
    fitted = run("fit", store, "--out", file, "--calibration", 0)
    assert load_classifier(file).backbone == {"release": "test 1", "hash": backbone[1]}
    assert "backbone" not in fitted.err
    asked = run("predict", store, "--classifier", file, "--backbone", tmp_path / "two", "--csv")
    assert "the classifier is named by the backbone 'test 1'" in asked.err
    assert "is named by the backbone 'test 1'" in asked.err
    assert asked.rows[0]["backbone"] == "two"
