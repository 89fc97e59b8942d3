"""`cladescope suggest`: proposals that a user fills in, and that relabel and fit take back."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cladescope.analysis.classify.classifier_file import load_classifier, save_classifier
from cladescope.analysis.classify.made_with import picture_numbers
from cladescope.index.store import Store


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def filled(path, names, column="label", most=None):
    """The table as a user gives it back: a name in the empty column, of the first ones or of all."""
    rows = rows_of(path)
    for row in rows[:most]:
        assert row[column] == ""
        row[column] = names[row["image_id"]]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def names(store):
    """Each picture's species, as a user would know it."""
    table = store.table(["image_id", "species"])
    return dict(zip(table["image_id"].to_pylist(), table["species"].to_pylist(), strict=True))


@pytest.fixture
def bare(run, store, tmp_path):
    """A store of the same pictures, of which nothing is known."""
    folder = next(iter(store.table(["uri"])["uri"].to_pylist())).rsplit("/", 2)[0]
    made = tmp_path / "bare.store"
    ended = run("embed", folder, "--encoder", "pixels", "--labels-from", "none", "--store", made, "--quiet")
    assert ended.status == 0, ended.err
    return made


@pytest.fixture
def true_names(bare, store):
    """Species by the bare store's ids."""
    known = store.table(["content_hash", "species"])
    by_content = dict(zip(known["content_hash"].to_pylist(), known["species"].to_pylist(), strict=True))
    table = Store.open(bare).table(["image_id", "content_hash"])
    return {
        image_id: by_content[content]
        for image_id, content in zip(table["image_id"].to_pylist(), table["content_hash"].to_pylist(), strict=True)
    }


def test_from_nothing_to_a_classifier_and_on(run, bare, true_names, tmp_path):
    """Suggest, fill in, fit; then what the classifier is unsure of, and never what it was made with."""
    first, out = tmp_path / "first.csv", tmp_path / "a.safetensors"
    ended = run("suggest", bare, "--rank", "label", "-n", 24, "--out", first)
    assert ended.status == 0, ended.err
    assert "0 pictures labelled already, 48 looked at (strategy typical)" in ended.err
    assert run("fit", bare, "--labels", filled(first, true_names), "--out", out).status == 0
    made_with = load_classifier(out).made_with
    assert len(made_with) == 24
    second = run("suggest", bare, "--classifier", out, "-n", 30, "--json")
    assert second.status == 0, second.err
    found = second.json["suggestions"]
    assert (second.json["strategy"], second.json["labelled"], len(found)) == ("both", 24, 24)
    assert not {one["image_id"] for one in found} & {row["image_id"] for row in rows_of(first)}
    assert all(0 <= one["margin"] <= one["chance"] <= 1 for one in found)
    assert {one["guess"] for one in found} <= set(load_classifier(out).labels)


def test_names_go_into_the_store_and_are_not_asked_for_again(run, bare, true_names, tmp_path):
    asked = tmp_path / "next.csv"
    assert run("suggest", bare, "-n", 10, "--out", asked).status == 0
    assert list(rows_of(asked)[0]) == ["image_id", "uri", "species"]
    ended = run("relabel", bare, filled(asked, true_names, "species", most=7), "--json")
    assert ended.status == 0, ended.err
    assert ended.json["changed"] == 7
    again = run("suggest", bare, "-n", 48, "--json")
    assert (again.json["labelled"], len(again.json["suggestions"])) == (7, 41)
    named = {row["image_id"] for row in rows_of(asked) if row["species"]}
    assert not named & {one["image_id"] for one in again.json["suggestions"]}


def test_pictures_that_the_classifier_was_made_with_are_known_by_their_content_in_another_store(
    run, store, bare, tmp_path
):
    out = tmp_path / "a.safetensors"
    assert run("fit", store.path, "--out", out, "--shots", 2, "--calibration", "0").status == 0
    ended = run("suggest", bare, "--classifier", out, "-n", 48, "--json")
    assert ended.status == 0, ended.err
    assert ended.json["column"] == "species"
    table = Store.open(bare).table(["image_id", "content_hash"])
    own = set(load_classifier(out).made_with.tolist())
    ids = dict(zip(table["image_id"].to_pylist(), picture_numbers(table).tolist(), strict=True))
    assert not {ids[one["image_id"]] for one in ended.json["suggestions"]} & own
    assert len(ended.json["suggestions"]) == 24


