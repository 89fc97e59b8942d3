"""What `predict` does with what it says: sorted folders, columns of a store, sheets and sidecars."""

import pytest

FIT = ("--rank", "genus", "--method", "simpleshot")


@pytest.fixture
def genera(run, store, tmp_path):
    """A classifier of genera, by `pixels`."""
    path = tmp_path / "genus.safetensors"
    run("fit", store.path, *FIT, "--out", path)
    return path


def test_predict_sorts_pictures_and_undo_turns_it_back(run, genera, photos, misused, tmp_path):
    (photos / "broken.jpg").write_bytes(b"no picture")
    before = sorted(photos.rglob("*"))
    ended = run("predict", photos, "--classifier", genera, "--rank", "genus", "--sort-into", tmp_path / "sorted", "--by", "move", "--json")  # fmt: skip
    assert ended.json["sorted"]["placed"] == 7
    said = {one["file_name"]: one["answers"][0]["genus"] for one in ended.json["predictions"]}
    there = {path.name: path.parent.name for path in (tmp_path / "sorted").rglob("*.jpg")}
    assert there == {**{path.rpartition("/")[2]: genus for path, genus in said.items()}, "broken.jpg": "unreadable"}
    assert "7 pictures moved into" in ended.err
    assert not list(photos.iterdir())
    undone = run("undo", tmp_path / "sorted")
    assert (undone.status, undone.out.split(",")[0]) == (0, "7 pictures moved back")
    assert sorted(photos.rglob("*")) == before
    assert not (tmp_path / "sorted").exists()
    assert "--by is of --sort-into" in misused("predict", photos, "--by", "copy")


def test_wrong_places_are_told_before_an_encoder_is_loaded(run, fails, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("cladescope.app.verbs.predict.predict", lambda *_, **__: pytest.fail("loaded"))
    assert "is a file, expected a folder" in fails("predict", photos, "--sort-into", photos / "good0.jpg")
    assert "holds no log of a sorting" in fails("undo", photos)
    assert "cannot be read: expected the log" in fails("undo", tmp_path / "none")
