"""What exported files hold, told by Croissant; the shape is checked against the specification's tables, not against our code."""

import csv
import hashlib
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cladescope
from cladescope.errors import InputError
from cladescope.index.croissant import MOST_CREATORS, Rights, describe
from cladescope.index.store import Store
from tests.app.cli.test_delete_and_relabel import picture

REQUIRED = {"@context", "@type", "conformsTo", "name", "description", "license", "url", "creator", "datePublished"}
"""Of a data set, as Croissant 1.1 has it under "Required"."""
TYPES = {"sc:Text", "cr:Int32", "cr:Int64", "cr:Float32", "cr:Float64", "sc:Boolean", "sc:Date", "sc:DateTime"}
ABOUT = {"name": "My birds", "url": "https://birds.org", "citeAs": "@misc{birds}"}


@pytest.fixture
def kept(tmp_path):
    """A store of three pictures and a region, with licences, one of them unknown."""
    rows = [("file", "genus", "licence", "rights_holder", "note", "year", "my tags", "bbox")]
    for number, more in enumerate(
        [
            ("Parus", "CC0", "", "=1+1", "2020", "a", ""),
            ("Parus", "CC BY-SA 4.0", "Jane {Roe}", "'=2", "2021", "b", ""),
            ("Sitta", "", "", "-5", "2022", "@c", ""),
            ("Sitta", "Ask me", "Jane {Roe}", "", "", "", "0 0 20 20"),
        ]
    ):
        picture(tmp_path / "photos" / f"{number}.png", number)
        rows.append((f"photos/{number}.png", *more))
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    cladescope.embed(tmp_path / "m.csv", tmp_path / "s.store", encoder="pixels")
    return tmp_path / "s.store"


@pytest.mark.parametrize("format", ["parquet", "csv", "npy"])
def test_the_description_has_all_that_croissant_requires_and_fits_its_files(kept, format):
    out = kept.parent / format
    made = cladescope.export(kept, out, format=format, about=ABOUT)
    document = json.loads((out / "croissant.json").read_text(encoding="utf-8"))
    assert document.keys() >= REQUIRED
    assert made.not_said == ()
    assert (document["@type"], document["conformsTo"]) == ("sc:Dataset", "http://mlcommons.org/croissant/1.1")
    assert {name: document[name] for name in ABOUT} == ABOUT
    others = {path.name for path in out.iterdir()} - {"croissant.json"}
    assert {one["@id"] for one in document["distribution"]} == others
    for one in document["distribution"]:
        content = (out / one["contentUrl"]).read_bytes()
        assert one["@type"] == "cr:FileObject"
        assert one["sha256"] == hashlib.sha256(content).hexdigest()
        assert one["contentSize"] == f"{len(content)} B"
    (records,) = document["recordSet"]
    if format == "parquet":
        columns = pq.read_schema(out / "pictures.parquet").names
    else:
        with (out / "pictures.csv").open(newline="", encoding="utf-8") as file:
            columns = next(csv.reader(file))
    assert [one["source"]["extract"]["column"] for one in records["field"]] == columns
    ids = [one["@id"] for one in records["field"]]
    assert len(set(ids)) == len(ids)
    assert not any(" " in one for one in ids)
    assert records["key"]["@id"] in ids
    assert {one["source"]["fileObject"]["@id"] for one in records["field"]} <= others
    assert {one["dataType"] for one in records["field"]} <= TYPES
    fields = {one["name"]: one for one in records["field"]}
    assert (fields["width"]["dataType"], fields["year"]["dataType"]) == ("cr:Int32", "cr:Int64")
    if format == "parquet":
        vector = fields["vector"]
        assert (vector["dataType"], vector["isArray"], vector["arrayShape"]) == ("cr:Float32", True, "960")
        assert Store.open(kept).card.weight_hash in vector["prov:wasAttributedTo"]["prov:label"]


def test_licences_creators_and_provenance_are_those_of_the_pictures(kept):
    made = cladescope.export(kept, kept.parent / "out", format="croissant")
    document = json.loads((kept.parent / "out" / "croissant.json").read_text(encoding="utf-8"))
    assert document["license"] == [
        "https://creativecommons.org/publicdomain/zero/1.0/",
        "https://creativecommons.org/licenses/by-sa/4.0/",
        {"@type": "CreativeWork", "name": "Ask me"},
    ]
    assert document["creator"] == [{"@type": "Person", "name": "Jane {Roe}"}]
    assert "{Jane Roe}" in document["citeAs"]
    assert "Of 1 pictures no licence is known" in document["description"]
    assert document["version"] == f"{Store.open(kept).version}.0.0"
    label = document["prov:wasGeneratedBy"]["prov:wasAssociatedWith"]["prov:label"]
    assert label == f"cladescope {cladescope.__version__}"
    assert made.not_said == ("url",)


