"""`cladescope fit`: from a store to a classifier file, and wrong input."""

import csv

import pytest

from cladescope.analysis.classify.classifier_file import load_classifier
from cladescope.analysis.classify.fitting import METHODS


@pytest.fixture
def uris(store):
    return [uri for batch in store.scan(["uri"]) for uri in batch.column(0).to_pylist()]


def write(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.mark.parametrize("method", METHODS)
def test_a_store_becomes_a_classifier_of_its_species(run, store, tmp_path, method):
    out = tmp_path / "species.safetensors"
    ended = run("fit", store.path, "--method", method, "--out", out, "--json")
    assert ended.status == 0, ended.err
    assert {key: ended.json[key] for key in ("classes", "pictures", "held_out", "method")} == {
        "classes": 12,
        "pictures": 48,
        "held_out": 48,
        "method": method,
    }
    classifier = load_classifier(out)
    classifier.check(store.card)
    assert (classifier.target, classifier.data_version) == ("species", store.version)
    assert classifier.counts.tolist() == [4] * 12
    assert (len(classifier.back_off.seen), len(classifier.back_off.unseen)) == (48, 48)
    assert len(classifier.made_with) == 48
    vectors = next(store.vectors())[1]
    assert classifier.probabilities(vectors).sum(axis=1) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    "method, option, name, value",
    [("knn", "-k", "k", 3), ("logistic", "-C", "C", 2.5), ("ridge", "--alpha", "alpha", 0.5)],
)
def test_the_number_of_a_method_is_given_or_chosen_and_told(run, store, tmp_path, method, option, name, value):
    for given in (value, "auto"):
        out = tmp_path / f"{given}.safetensors"
        ended = run("fit", store.path, "--method", method, option, given, "--out", out, "--json")
        assert ended.status == 0, ended.err
        told = ended.json["setting"]
        assert load_classifier(out).setting.to_dict() == told
        assert told["name"] == name
        assert (told["value"] == value) == (told["chosen_by"] == 0) == (given == value)
    ended = run("fit", store.path, "--method", method, option, "auto", "--out", tmp_path / "table.safetensors")
    assert "chosen of" in ended.out
    assert "by 48 pictures" in ended.out


@pytest.mark.parametrize(
    "given, line",
    [
        (("--method", "ridge", "-C", "1"), "-C is of --method logistic, and the method is ridge: leave out -C"),
        (("-k", "3"), "-k is of --method knn, and the method is simpleshot: leave out -k"),
        (("--method", "knn", "-k", "0"), "-k is '0': give a whole number from 1 on, or auto"),
        (("--method", "knn", "-k", "2.5"), "-k is '2.5': give a whole number from 1 on, or auto"),
        (("--method", "ridge", "--alpha", "0"), "--alpha is '0': give a number above 0, or auto"),
        (("--method", "ridge", "--alpha", "nan"), "--alpha is 'nan': give a number above 0, or auto"),
        (("--method", "logistic", "-C", "some"), "-C is 'some': give a number above 0, or auto"),
    ],
)
def test_a_number_that_is_none_or_of_another_method_is_wrong_usage(misused, store, tmp_path, given, line):
    assert line in misused("fit", store.path, *given, "--out", tmp_path / "a.safetensors")


@pytest.mark.parametrize("method, told", [("knn", True), ("ridge", True), ("simpleshot", False)])
def test_a_long_tail_with_votes_or_ridge_is_told(run, store, uris, tmp_path, method, told):
    names = [uri.rsplit("/", 2)[-2] + "/" + uri.rsplit("/", 1)[-1] for uri in uris]
    rows = [(name, f"kind {n // 2}" if n < 20 else "often") for n, name in enumerate(names)]
    table = write(tmp_path / "tail.csv", ["file", "label"], rows)
    ended = run("fit", store.path, "--labels", table, "--method", method, "--out", tmp_path / "a.safetensors")
    assert ended.status == 0, ended.err
    assert ("10 of 11 classes have fewer than 3 pictures" in ended.err) == told


def test_a_folder_of_which_no_picture_can_be_read_is_named_with_the_reason(fails, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "tit.jpg").write_text("no picture")
    line = fails("fit", tmp_path / "photos", "--encoder", "pixels", "--out", tmp_path / "a.safetensors")
    assert f"{tmp_path / 'photos'} has no picture that can be used: 1 picture could not be used: decode: " in line


def test_more_neighbours_than_pictures_are_told(run, store, tmp_path):
    for k, told in (("49", True), ("48", False)):
        ended = run("fit", store.path, "--method", "knn", "-k", k, "--out", tmp_path / f"{k}.safetensors")
        assert ended.status == 0, ended.err
        assert (f"k is {k} and 48 pictures are learnt from: all of them vote" in ended.err) == told


def test_labels_of_one_class_empty_rows_and_no_label_are_told(run, fails, store, uris, tmp_path):
    names = [uri.rsplit("/", 2)[-2] + "/" + uri.rsplit("/", 1)[-1] for uri in uris]
    one = write(tmp_path / "one.csv", ["file", "label"], [(name, "tit") for name in names])
    line = fails("fit", store.path, "--labels", one, "--out", tmp_path / "a.safetensors")
    assert "all 48 labelled pictures are of one class, 'tit': a classifier chooses among two or more" in line
    empty = write(tmp_path / "empty.csv", ["file", "label"], [(name, "") for name in names])
    line = fails("fit", store.path, "--labels", empty, "--out", tmp_path / "a.safetensors")
    assert "gives no picture a label: 48 rows, none with both a picture and a label" in line
    rows = [
        *((name, "ab"[n % 2]) for n, name in enumerate(names[:20])),
        *((name, "") for name in names[20:30]),
        ("", "a"),
    ]
    ended = run(
        "fit",
        store.path,
        "--labels",
        write(tmp_path / "some.csv", ["file", "label"], rows),
        "--out",
        tmp_path / "b.safetensors",
    )
    assert ended.status == 0, ended.err
    assert "11 rows of the labels without a label, or without a picture: not used" in ended.err
    assert "name of several folders" not in ended.err


