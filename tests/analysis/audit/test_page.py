"""The page of an audit, the table of decisions that it saves, and what `relabel` makes of such a table."""

import csv
import json
import re

import pytest
from PIL import Image

import cladescope
from cladescope.analysis.audit import files
from cladescope.analysis.audit.files import write_audit
from cladescope.analysis.audit.page import SHOWN, audit_page
from cladescope.analysis.audit.run import Audit
from cladescope.analysis.decision_table import COLUMNS, are_decisions, read_decisions
from cladescope.errors import InputError
from cladescope.index.store import Store


def suspect(number, **about):
    """A row of likely label errors."""
    return {
        "image_id": f"i{number}", "uri": f"/nowhere/{number}.jpg", "lineage": "Aves > Parus major",
        "suggested": "Aves > Corvus corax", "part_at": "genus", "confidence": 0.9, **about,
    }  # fmt: skip


def data_of(page):
    return json.loads(re.search(r"const DATA = (.*);\n", page)[1])


def audit(**tables):
    return Audit({"pictures": 500, "label_errors_by_rank": {"species": 1}}, **tables)


def test_a_page_shows_the_gravest_with_file_names_and_loads_nothing(tmp_path):
    page = audit_page(audit(label_errors=[suspect(n) for n in range(SHOWN + 5)]), store="photos.store")
    (table,) = data_of(page)["tables"]
    assert (len(table["rows"]), table["n_rows"]) == (SHOWN, SHOWN + 5)
    assert (table["rows"][0]["file"], table["rows"][0]["looks"]) == ("0.jpg", "Corvus corax")
    assert table["rows"][0]["lines"] == [
        "named Parus major",
        "looks like Corvus corax",
        "another genus, 90\N{NO-BREAK SPACE}% of its neighbours",
    ]
    assert data_of(page)["command"] == "cladescope relabel photos.store decisions.csv"
    spaced = data_of(audit_page(audit(label_errors=[suspect(1)]), store="my photos.store"))
    assert spaced["command"] == "cladescope relabel 'my photos.store' decisions.csv"
    assert not re.search(r"https?://|<link|src=\"(?!data:)", page), "nothing from elsewhere"


def test_names_of_files_and_taxa_are_never_read_as_html():
    bad = "</script><img src=x onerror=alert(1)>"
    page = audit_page(audit(outliers=[suspect(1, uri=f"/{bad}.jpg", lineage=bad)]), store=bad)
    assert page.count("</script>") == 1
    assert "<img src=x" not in page


def test_an_audit_writes_a_page_with_pictures_and_a_table_to_fill_in(store, tmp_path):
    found = cladescope.audit(store, out=tmp_path / "audit")
    rows = list(csv.DictReader((tmp_path / "audit" / "decisions.csv").read_text().splitlines()))
    doubtful = {row["image_id"] for table in (found.duplicates, found.outliers, found.label_errors) for row in table}
    assert list(rows[0]) == list(COLUMNS)
    assert {row["image_id"] for row in rows} == doubtful
    assert {row["decision"] for row in rows} == {""}
    tables = data_of((tmp_path / "audit" / "audit.html").read_text())["tables"]
    assert all(row["thumb"].startswith("data:image/jpeg;base64,") for table in tables for row in table["rows"])
    assert are_decisions(tmp_path / "audit" / "decisions.csv")
    before = store.table().to_pylist()
    done = cladescope.relabel(store, tmp_path / "audit" / "decisions.csv")
    assert (done.undecided, done.changed, done.dropped) == (len(doubtful), 0, 0)
    assert Store.open(store.path).table().to_pylist() == before


def decisions(path, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("image_id", "decision", "new_label", "level"), *rows])
    return path


def rows_of(store):
    return {row["image_id"]: row for row in Store.open(store.path).table().to_pylist()}


