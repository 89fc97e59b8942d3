"""What `predict` does with what it says: sorted folders, columns of a store, sheets and sidecars."""

from xml.etree import ElementTree

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cladescope.analysis.audit import contact_sheet
from cladescope.analysis.classify.predicted_columns import write_predicted
from cladescope.analysis.classify.xmp_sidecars import is_ours, keywords, sidecar
from cladescope.app.cli.predict_options import _tell_written
from cladescope.embedding.xmp import read_xmp
from cladescope.index.predicted import describe_predicted
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS

FIT = ("--rank", "genus", "--calibration", 0)


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


def test_wrong_places_are_told_before_an_encoder_is_loaded(fails, misused, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("cladescope.app.verbs.predict.predict", lambda *_, **__: pytest.fail("loaded"))
    assert "is a file, expected a folder" in misused("predict", photos, "--sort-into", photos / "good0.jpg")
    assert "holds no log of a sorting" in fails("undo", photos)
    (photos / "run.sh").write_text("#!/bin/bash\nexec true\n")
    assert f"{photos / 'run.sh'} is no log of a sorting" in fails("undo", photos / "run.sh")
    assert "is not there: expected a folder that pictures were sorted into" in fails("undo", tmp_path / "none")


def predicted(store):
    """What a store keeps of predictions, by picture."""
    rows = store.table(["uri", "genus", "predicted", "predicted_genus", "predicted_score"]).to_pylist()
    return {row["uri"]: row for row in rows}


def test_predictions_stand_in_columns_of_their_own_and_a_second_run_replaces_them(run, store, genera, tmp_path):
    told = store.table(["uri", "genus", "species"]).to_pylist()
    asked = ("predict", store.path, "--classifier", genera, "--write-to", store.path)
    ended = run(*asked, "--rank", "genus", "--json")
    said = {one["file_name"]: one["answers"][0] for one in ended.json["predictions"]}
    assert (ended.json["written"]["pictures"], ended.json["written"]["replaced"]) == (48, 0)
    kept = predicted(Store.open(store.path))
    assert {uri: (row["predicted"], row["predicted_genus"]) for uri, row in kept.items()} == {
        uri: (one["genus"], one["genus"]) for uri, one in said.items()
    }
    assert kept[told[0]["uri"]]["predicted_score"] == pytest.approx(said[told[0]["uri"]]["score"])
    assert Store.open(store.path).table(["uri", "genus", "species"]).to_pylist() == told
    one = next(iter(said.values()))["genus"]
    found = run("predict", store.path, "--classifier", genera, "--where", f"predicted_genus = '{one}'", "--rank", "genus", "--csv", "-k", 1)  # fmt: skip
    assert len(found.rows) == sum(row["genus"] == one for row in said.values())
    shown = run("info", store.path).out
    assert (
        f"predicted of 48 pictures: {len({row['genus'] for row in said.values()})} names, 0 not known (48 by pixels "
        in shown
    )
    again = run(*asked, "--rank", "family", "--limit", 10, "--json")
    assert "10 of these had an earlier prediction, which is replaced" in again.err
    assert "38 others keep an earlier prediction" in again.err
    rows = Store.open(store.path).table(["uri", "predicted_genus"]).to_pylist()
    asked_again = {one["file_name"] for one in again.json["predictions"]}
    assert {row["uri"] for row in rows if row["predicted_genus"] is None} == asked_again, "no genus of an earlier run"


@pytest.mark.parametrize(
    ("asked", "said"),
    [(("--xmp",), "no sidecar could be written"), (("--sort-into", "sorted"), "no picture could be placed")],
)
def test_a_command_that_could_do_nothing_of_what_was_asked_has_failed(
    run, genera, photos, tmp_path, monkeypatch, asked, said
):
    monkeypatch.chdir(tmp_path)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("cladescope.analysis.classify.xmp_sidecars.write_text", refuse)
    monkeypatch.setattr("os.symlink", refuse)
    ended = run("predict", photos, "--classifier", genera, "--rank", "genus", "--closed-set", *asked)
    assert (ended.status, ended.err.splitlines()[-1][: len(said) + 7]) == (1, f"error: {said}")
    assert len(ended.out.splitlines()) >= 12, "the names are printed all the same"


def test_pictures_without_a_name_are_told_by_their_verdicts_and_are_no_names(run, store, capfd):
    answer = {"genus": "", "score": 0.4, "verdict": "not sure"}
    said = [(uri, answer) for uri in store.table(["uri"])["uri"].to_pylist()]
    _tell_written(write_predicted(store, said, made_by={"encoder": "pixels"}))
    assert "48 of these have no name" in capfd.readouterr().err
    assert {row["predicted"] for row in predicted(Store.open(store.path)).values()} == {"not sure"}
    assert "predicted of 48 pictures: 0 names, 48 not sure (48 by pixels" in run("info", store.path).out
    told = run("info", store.path, "--json").json["predicted"]
    assert (told["names"], told["not_known"], told["unnamed"]) == (0, 0, {"not sure": 48})


def test_a_class_called_empty_is_a_name_and_a_verdict_is_none(store):
    store.add_fields([pa.field(name, pa.string()) for name in ("predicted", "predicted_label", "predicted_by")])
    ids = store.table(["image_id"])["image_id"].to_pylist()
    rows = [
        ("empty", "empty"),
        ("empty", None),
        ("not known", None),
        ("not sure", None),
        ("fox", "fox"),
        ("fox", "fox"),
    ]
    table = [
        {"image_id": one, "predicted": said, "predicted_label": label, "predicted_by": "me"}
        for one, (said, label) in zip(ids, rows, strict=False)
    ]
    store.update(pa.Table.from_pylist(table))
    assert describe_predicted(Store.open(store.path)) == {
        "images": 6, "not_known": 1, "unnamed": {"empty": 1, "not known": 1, "not sure": 1}, "names": 2, "by": {"me": 6},
    }  # fmt: skip


def test_commands_to_copy_quote_names_with_spaces(run, store, photos, tmp_path):
    (tmp_path / "meine Käfer").mkdir()
    path, folder = tmp_path / "meine Käfer" / "c 1.safetensors", tmp_path / "meine Käfer" / "nach Art"
    ended = run("fit", store.path, *FIT, "--out", path)
    assert f"next: cladescope predict PICTURES --classifier '{path}'" in ended.err
    ended = run("predict", photos, "--classifier", path, "--rank", "genus", "--sort-into", folder)
    assert f"to turn it back: cladescope undo '{folder}/sorted-1.jsonl'" in ended.err


def test_pictures_that_a_store_lacks_are_counted_and_its_index_and_vectors_stay(run, store, genera, photos):
    vectors = store.matrix()
    ended = run("predict", photos, "--classifier", genera, "--write-to", store.path, "--rank", "genus")
    assert f"6 are not in {store.path}: embed them first" in ended.err
    assert (Store.open(store.path).matrix() == vectors).all()
    assert "predicted" not in run("info", store.path).out


def test_a_column_of_a_source_is_never_taken_for_a_prediction(run, fails, clades, genera, store, tmp_path):
    rows = [("file", "predicted_genus"), (str(sorted(clades.glob("images/*/*.jpg"))[0]), "Theirs")]
    (tmp_path / "theirs.csv").write_text("\n".join(map(",".join, rows)))
    run("embed", tmp_path / "theirs.csv", "--store", tmp_path / "theirs.store", "--encoder", "pixels")
    held = Store.open(tmp_path / "theirs.store")
    assert held.table(["manifest_predicted_genus"]).to_pylist() == [{"manifest_predicted_genus": "Theirs"}]
    held.add_fields([pa.field("predicted_genus", pa.string())])
    reason = fails("predict", held.path, "--classifier", genera, "--write-to", held.path)
    assert "has a column 'predicted_genus' of its source" in reason


def test_a_sheet_shows_each_picture_with_its_name_and_how_sure_it_is(
    run, fails, misused, store, genera, photos, tmp_path, monkeypatch
):
    (photos / "broken.jpg").write_bytes(b"no picture")
    drawn = []
    monkeypatch.setattr(contact_sheet, "draw", lambda _, tiles, **__: drawn.extend(tiles) or Image.new("RGB", (1, 1)))
    ended = run(
        "predict", photos, "--classifier", genera, "--rank", "genus", "--sheet", tmp_path / "a.png", "--csv", "-k", 1
    )
    said = {row["file_name"].rpartition("/")[2]: row["genus"] for row in ended.rows}
    assert {tile.lines[-1]: tile.lines[0] for tile in drawn} == {**said, "broken.jpg": "unreadable"}
    assert all(
        tile.lines[2].startswith(("almost sure (", "likely (", "perhaps (", "a guess (", "cannot")) for tile in drawn
    )
    assert (tmp_path / "a.png").is_file()
    (photos / "below").mkdir()
    (photos / "broken.jpg").rename(photos / "below" / "broken.jpg")
    drawn.clear()
    careful = tmp_path / "careful.safetensors"
    run("fit", store.path, "--rank", "genus", "--out", careful)
    run("predict", photos, "--classifier", careful, "--sheet", tmp_path / "b.png", "--risk", 1e-9)
    names = {tile.lines[-1] for tile in drawn}
    assert "below/broken.jpg" in names, "files of one name in two folders are told apart"
    assert any(line.startswith("nearest: ") for tile in drawn for line in tile.lines)
    assert "is there already" in fails("predict", photos, "--sheet", tmp_path / "a.png")
    assert "does not end in .png" in misused("predict", photos, "--sheet", tmp_path / "a.gif")


def test_sidecars_hold_keywords_that_others_read_and_what_others_wrote_stays(run, genera, photos, tmp_path):
    theirs = photos / "good0.jpg.xmp"
    theirs.write_text("<theirs/>")
    asked = ("predict", photos, "--classifier", genera, "--xmp")
    ended = run(*asked, "--rank", "genus", "--json")
    assert (ended.json["xmp"]["written"], ended.json["xmp"]["of_others"]) == (5, 1)
    assert "1 picture has a sidecar of another program that is left as it is: good0.jpg.xmp: it has no RDF" in ended.err
    assert theirs.read_text() == "<theirs/>"
    said = {one["file_name"].rpartition("/")[2]: one["answers"][0] for one in ended.json["predictions"]}
    mine = photos / "good1.jpg.xmp"
    keywords = read_xmp(mine.read_bytes())
    lineage = [name for rank in RANKS if (name := said["good1.jpg"].get(rank))]
    assert keywords["dc:subject"] == lineage[::-1]
    assert keywords["lr:hierarchicalSubject"] == ["|".join(lineage)]
    assert keywords["digiKam:TagsList"] == ["/".join(lineage)]
    mine.write_text(mine.read_text().replace(lineage[-1], "Corrected"))
    changed = mine.read_bytes()
    again = run(*asked, "--rank", "family", "--json").json["xmp"]
    assert (again["written"], again["replaced"], again["of_others"]) == (4, 4, 1)
    assert again["merged"] + again["same"] == 1
    assert read_xmp(mine.read_bytes())["dc:subject"][: len(lineage)] == read_xmp(changed)["dc:subject"]


def test_a_sidecar_has_names_and_common_names_and_the_lowest_score():
    tit = {"class": "Aves", "genus": "Parus", "common_name": "Great Tit", "score": 0.9}
    found = keywords([tit, {"class": "Aves", "genus": "Sitta", "score": 0.75}])
    assert list(found["dc:subject"]) == ["Parus", "Aves", "Sitta", "Great Tit"]
    assert found["lr:hierarchicalSubject"] == ["Aves|Parus", "Aves|Sitta"]
    assert 'cladescope:score="0.7500"' in sidecar([tit, {**tit, "score": 0.75}], {})
    assert 'cladescope:score="0.0000"' in sidecar([{"class": "Aves"}], {})


@given(st.dictionaries(st.sampled_from(RANKS), st.text(min_size=1), min_size=1), st.text())
def test_a_sidecar_of_any_name_is_xml_and_known_as_ours(names, maker):
    text = sidecar([{**names, "score": 0.5}], {"encoder": maker, "cladescope": maker})
    assert is_ours(text)
    assert not is_ours(text.replace("<dc:subject>", "<dc:subject >"))
    ElementTree.fromstring(text.encode())