def test_labels_come_from_a_csv_and_those_of_strange_pictures_are_counted(run, store, uris, tmp_path):
    rows = [(uri.rsplit("/", 2)[-2] + "/" + uri.rsplit("/", 1)[-1], [7, 3][n % 2]) for n, uri in enumerate(uris[:20])]
    table = write(tmp_path / "labels.csv", ["file", "label"], [*rows, ("gone.jpg", 3)])
    ended = run("fit", store.path, "--labels", table, "--out", tmp_path / "a.safetensors", "--json")
    assert ended.status == 0, ended.err
    assert (ended.json["not_in_store"], ended.json["without_label"]) == (["gone.jpg"], 28)
    assert "1 label is of pictures that are not in" in ended.err
    classifier = load_classifier(tmp_path / "a.safetensors")
    assert (classifier.labels, classifier.tree, len(classifier.back_off.seen)) == (("7", "3"), None, 20)


def test_the_table_says_what_to_do_next(run, store, tmp_path):
    ended = run("fit", store.path, "--shots", "2", "--shrinkage", "auto", "--out", tmp_path / "a.safetensors")
    assert ended.status == 0, ended.err
    assert "named correctly of these" in ended.out
    assert "next: cladescope predict" in ended.err


def test_names_and_pictures_are_mixed_and_confidence_is_drawn(run, clades, tmp_path):
    place = tmp_path / "named.store"
    assert run("embed", clades / "metadata.csv", "--store", place, "--encoder", "tiny").status == 0
    out, figures = tmp_path / "mixed.safetensors", tmp_path / "figures"
    options = ("--text-weight", "2.5", "--calibration", "0.5", "--figures", figures, "--json")
    ended = run("fit", place, "--out", out, *options)
    assert ended.status == 0, ended.err
    assert (ended.json["text_weight"], load_classifier(out).text_weight) == (2.5, 2.5)
    assert list(ended.json["calibration_error"])[-1] == "species"
    assert "</svg>" in (figures / "risk-coverage.svg").read_text()
    assert not (figures / "reliability.svg").exists()
    assert "too few pictures asked to draw reliability" in ended.err
    chosen = run("fit", place, "--out", tmp_path / "auto.safetensors", "--text-weight", "auto")
    assert chosen.status == 0, chosen.err
    assert "calibration error" in chosen.out


def test_wrong_input_is_one_line(fails, misused, run, store, uris, tmp_path):
    out = tmp_path / "a.safetensors"

    def refused(*options):
        return fails("fit", store.path, "--out", out, *options)

    assert "'tribe' is not one of 'kingdom'" in misused("fit", store.path, "--out", out, "--rank", "tribe")
    assert "did you mean" in refused("--within", "Simulatia")
    assert "is no folder" in misused("fit", store.path, "--out", tmp_path / "none" / "a.safetensors")
    assert "does not end in .safetensors" in misused("fit", store.path, "--out", tmp_path / "a.txt")
    assert "a classifier chooses among two or more" in refused("--within", store.taxonomy.taxa("species")[0].name)
    assert "has the columns a, b" in refused("--labels", write(tmp_path / "b.csv", ["a", "b"], [(1, 2)]))
    strange = write(tmp_path / "c.csv", ["uri", "label"], [("x.jpg", "tit")])
    assert "none of the 1 pictures" in refused("--labels", strange)
    twice = write(tmp_path / "d.csv", ["uri", "label"], [(uris[0], "tit"), (uris[0], "crow")])
    assert "both 'tit' and 'crow'" in refused("--labels", twice)
    empty = write(tmp_path / "e.csv", ["uri", "label"], [(uris[0], "tit"), (uris[1], "crow"), ("x.jpg", "owl")])
    assert "class 'owl'" in refused("--labels", empty)
    assert "shrinkage needs" in refused("--method", "knn", "--shrinkage", "2")
    assert "--shrinkage" in misused("fit", store.path, "--out", out, "--shrinkage", "much")
    assert "--text-weight" in misused("fit", store.path, "--out", out, "--text-weight", "-1")
    assert "has no text side" in refused("--text-weight", "1")
    assert "--labels" in misused("fit", store.path, "--out", out, "--rank", "genus", "--labels", strange)
    assert "-k is of --method knn" in misused("fit", store.path, "--out", out, "--method", "logistic", "-k", 3)
    assert "--calibration" in misused("fit", store.path, "--out", out, "--calibration", 1)
    assert not out.exists()
    assert run("fit", store.path, "--out", out).status == 0
    assert "is there already" in fails("fit", store.path, "--out", out)


def test_a_classifier_names_pictures_by_its_own_encoder_unless_another_is_asked_for(run, fails, store, uris, tmp_path):
    out = tmp_path / "species.safetensors"
    run("fit", store.path, "--out", out)
    named = run("predict", uris[0], "--classifier", out, "--json")
    assert named.status == 0, named.err
    assert named.json["predictions"][0]["answers"][0]["verdict"]
    assert "is not 'pixels'" in fails("predict", uris[0], "--classifier", out, "--encoder", "tiny")