def test_decisions_keep_fix_and_drop_after_a_dry_run_that_changes_nothing(run, store, tmp_path):
    before = rows_of(store)
    first, second, third, fourth = list(before)[:4]
    other = next(row for row in before.values() if row["genus"] != before[second]["genus"])
    path = decisions(
        tmp_path / "d.csv", (first, "keep", ""), (second, "FIX", other["species"]), (third, "drop", ""), (fourth, "", ""),
        ("nobody", "drop", ""),
    )  # fmt: skip
    dry = run("relabel", store.path, path, "--dry-run")
    assert dry.out.splitlines()[:2] == [
        "1 picture relabelled, 0 had these labels already",
        "1 dropped, 1 kept as they are, 1 not decided",
    ]
    assert "nothing is changed" in dry.err
    assert rows_of(store) == before
    assert "relabel" not in Store.open(store.path).runs.column("verb").to_pylist()
    done = run("relabel", store.path, path, "--json").json
    assert (done["changed"], done["dropped"], done["left"], done["undecided"], done["unknown"]) == (1, 1, 1, 1, 1)
    after = rows_of(store)
    assert before.keys() - after.keys() == {third}
    ranks = ("kingdom", "phylum", "class", "order", "family", "genus", "species", "common_name")
    assert [after[second][rank] for rank in ranks] == [other[rank] for rank in ranks]
    untouched = before.keys() - {second, third}
    assert {one: after[one] for one in untouched} == {one: before[one] for one in untouched}


def test_a_new_label_may_be_a_higher_taxon_a_binomial_nobody_knows_or_words(store, tmp_path):
    before = rows_of(store)
    first, second, third = list(before)[:3]
    genus, family = before[second]["genus"], before[first]["family"]
    path = decisions(
        tmp_path / "d.csv", (first, "fix", family), (second, "fix", f"{genus} ignotus"), (third, "fix", "a fox", "label")
    )  # fmt: skip
    assert cladescope.relabel(store, path).new_taxa == 1
    after = rows_of(store)
    assert (after[first]["family"], after[first]["genus"], after[first]["species"]) == (family, None, None)
    assert (after[second]["family"], after[second]["species"]) == (before[second]["family"], f"{genus} ignotus")
    assert (after[third]["label"], after[third]["species"]) == ("a fox", before[third]["species"])


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("i", "perhaps", "")], "line 2 of .* decides 'perhaps', expected keep, fix, drop or nothing"),
        ([("i", "fix", " ")], "line 2 of .* says fix and has no new_label"),
        ([("", "keep", "")], "line 2 of .* has no image_id"),
        ([("i", "keep", ""), ("i", "drop", "")], "decides twice about 'i', in lines 2 and 3"),
    ],
)
def test_decisions_that_cannot_be_are_refused(tmp_path, rows, reason):
    with pytest.raises(InputError, match=reason):
        read_decisions(decisions(tmp_path / "d.csv", *rows))


def test_nothing_is_changed_where_one_new_label_is_no_taxon(store, tmp_path):
    before = rows_of(store)
    first, second = list(before)[:2]
    path = decisions(tmp_path / "d.csv", (first, "drop", ""), (second, "fix", "Xyz"))
    with pytest.raises(InputError, match=r"line 3 of .*unknown taxon 'Xyz'"):
        cladescope.relabel(store, path)
    assert rows_of(store) == before
    with pytest.raises(InputError, match="none of the 1 pictures"):
        cladescope.relabel(store, decisions(tmp_path / "d.csv", ("nobody", "drop", "")))


