import csv
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import cladescope
from cladescope.index.store import Store
from tests.app.cli.test_delete_and_relabel import picture


@pytest.fixture
def kept(tmp_path):
    """A store of three pictures with licences, one of them unknown."""
    rows = [("file", "genus", "licence", "rights_holder")]
    for number, more in enumerate([("Parus", "CC0", ""), ("Parus", "CC BY 4.0", "Jane, Roe"), ("Sitta", "", "")]):
        picture(tmp_path / "photos" / f"{number}.png", number)
        rows.append((f"photos/{number}.png", *more))
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    cladescope.embed(tmp_path / "m.csv", tmp_path / "s.store", encoder="pixels")
    return tmp_path / "s.store"


def test_every_format_holds_the_rows_of_the_store_and_whom_to_name(run, kept):
    store = Store.open(kept)
    labels, vectors = store.table(["image_id", "genus", "licence"]).to_pylist(), store.matrix()
    named = ["CC0", "Jane, Roe, CC BY 4.0", None]
    for name in ("parquet", "csv", "npy"):
        made = run("export", kept, "--out", kept.parent / name, "--format", name, "--json").json
        assert (made["rows"], made["without_licence"]) == (3, 1)
    table = pq.read_table(kept.parent / "parquet" / "pictures.parquet")
    assert table.select(["image_id", "genus", "licence"]).to_pylist() == labels
    assert table["attribution"].to_pylist() == named
    np.testing.assert_array_equal(np.stack(table["vector"].to_pylist()).astype(np.float32), vectors)
    np.testing.assert_array_equal(np.load(kept.parent / "npy" / "vectors.npy"), vectors)
    for name in ("csv", "npy"):
        with (kept.parent / name / "pictures.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["image_id"] for row in rows] == [row["image_id"] for row in labels]
        assert [row["attribution"] or None for row in rows] == named


def test_what_is_exported_can_be_imported_again(run, kept):
    run("export", kept, "--out", kept.parent / "out")
    cladescope.import_vectors(kept.parent / "out" / "pictures.parquet", kept.parent / "t.store", encoder="pixels")
    columns = ["image_id", "uri", "genus", "licence", "rights_holder"]
    again, first = Store.open(kept.parent / "t.store"), Store.open(kept)
    assert again.table(columns) == first.table(columns)
    np.testing.assert_allclose(again.matrix(), first.matrix(), atol=1e-3)


def test_a_part_of_a_store_goes_to_a_new_folder_or_nothing_is_written(run, fails, kept):
    assert "1 row in " in run("export", kept, "--out", kept.parent / "a", "--within", "Sitta").out
    assert "is there already" in fails("export", kept, "--out", kept.parent / "a")
    nothing = run("export", kept, "--out", kept.parent / "b", "--where", "genus = 'X'")
    assert nothing.status == 1
    assert nothing.err.splitlines()[0] == "no picture has the genus 'X'"
    assert "nothing to export" in nothing.err.splitlines()[1]
    assert not (kept.parent / "b").exists()


def test_only_what_failed_at_a_stage_or_for_a_reason_is_tried_again(run, fails, tmp_path):
    for number in range(3):
        picture(tmp_path / "p" / f"{number}.png", number)
    (tmp_path / "p" / "1.png").write_bytes(b"")
    (tmp_path / "p" / "2.png").write_bytes(b"<html>")
    command = ("embed", tmp_path / "p", "--store", tmp_path / "s", "--encoder", "pixels", "--json")
    assert run(*command).json["failed"] == 2
    picture(tmp_path / "p" / "1.png", 1)
    picture(tmp_path / "p" / "9.png", 9)
    counts = run(*command, "--retry-failed", "Empty file").json
    assert (counts["records"], counts["embedded"], counts["gone"]) == (1, 1, 0)
    assert run(*command, "--retry-failed", "decode").json["failed"] == 1
    assert "of the stage or reason 'read': it has decode 1" in fails(*command[:-1], "--retry-failed", "read")
    assert run(*command).json["embedded"] == 1


def test_a_darwin_core_archive_says_what_each_column_is_and_links_pictures_to_occurrences(run, tmp_path):
    rows = [("file", "observation_id", "genus", "species", "licence", "Decimal Latitude", "sex")]
    for number, more in enumerate([("o1", "Parus", "Parus major"), ("o1", "Parus", "Parus major"), ("", "Sitta", "")]):
        picture(tmp_path / f"{number}.png", number)
        rows.append((f"{number}.png", *more, "CC0" if number else "", "51.5", "fe\tmale"))
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    cladescope.embed(tmp_path / "m.csv", tmp_path / "s.store", encoder="pixels")
    made = run("export", tmp_path / "s.store", "--out", tmp_path / "a", "--format", "dwca", "--json").json
    assert (made["files"], made["without_licence"]) == (["meta.xml", "multimedia.txt", "occurrence.txt"], 1)
    tables = {}
    for table in ElementTree.parse(tmp_path / "a" / "meta.xml").getroot():
        space = "{http://rs.tdwg.org/dwc/text/}"
        terms = {int(field.get("index")): field.get("term").split("/")[-1] for field in table.iter(f"{space}field")}
        name = table.find(f"{space}files/{space}location").text
        lines = (tmp_path / "a" / name).read_text().splitlines()[1:]
        tables[name] = [{term: line.split("\t")[place] for place, term in terms.items()} for line in lines]
        tables[f"ids of {name}"] = [line.split("\t")[0] for line in lines]
    first, second = tables["occurrence.txt"]
    assert (first["occurrenceID"], first["scientificName"], first["taxonRank"]) == ("o1", "Parus major", "species")
    assert (first["specificEpithet"], first["decimalLatitude"], first["sex"]) == ("major", "51.5", "fe male")
    assert (second["scientificName"], second["taxonRank"], second["specificEpithet"]) == ("Sitta", "genus", "")
    assert tables["ids of multimedia.txt"] == ["o1", "o1", second["occurrenceID"]]
    assert [row["license"] for row in tables["multimedia.txt"]] == ["", "CC0", "CC0"]
    assert tables["multimedia.txt"][2]["identifier"] == str(tmp_path / "2.png")


def test_a_darwin_core_archive_embedded_again_gives_the_labels_that_were_stored(run, tmp_path):
    names = [
        *(
            "Carex flava L. var. alpina Kneuck.",
            "Amanita cf. muscaria",
            "Candidatus Phytoplasma mali",
            "Salix × fragilis",
        ),
        *("Parus major", "Parus ater", ""),
    ]
    with (tmp_path / "m.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("file", "observation_id", "family", "scientificName", "latitude", "title", "plot", "rights_holder")
        )
        for number, name in enumerate(names):
            picture(tmp_path / f"{number}.png", number)
            where = ("o1" if name.startswith("Parus") else "", "Paridae", name, "51.5")
            writer.writerow((f"{number}.png", *where, f"t{number}", "007", "Jane\nRoe"))
    cladescope.embed(tmp_path / "m.csv", tmp_path / "s.store", encoder="pixels")
    made = run("export", tmp_path / "s.store", "--out", tmp_path / "a", "--format", "dwca", "--json").json
    counted = (made["split_occurrences"], made["flattened_texts"], made["left_out_columns"])
    assert counted == (1, len(names), ["plot"])
    cladescope.embed(tmp_path / "a", tmp_path / "b.store", encoder="pixels")
    parts = [
        "uri",
        "family",
        "genus",
        "species",
        "infraspecific",
        "authorship",
        "qualifier",
        "verbatim_name",
        "source",
        "title",
    ]
    stored, again = (Store.open(tmp_path / name).table().sort_by("uri") for name in ("s.store", "b.store"))
    assert again.select(parts).to_pylist() == stored.select(parts).to_pylist()
    assert again["decimalLatitude"].to_pylist() == [51.5] * len(names)
    assert again["rights_holder"].to_pylist() == ["Jane Roe"] * len(names)
    assert again.filter(pc.is_in(again["species"], pa.array(["Parus ater"])))["observation_id"].to_pylist() == ["o1#2"]