@pytest.mark.parametrize("strategy", ["typical", "both", "uncertainty", "diverse", "random"])
def test_no_strategy_proposes_what_the_classifier_knows_nor_a_copy_of_it(run, store, tmp_path, strategy):
    """Half of the pictures teach; a store has all of them twice, under other addresses."""
    folder = Path(next(iter(store.table(["uri"])["uri"].to_pylist()))).parents[1]
    twice, out, made = tmp_path / "twice", tmp_path / "a.safetensors", tmp_path / "twice.store"
    for name in ("one", "two"):
        shutil.copytree(folder, twice / name)
    ended = run("embed", twice, "--encoder", "pixels", "--labels-from", "none", "--store", made, "--quiet")
    assert ended.status == 0, ended.err
    assert run("fit", store.path, "--out", out, "--shots", 2, "--calibration", "0").status == 0
    ended = run("suggest", made, "--classifier", out, "--strategy", strategy, "-n", 96, "--json")
    assert ended.status == 0, ended.err
    table = Store.open(made).table(["image_id", "content_hash"])
    content = dict(zip(table["image_id"].to_pylist(), picture_numbers(table).tolist(), strict=True))
    proposed = [content[one["image_id"]] for one in ended.json["suggestions"]]
    assert len(proposed) == len(set(proposed)) == 24
    assert not set(proposed) & set(load_classifier(out).made_with.tolist())


def test_a_classifier_that_does_not_know_its_pictures_is_said(run, store, bare, tmp_path):
    out = tmp_path / "a.safetensors"
    assert run("fit", store.path, "--out", out).status == 0
    old = save_classifier(replace(load_classifier(out), made_with=None), tmp_path / "old.safetensors")
    ended = run("suggest", bare, "--classifier", old, "-n", 5)
    assert "does not know its pictures, some of which may be proposed: fit it anew" in ended.err
    assert "does not know its pictures" not in run("suggest", bare, "--classifier", out, "--rank", "genus", "-n", 5).err


def test_a_sheet_shows_what_the_classifier_takes_them_for(run, store, bare, tmp_path):
    out, sheet = tmp_path / "a.safetensors", tmp_path / "next.png"
    run("fit", store.path, "--out", out, "--shots", 2, "--calibration", "0")
    ended = run("suggest", bare, "--classifier", out, "-n", 6, "--sheet", sheet)
    assert ended.status == 0, ended.err
    assert "perhaps" in ended.out
    with Image.open(sheet) as drawn:
        assert min(drawn.size) > 200


@pytest.mark.parametrize("strategy", ["typical", "diverse", "random"])
def test_the_same_seed_proposes_the_same(run, bare, strategy):
    first, second = (run("suggest", bare, "--strategy", strategy, "-n", 5, "--json").json for _ in range(2))
    assert first == second
    assert len(first["suggestions"]) == 5


def test_nothing_left_to_label_is_one_line(fails, store):
    line = fails("suggest", store.path)
    assert "all 48 pictures of" in line
    assert "have a species" in line
    assert "nothing is left to label" in line


def test_wrong_usage_is_one_line(misused, bare, tmp_path):
    assert "--strategy both asks a classifier how sure it is: give --classifier" in misused(
        "suggest", bare, "--strategy", "both"
    )
    assert "-n" in misused("suggest", bare, "-n", 0)
    assert "--classifier: there is no file" in misused("suggest", bare, "--classifier", tmp_path / "none")


def test_a_classifier_of_another_encoder_is_refused(run, fails, store, bare, tmp_path):
    out = tmp_path / "a.safetensors"
    run("fit", store.path, "--out", out)
    fitted = load_classifier(out)
    other = replace(fitted, card=replace(fitted.card, name="other", weight_hash="b" * 64))
    line = fails("suggest", bare, "--classifier", save_classifier(other, tmp_path / "other.safetensors"))
    assert "the classifier was fitted to vectors of 'other'" in line


def test_a_curve_tells_what_suggestions_would_have_saved(run, store, tmp_path):
    picture = tmp_path / "curve.png"
    ended = run("suggest", store.path, "--curve", picture, "-n", 4, "--rank", "genus")
    assert ended.status == 0, ended.err
    assert "labels drawn at random name" in ended.err
    assert "suggested" in ended.out
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert len(image.convert("RGB").getcolors(1 << 20)) > 20
    told = json.loads(
        run("suggest", store.path, "--curve", tmp_path / "b.svg", "-n", 4, "--rank", "genus", "--json").out
    )
    curve = told["curve"]
    assert curve["labels"][:2] == [4, 8]
    assert len(curve["accuracy"]) == len(curve["random"]) == 3
    assert told["suggested"] == 0
    assert curve["tested"] < told["labelled"] / 2
    assert (tmp_path / "b.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ["--curve", "curve.gif"],
            "curve.gif does not end in .png or .svg or .pdf",
        ),
        (["--curve", "curve.png", "--out", "next.csv"], "leave out out"),
        (["--curve", "curve.png", "-n", "999"], "are too few for two steps of 999 labels"),
        (["--curve", "nowhere/curve.png"], "nowhere is no folder"),
    ],
)
def test_a_curve_that_cannot_be_drawn_is_told_and_nothing_is_written(run, store, tmp_path, monkeypatch, more, said):
    monkeypatch.chdir(tmp_path)
    ended = run("suggest", store.path, *more)
    assert ended.status != 0
    assert said in ended.err
    assert not list(tmp_path.glob("*.png"))
    assert not (tmp_path / "next.csv").exists()