def test_a_table_as_a_spreadsheet_saves_it_is_read(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("\ufeffimage_id;uri;decision;new_label\r\ni;/a.jpg;Keep;\r\nj;/b.jpg;;\r\n", newline="")
    assert are_decisions(path)
    assert [(one.image_id, one.decision) for one in read_decisions(path)] == [("i", "keep"), ("j", "")]


def test_pictures_that_another_store_holds_too_are_shown_with_their_store_and_numbered(store, tmp_path):
    audited = cladescope.audit(store, against=store, out=tmp_path / "audit", only=["leaks"])
    assert {row["group"] for row in audited.leaks} >= {"against-0"}
    table = data_of((tmp_path / "audit" / "audit.html").read_text())["tables"][0]
    assert table["rows"][0]["group"] == "Group 1: the same file"
    assert [row["lines"][-1] for row in table["rows"][:2]] == ["in this store", "in the other store"]
    assert (tmp_path / "audit" / "leaks.png").exists()


def test_a_sheet_says_the_same_of_a_picture_as_the_page_and_names_its_file_below_what_all_share(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        files, "draw", lambda _, tiles, **words: drawn.append((tiles, words)) or Image.new("RGB", (1, 1))
    )
    rows = [
        {"image_id": f"i{n}", "uri": f"/p/{n}/tit.jpg", "lineage": "", "group": 4, "side": side, "by": "near_duplicate"}
        for n, side in enumerate(("train", "test", None))
    ]
    found = audit(leaks=rows)
    write_audit(found, tmp_path / "audit")
    [(tiles, words)] = drawn
    assert words["title"] == "In two parts of the data: 3 pictures"
    assert [tile.lines for tile in tiles] == [
        ("no name given", "in part train", "Group 1: nearly the same", "0/tit.jpg"),
        ("no name given", "in part test", "Group 1: nearly the same", "1/tit.jpg"),
        ("no name given", "in no part", "Group 1: nearly the same", "2/tit.jpg"),
    ]
    shown = data_of(audit_page(found))["tables"][0]["rows"]
    assert [(*row["lines"], row["group"], row["file"]) for row in shown] == [tile.lines for tile in tiles]


@pytest.mark.parametrize(
    ("encoding", "delimiter", "first"),
    [("utf-16", "\t", ""), ("cp1252", ";", ""), ("utf-8-sig", ";", "sep=;\r\n"), ("utf-8", ",", "\r\n")],
)
def test_decisions_are_read_in_each_encoding_of_a_spreadsheet(tmp_path, encoding, delimiter, first):
    path = tmp_path / "d.csv"
    rows = [("image_id", "uri", "Decision", "new_label"), ("i", "/Größe 1.jpg", "drop", ""), ("j", "/b.jpg", "", "")]
    path.write_bytes((first + "".join(f"{delimiter.join(row)}\r\n" for row in rows)).encode(encoding))
    assert are_decisions(path)
    line = 2 if not first else 3
    assert [(one.image_id, one.decision, one.line) for one in read_decisions(path)] == [
        ("i", "drop", line),
        ("j", "", line + 1),
    ]


@pytest.mark.parametrize(
    ("header", "lacking"),
    [
        (("uri", "decision", "new_label"), "image_id"),
        (("image_id", "uri", "given", "suggested", "new_label"), "decision"),
    ],
)
def test_decisions_without_a_column_are_not_taken_for_labels(run, fails, store, tmp_path, header, lacking):
    before = rows_of(store)
    one = next(iter(before.values()))
    path = tmp_path / "d.csv"
    with path.open("w", newline="") as file:
        said = {"image_id": one["image_id"], "uri": one["uri"], "decision": "drop"}
        csv.writer(file).writerows([header, [said.get(name, "") for name in header]])
    assert f"{path} is a table of decisions without the column {lacking}:" in fails("relabel", store.path, path)
    assert rows_of(store) == before


def test_a_folder_in_place_of_a_table_is_said(fails, store, tmp_path):
    said = f"{tmp_path} is a folder, expected a table of labels or decisions: name the file"
    assert said in fails("relabel", store.path, tmp_path)


def test_labels_with_a_column_of_decisions_of_their_own_stay_labels(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("uri,species,decision\na.jpg,Parus major,sure\n")
    assert not are_decisions(path)


def test_a_comma_that_splits_a_new_label_is_refused(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("image_id,decision,new_label\ni,fix,Animalia, Aves\n")
    with pytest.raises(
        InputError, match=r"line 2 of .* has 4 cells, expected 3: a text with ',' in it stands in quotes"
    ):
        read_decisions(path)
    path.write_text("image_id,decision,new_label\ni,fix,Aves,,\n\n")
    assert [one.new_label for one in read_decisions(path)] == ["Aves"]