def test_what_nobody_said_is_left_out_and_named(tmp_path):
    picture(tmp_path / "photos" / "a.png", 1)
    cladescope.embed(tmp_path / "photos", tmp_path / "s.store", encoder="pixels")
    made = cladescope.export(tmp_path / "s.store", tmp_path / "out")
    assert made.not_said == ("license", "url", "creator")
    assert not json.loads((tmp_path / "out" / "croissant.json").read_text()).keys() & set(made.not_said)


def test_of_many_rights_holders_those_with_most_pictures_are_creators(tmp_path, kept):
    rights = Rights()
    holders = [f"h{n}" for n in range(MOST_CREATORS + 5)] + ["h3"]
    rights.add(pa.record_batch({"rights_holder": holders, "licence": ["CC0"] * len(holders)}))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "pictures.csv").write_text("image_id\n")
    document, _ = describe(
        tmp_path / "d", pa.schema([("image_id", pa.string())]), n_rows=len(holders), rights=rights,
        card=Store.open(kept).card, store="s", version=3, about={},
    )  # fmt: skip
    assert len(document["creator"]) == MOST_CREATORS
    assert document["creator"][0]["name"] == "h3"
    assert f"Of {MOST_CREATORS + 5} rights holders" in document["description"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[1]", "holds a list"),
        ("{", "cannot be read as JSON"),
        ('{"distribution": []}', "describes the files themselves"),
    ],
)
def test_what_is_said_of_a_data_set_must_be_an_object_of_properties(kept, text, found):
    (kept.parent / "about.json").write_text(text)
    with pytest.raises(InputError, match=found):
        cladescope.export(kept, kept.parent / "out", about=kept.parent / "about.json")
    assert not (kept.parent / "out").exists()


def test_a_pipe_says_nothing_of_a_data_set(kept):
    os.mkfifo(kept.parent / "about.json")
    with pytest.raises(InputError, match="is not a file"):
        cladescope.export(kept, kept.parent / "out", about=kept.parent / "about.json")


def test_a_safe_table_holds_no_formula_is_counted_and_can_be_undone(run, fails, kept):
    plain, safe = kept.parent / "plain", kept.parent / "safe"
    run("export", kept, "--out", plain, "--format", "csv")
    ended = run("export", kept, "--out", safe, "--format", "csv", "--safe-csv")
    assert "before the text of 3 cells" in ended.err
    tables = []
    for folder in (plain, safe):
        with (folder / "pictures.csv").open(newline="", encoding="utf-8") as file:
            tables.append(list(csv.DictReader(file)))
    assert [row["note"] for row in tables[1]] == ["'=1+1", "''=2", "-5", ""]
    assert tables[1][2]["my tags"] == "'@c"
    undone = [
        {name: cell[1:] if cell[:1] == "'" and cell.lstrip("'")[:1] in tuple("=+-@\t\r\n") else cell for name, cell in row.items()}
        for row in tables[1]
    ]  # fmt: skip
    assert undone == tables[0]
    assert "safe_csv is of the formats csv and npy" in fails("export", kept, "--out", kept.parent / "x", "--safe-csv")


def test_a_region_names_its_picture_and_its_box_in_every_format(kept):
    cladescope.export(kept, kept.parent / "p")
    rows = pq.read_table(kept.parent / "p" / "pictures.parquet").to_pylist()
    whole, region = rows[0], rows[3]
    assert (whole["parent_uri"], whole["box"]) == (whole["uri"], None)
    assert region["uri"] == f"{region['parent_uri']}#box={region['box']}"
    assert region["parent_uri"].endswith("photos/3.png")
    cladescope.export(kept, kept.parent / "d", format="dwca")
    lines = (kept.parent / "d" / "multimedia.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t")[2:4] == ["identifier", "description"]
    assert lines[4].split("\t")[2:4] == [region["parent_uri"], f"box {region['box']}"]
