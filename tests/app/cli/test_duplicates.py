"""`cladescope duplicates`: on a plain folder and on a store."""

import csv

import pytest
from PIL import Image, ImageOps

import cladescope
from tests.analysis.duplicates.made import photographs


@pytest.fixture
def twins(tmp_path):
    """Eight photographs, one of them mirrored and one reduced; and a file that is no picture."""
    folder = tmp_path / "photos"
    paths = photographs(folder, 8)
    ImageOps.mirror(Image.open(paths[2])).save(folder / "turned.jpg", quality=90)
    Image.open(paths[6]).resize((120, 90)).save(folder / "small.jpg", quality=90)
    (folder / "broken.jpg").write_text("no picture")
    return folder


def test_one_line_on_a_plain_folder_names_the_pairs(run, twins):
    ended = run("duplicates", twins)
    assert ended.status == 0
    assert "2 pairs in 2 groups among 11 pictures (likeness from 0.8); the same file: 0" in ended.out
    lines = [line.split() for line in ended.out.splitlines()]
    assert ["6.jpg", "240", "x", "180,"] in [line[1:5] for line in lines]
    assert {"small.jpg", "mirrored"} <= {word for line in lines for word in line}
    assert "1 picture could not be looked at, and is in no pair:" in ended.err
    assert str(twins / "broken.jpg") in ended.err


def test_pairs_are_listed_drawn_and_printed_for_programs(run, fails, twins, tmp_path):
    listed, sheet = tmp_path / "pairs.csv", tmp_path / "pairs.png"
    ended = run("duplicates", twins, "--list", listed, "--sheet", sheet, "--json")
    assert (ended.json["pairs"], ended.json["pictures"], len(ended.json["unreadable"])) == (2, 11, 1)
    with listed.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["other_uri"] for row in rows] == [pair["other_uri"] for pair in ended.json["found"]]
    assert {(row["keep_width"], row["keep_height"]) for row in rows} == {("240", "180")}
    with Image.open(sheet) as drawn:
        assert drawn.width > 4 * 224
    assert run("duplicates", twins, "--csv").rows == rows
    assert fails("duplicates", twins, "--list", listed).endswith("(--overwrite)")


def test_a_store_gives_the_same_pairs_as_its_folder(run, twins, tmp_path):
    run("embed", twins, "--store", tmp_path / "s.store", "--encoder", "pixels")
    of_store = run("duplicates", tmp_path / "s.store", "--json").json["found"]
    assert of_store == run("duplicates", twins, "--json").json["found"]
    found = cladescope.duplicates(tmp_path / "s.store", near="copies")
    assert (found.summary["pairs"], found.summary["pictures"]) == (0, 10)


def test_what_makes_no_sense_is_told_before_any_picture_is_read(fails, misused, twins):
    assert "expected copies (1), same (0.8), alike (0.6)" in misused("duplicates", twins, "--near", "close")
    assert "select pictures of a store" in fails("duplicates", twins, "--where", "width > 5")
    assert "no such file or folder" in fails("duplicates", twins / "none")
    assert "give one" in misused("duplicates", twins, "--json", "--csv")


def test_the_smaller_ones_are_moved_away_and_come_back(run, misused, twins, tmp_path):
    before = {path.name: path.read_bytes() for path in twins.iterdir()}
    away = tmp_path / "away"
    ended = run("duplicates", twins, "--move-to", away, "--json", "--sheet", tmp_path / "pairs.png")
    assert ended.json["moved"]["placed"] == 2
    assert (away / "copies of 6.jpg" / "small.jpg").read_bytes() == before["small.jpg"]
    assert {path.name for path in twins.iterdir()} == set(before) - {
        path.name for path in away.rglob("*.jpg") if path.is_file()
    }
    assert run("duplicates", twins, "--json").json["pairs"] == 0
    assert f"cladescope undo {away.resolve()}" in ended.err
    run("undo", away)
    assert {path.name: path.read_bytes() for path in twins.iterdir()} == before
    assert not away.exists()
    (tmp_path / "taken").write_text("a file")
    assert "is a file, expected a folder" in misused("duplicates", twins, "--move-to", tmp_path / "taken")
