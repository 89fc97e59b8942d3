"""Sources that lie elsewhere, and were copied at another time, give the same bytes: ids, shards, catalogue, card, hashes."""

import csv
import json
import os
import shutil

import pyarrow.parquet as pq
import pytest

import cladescope
from cladescope.simulation import SimulationConfig, simulate
from cladescope.training.curation.gather import opened
from cladescope.training.curation.ids import id_in
from cladescope.training.curation.sections import SourceConfig

CONFIG = """[[sources]]
name = "photos"
path = "photos"
[[sources]]
name = "table"
path = "{table}"
[pictures]
min_side = 32
[duplicates]
near = "copies"
[[exclude]]
ids = "excluded.txt"
"""


@pytest.fixture
def places(tmp_path):
    """Two folders with the same sources, of which the second was copied later and has its table elsewhere."""
    one, two = tmp_path / "one", tmp_path / "deep" / "two"
    one.mkdir()
    simulate(one / "photos", SimulationConfig(species=4, images=4, seed=5))
    simulate(one / "more", SimulationConfig(species=3, images=4, seed=6))
    with (one / "more/metadata.csv").open(newline="") as file:
        species = [(row["file"], row["species"]) for row in csv.DictReader(file)]
    with (one / "more/table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "species"), *species])
    (one / "excluded.txt").write_text(f"{species[0][0]}\n")
    shutil.copytree(one, two)
    (two / "more").rename(tmp_path / "elsewhere")
    for path in (tmp_path / "elsewhere").rglob("*"):
        os.utime(path, (1, 1))
    (one / "curate.toml").write_text(CONFIG.format(table="more/table.csv"))
    (two / "curate.toml").write_text(CONFIG.format(table=tmp_path / "elsewhere/table.csv"))
    return one, two


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "work" not in path.relative_to(folder).parts and path.name != ".lock"
    }


def test_sources_that_moved_give_the_same_bytes(places):
    one, two = places
    for place in places:
        assert cladescope.curate(place / "curate.toml", out=place / "out").n_pictures == 27
    first, second = files(one / "out"), files(two / "out")
    assert len(first) > 12
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []
    names = pq.read_table(one / "out/catalog.parquet", columns=["source_id"])["source_id"].to_pylist()
    assert all(name.startswith("images/") for name in names)


def test_a_picture_without_an_id_goes_by_its_place_in_the_source(places):
    one, _ = places
    cladescope.curate(one / "curate.toml", out=one / "out")
    row = pq.read_table(one / "out/catalog.parquet").to_pylist()[0]
    found = cladescope.trace(f"{row['data_source']}/{row['source_id']}", out=one / "out")
    assert [each["id"] for each in found] == [row["uuid"]]


def test_two_categories_of_one_box_have_ids_that_do_not_move(tmp_path):
    names = [{"id": 7, "name": "Parus major"}, {"id": 8, "name": "Corvus corax"}]
    boxes = [
        {"image_id": 1, "category_id": number, "bbox": box} for box in ([0, 0, 9, 9], [4, 4, 9, 9]) for number in (7, 8)
    ]
    told = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": boxes, "categories": names}
    found = []
    for place in ("one", "deep/two"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "coco.json").write_text(json.dumps(told))
        source = SourceConfig(name="traps", path=str(tmp_path / place / "coco.json"))
        found.append([id_in(record, source) for record in opened(source).records()])
    assert found[0] == found[1]
    assert len(set(found[0])) == 4
    assert sum(one.endswith(":=8") for one in found[0]) == 2
