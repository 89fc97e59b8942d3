"""`fit --rank label`: the folders in which pictures lie are the classes, without a table of labels."""

import numpy as np
import pytest
from PIL import Image

from cladescope.analysis.classify.classifier_file import load_classifier

COLOURS = {"tit": (200, 40, 40), "crow": (20, 20, 20), "jay": (40, 60, 220)}


@pytest.fixture
def classes(tmp_path):
    """A folder of three folders of pictures that `pixels` tells apart, and one picture beside them."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "classes" / name).mkdir(parents=True)
        for number in range(6):
            noise = rng.integers(-15, 16, (24, 24, 3)) + np.array(colour)
            Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(tmp_path / "classes" / name / f"{number}.png")
    Image.new("RGB", (24, 24), "white").save(tmp_path / "classes" / "beside.png")
    return tmp_path / "classes"


def test_the_folders_of_a_store_are_classes(run, classes, tmp_path):
    run("embed", classes, "--store", tmp_path / "s", "--encoder", "pixels")
    ended = run("fit", tmp_path / "s", "--rank", "label", "--out", tmp_path / "c.safetensors", "--json")
    assert ended.status == 0, ended.err
    assert (ended.json["target"], ended.json["classes"], ended.json["pictures"]) == ("label", 3, 18)
    assert ended.json["without_label"] == 1
    assert "1 picture has no label and is left out" in ended.err
    assert load_classifier(tmp_path / "c.safetensors").labels == ("crow", "jay", "tit")
    named = run("predict", classes / "jay" / "0.png", "--classifier", tmp_path / "c.safetensors", "--json").json
    assert "jay" in named["predictions"][0]["answers"][0].values()


def test_a_folder_of_pictures_is_learnt_from_as_it_is(run, fails, classes, tmp_path):
    ended = run("fit", classes, "--encoder", "pixels", "--out", tmp_path / "c.safetensors", "--json")
    assert ended.status == 0, ended.err
    assert "19 pictures encoded by pixels; nothing of that is stored" in ended.err
    assert (ended.json["target"], ended.json["classes"], ended.json["accuracy"]) == ("label", 3, 1.0)
    assert load_classifier(tmp_path / "c.safetensors").store == str(classes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.safetensors", "classes"]
    assert "has a species: put those of each class into a folder of its own and learn from the rank label" in fails(
        "fit", classes, "--encoder", "pixels", "--rank", "species", "--out", tmp_path / "d.safetensors"
    )


def test_a_name_of_several_folders_is_one_class_and_that_is_said(run, classes, tmp_path):
    for name in ("tit", "crow"):
        (classes / name / "early").mkdir()
        for number in range(3):
            (classes / name / f"{number}.png").rename(classes / name / "early" / f"{number}.png")
    ended = run("fit", classes, "--encoder", "pixels", "--out", tmp_path / "c.safetensors", "--json")
    assert "1 label is the name of several folders, which are one class each: early" in ended.err
    assert ended.json["classes"] == 4


def test_what_cannot_be_is_said_in_a_line(run, fails, store, classes, tmp_path):
    out = ("--out", tmp_path / "c.safetensors")
    assert "none of 48 pictures has a label" in fails("fit", store.path, "--rank", "label", *out)
    assert "a store has an encoder" in fails("fit", store.path, "--encoder", "pixels", *out)
    assert "does not exist" in fails("fit", tmp_path / "nowhere", *out)
    (tmp_path / "empty").mkdir()
    assert "no pictures" in fails("fit", tmp_path / "empty", *out)
