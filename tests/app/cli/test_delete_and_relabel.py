import csv

import numpy as np
import pytest
from PIL import Image

import cladescope
from cladescope.analysis.classify import relabelling
from cladescope.index.store import Store
from cladescope.index.verify import verify


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(small).resize((40, 32)).save(path)


@pytest.fixture
def kept(tmp_path):
    """A store of six pictures in two folders, two of the same name."""
    for number, name in enumerate(("a/0", "a/1", "a/2", "b/0", "b/4", "b/5")):
        picture(tmp_path / "photos" / f"{name}.png", number)
    cladescope.embed(tmp_path / "photos", tmp_path / "s.store", encoder="pixels")
    return tmp_path / "s.store"


def column(store, name):
    rows = Store.open(store).table(["uri", name]).to_pylist()
    return {"/".join(row["uri"].split("/")[-2:]): row[name] for row in rows}


def table(path, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_missing_rows_are_counted_then_deleted_and_the_delete_is_a_run(run, kept):
    photos = kept.parent / "photos"
    (photos / "a" / "1.png").unlink()
    (photos / "b" / "4.png").unlink()
    assert run("delete", kept, "--missing", "--dry-run").out == "2 of 6 rows would be deleted\n"
    assert Store.open(kept).count() == 6
    ended = run("delete", kept, "--missing", "--json")
    assert ended.json == {"store": str(kept), "deleted": 2, "dry_run": False, "left": 4}
    assert sorted(column(kept, "label")) == ["a/0.png", "a/2.png", "b/0.png", "b/5.png"]
    assert Store.open(kept).runs.column("verb").to_pylist() == ["embed", "delete"]
    assert verify(kept).is_sound
    assert run("delete", kept, "--missing").out == "0 rows deleted, 4 left\n"


def test_conditions_of_a_delete_must_all_hold_and_one_must_be_given(run, kept):
    ids = column(kept, "image_id")
    both = run("delete", kept, "--where", "label = 'a'", "--id", ids["a/0.png"], "--id", ids["b/0.png"])
    assert both.out == "1 row deleted, 5 left\n"
    assert run("delete", kept, "--missing", "--where", "label = 'a'").out == "0 rows deleted, 5 left\n"
    assert run("delete", kept).status == 2
    assert Store.open(kept).count() == 5


def test_corrected_labels_are_put_in_by_address_or_id_and_counted(run, kept):
    ids = column(kept, "image_id")
    before = Store.open(kept).matrix()
    labels = table(
        kept.parent / "l.csv",
        ("file", "genus", "species", "sex"),
        ("1.png", "Parus", "Parus major", "f"),
        ("b/0.png", "Parus", "", ""),
        ("0.png", "Sitta", "Sitta europaea", "m"),
        ("nowhere.png", "Sitta", "Sitta europaea", "m"),
    )
    counts = run("relabel", kept, labels, "--json").json
    assert [counts[name] for name in ("changed", "same", "unknown", "ambiguous")] == [3, 0, 1, 0]
    assert counts["unused"] == ["nowhere.png"]
    assert column(kept, "genus") == dict.fromkeys(ids) | {"a/1.png": "Parus", "b/0.png": "Parus", "a/0.png": "Sitta"}
    assert column(kept, "sex")["a/1.png"] == "f"
    again = run("relabel", kept, labels, "--json").json
    assert (again["changed"], again["same"]) == (0, 3)
    by_id = table(kept.parent / "i.csv", ("image_id", "genus"), (ids["a/1.png"], ""), (ids["b/5.png"], "Parus"))
    assert run("relabel", kept, by_id, "--json").json["changed"] == 1
    assert column(kept, "genus")["a/1.png"] == "Parus", "an empty cell leaves the label"
    assert run("relabel", kept, by_id, "--clear", "--json").json["changed"] == 1
    assert column(kept, "genus")["a/1.png"] is None
    np.testing.assert_array_equal(np.sort(Store.open(kept).matrix(), axis=0), np.sort(before, axis=0))
    assert Store.open(kept).runs.column("verb").to_pylist() == ["embed"] + ["relabel"] * 4
    assert verify(kept).is_sound


def test_rows_without_a_label_are_counted_over_all_that_is_read_at_once(run, kept, monkeypatch):
    monkeypatch.setattr(relabelling, "ROWS_AT_ONCE", 2)
    rows = [(name, "" if place < 3 else "Parus") for place, name in enumerate(sorted(column(kept, "image_id"))[:5])]
    counts = run("relabel", kept, table(kept.parent / "l.csv", ("file", "genus"), *rows), "--json").json
    assert (counts["unlabelled"], counts["changed"], counts["same"]) == (3, 2, 0)


def test_embed_keeps_what_was_relabelled_where_a_picture_moves_too(run, kept):
    labels = table(
        kept.parent / "l.csv", ("file", "genus", "label"), ("a/1.png", "Parus", "tit"), ("b/5.png", "Sitta", "tree")
    )
    run("relabel", kept, labels)
    photos = kept.parent / "photos"
    (photos / "b" / "5.png").rename(photos / "b" / "moved.png")
    counts = run("embed", photos, "--store", kept, "--json").json
    assert (counts["moved"], counts["relabelled"], counts["gone"]) == (1, 0, 0)
    assert column(kept, "genus")["b/moved.png"] == "Sitta"
    assert (column(kept, "label")["a/1.png"], column(kept, "label")["b/moved.png"]) == ("tit", "tree")


def test_a_table_that_cannot_be_used_changes_nothing(fails, kept):
    folder, version = kept.parent, Store.open(kept).version
    ids = column(kept, "image_id")
    assert "names no pictures" in fails("relabel", kept, table(folder / "n.csv", ("genus",), ("Parus",)))
    assert "has no labels" in fails("relabel", kept, table(folder / "o.csv", ("image_id",), (ids["a/1.png"],)))
    double = table(folder / "d.csv", ("image_id", "genus"), *[(ids["a/1.png"], name) for name in ("Parus", "Sitta")])
    assert "twice" in fails("relabel", kept, double)
    assert "names one picture" in fails("relabel", kept, table(folder / "z.csv", ("file", "genus"), ("z.png", "Parus")))
    assert Store.open(kept).version == version


def test_what_stood_beside_an_earlier_name_goes_with_it_and_ranks_that_stay_are_told(run, kept):
    first = table(
        kept.parent / "f.csv",
        ("file", "family", "genus", "species", "sex"),
        ("a/1.png", "Turdidae", "Turdus", "Turdus merula L.", "f"),
        ("b/5.png", "", "Parus", "Parus cf. major", "m"),
    )
    told = run("relabel", kept, first).out
    assert told == "2 pictures relabelled, 0 had these labels already\nnew column 'sex'\n"
    second = table(kept.parent / "t.csv", ("file", "species"), ("a/1.png", "Parus major"), ("b/5.png", "Parus major"))
    told = run("relabel", kept, second).out
    assert "1 picture has another genus now and keeps its family and order" in told
    for name in ("a/1.png", "b/5.png"):
        assert (column(kept, "genus")[name], column(kept, "species")[name]) == ("Parus", "Parus major")
        for part in ("authorship", "qualifier", "verbatim_name"):
            assert column(kept, part)[name] is None
    assert column(kept, "family")["a/1.png"] == "Turdidae"
    assert column(kept, "sex")["a/1.png"] == "f"


def test_a_new_column_is_told_with_the_one_that_was_meant(run, kept):
    labels = table(kept.parent / "l.csv", ("file", "speceis"), ("a/1.png", "Parus major"))
    assert "new column 'speceis': did you mean species?" in run("relabel", kept, labels).out
    assert run("relabel", kept, labels).out == "0 pictures relabelled, 1 had these labels already\n"


def test_ids_that_the_store_lacks_are_refused(fails, kept):
    ids = column(kept, "image_id")
    told = fails("delete", kept, "--id", ids["a/1.png"], "--id", "nobody")
    assert "1 of 2 ids" in told
    assert "'nobody'" in told
    assert Store.open(kept).count() == 6


def test_rows_that_give_no_label_are_counted_apart_from_those_whose_label_was_there(run, kept):
    labels = table(kept.parent / "l.csv", ("file", "genus"), ("a/1.png", "Parus"), ("b/0.png", ""), ("b/5.png", ""))
    empty = "2 rows give no label: nothing changes there\n"
    assert run("relabel", kept, labels).out == f"1 picture relabelled, 0 had these labels already\n{empty}"
    assert run("relabel", kept, labels).out == f"0 pictures relabelled, 1 had these labels already\n{empty}"


def test_ranks_that_are_given_anew_are_not_told_as_kept(run, kept):
    names = sorted(column(kept, "image_id"))
    first = table(
        kept.parent / "f.csv",
        ("file", "order", "family", "genus"),
        (names[0], "Passeriformes", "Turdidae", "Turdus"),
    )
    run("relabel", kept, first)
    moved = table(
        kept.parent / "m.csv", ("file", "order", "family", "genus"), (names[0], "Piciformes", "Picidae", "Picus")
    )
    assert run("relabel", kept, moved, "--json").json["kept_above"] == 0
    half = table(kept.parent / "h.csv", ("file", "family", "genus"), (names[0], "Laridae", "Larus"))
    assert run("relabel", kept, half, "--json").json["kept_above"] == 1


def test_every_name_that_fits_several_pictures_is_counted(run, tmp_path):
    for folder in "ab":
        for number in range(3):
            (tmp_path / "p" / folder).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16), (9 * number, 50, ord(folder))).save(tmp_path / "p" / folder / f"{number}.png")
    run("embed", tmp_path / "p", "--store", tmp_path / "s", "--encoder", "pixels")
    labels = table(tmp_path / "l.csv", ("file", "genus"), ("0.png", "Parus"), ("1.png", "Parus"), ("a/2.png", "Sitta"))
    counts = run("relabel", tmp_path / "s", labels, "--json").json
    assert (counts["ambiguous"], counts["changed"]) == (2, 1)
