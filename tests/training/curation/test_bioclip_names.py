"""BioCLIP's rules for names (its `naming.py`) as behaviour: what they clean is clean here, and where we differ a test says why."""

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from cladescope.taxonomy import RANKS
from cladescope.taxonomy.backbone import Backbone
from cladescope.training.curation.config import load_config
from cladescope.training.curation.gather import gather
from cladescope.training.curation.job import Job
from cladescope.training.curation.names import names

KNOWN = [
    ("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major"),
    ("Plantae", "Tracheophyta", "Liliopsida", "Poales", "Cyperaceae", "Carex", "Carex flava"),
    ("Animalia", "Arthropoda", "Insecta", "Diptera", "Asilidae", "Leptogaster", "Leptogaster flavipes"),
    ("Animalia", "Arthropoda", "Insecta", "Diptera", "Empididae", "Leptogaster", "Leptogaster flavipes"),
    ("Bacteria", "Actinobacteria", "Actinobacteria", "Mycobacteriales", None, None, None),
    ("Animalia", "Arthropoda", "Collembola", "Collembola", None, None, None),
]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbone")
    columns = {
        rank: pa.array(column, pa.string()) for rank, column in zip(RANKS, zip(*KNOWN, strict=True), strict=True)
    }
    parquet.write_table(pa.table(columns), folder / "taxa.parquet")
    return Backbone.build([folder / "taxa.parquet"], folder / "known")


def named(folder, rows, backbone=None):
    """What the rows of a table are called after the stage, and the job."""
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in (*RANKS, "common_name")}
    files = pa.array([f"{number}.jpg" for number in range(len(rows))])
    parquet.write_table(pa.table({"file": files, **columns}), folder / "rows.parquet")
    text = '[[sources]]\nname = "a"\npath = "rows.parquet"\n'
    text += "" if backbone is None else f'[names]\nbackbone = "{backbone.path}"\n'
    (folder / "tree.toml").write_text(text)
    job = Job(load_config(folder / "tree.toml"), folder / "out")
    gather(job)
    names(job)
    return job.read("names", 0).to_pylist(), job


def path(row):
    return tuple(row[rank] for rank in RANKS)


@pytest.mark.parametrize(
    "written, species",
    [
        ("<i>Parus</i> major", "Parus major"),
        ("<b><i>Parus major</i></b>", "Parus major"),
        ("Parus major<br>see notes", "Parus major"),
        ("Parus major <br />x", "Parus major"),
        ("Parus major (Linnaeus)", "Parus major"),
        ("Carex flava ssp. alpina", "Carex flava"),
        ("Carex flava subsp. alpina", "Carex flava"),
        ("Carex flava var. alpina", "Carex flava"),
        ("Aus bus Smith, Jones & Brown", "Aus bus"),
        ("Aus bus Smith & Jones", "Aus bus"),
        ("Parus major Linnaeus 1758", "Parus major"),
        ("Parus major Linnaeus, 1758", "Parus major"),
        ("Parus major 1758", "Parus major"),
        ("Parus major L.", "Parus major"),
    ],
)
def test_authors_years_subspecies_and_markup_are_no_part_of_the_species(tmp_path, written, species):
    """BioCLIP cuts the text where one of these begins, and loses it; here it is kept beside the species."""
    (row,), job = named(tmp_path, [{"species": written}])
    assert row["species"] == species
    assert row["genus"] == species.split(" ")[0]
    raw = json.loads(job.read("gather", 0, ["raw"])["raw"][0].as_py())
    assert raw["species"] == species


@pytest.mark.parametrize("word", ["(unidentified)", "unknown", "pleasehelp", "<i>Unknown</i>", "PleaseHelp"])
def test_words_that_say_nothing_are_no_names_and_are_counted(tmp_path, word):
    (row,), job = named(tmp_path, [{"class": "Aves", "order": word, "family": word}])
    assert path(row) == (None, None, "Aves", None, None, None, None)
    ((source, said, n),) = job.manifest("gather")["counts"]["changed"]
    assert (source, n) == ("a", 2)
    assert said.endswith("read as not known")


def test_markup_at_any_rank_is_taken_off_and_counted(tmp_path):
    (row,), job = named(
        tmp_path, [{"kingdom": "<i>Animalia</i>", "family": "<em>Paridae</em>", "common_name": "<b>Tits</b> &amp; kin"}]
    )
    assert (row["kingdom"], row["family"], row["common_name"]) == ("Animalia", "Paridae", "Tits & kin")
    assert job.manifest("gather")["counts"]["changed"] == [["a", "name respelt", 1]]


@pytest.mark.parametrize(
    "kingdom, accepted",
    [
        ("Metazoa", "Animalia"),
        ("Archaeplastida", "Plantae"),
        ("Chloroplastida", "Plantae"),
        ("Viridiplantae", "Plantae"),
    ],
)
def test_kingdoms_of_two_names_are_those_of_the_backbone(tmp_path, backbone, kingdom, accepted):
    genus = "Parus" if accepted == "Animalia" else "Carex"
    (row,), _ = named(tmp_path, [{"kingdom": kingdom, "genus": genus}], backbone)
    assert row["kingdom"] == accepted
    assert row["family"] in ("Paridae", "Cyperaceae")


@pytest.mark.parametrize(
    "row, species",
    [
        ({"genus": "Parus", "species": "Parus major"}, "Parus major"),
        ({"genus": "Parus", "species": "major"}, "Parus major"),
        ({"species": "Parus major"}, "Parus major"),
        ({"genus": "parus", "species": "PARUS MAJOR"}, "Parus major"),
        ({"genus": "Salix", "species": "x fragilis"}, "Salix × fragilis"),
        ({"genus": "Aus", "species": "x x"}, None),
    ],
)
def test_the_genus_stands_once(tmp_path, row, species):
    """BioCLIP makes an epithet of "x x"; here it is none, and is kept in words beside the genus."""
    (found,), _ = named(tmp_path, [row])
    assert found["species"] == species
    assert found["genus"] == (row.get("genus") or "Parus").capitalize()


def test_gaps_are_filled_upward_where_one_taxon_fits_and_not_otherwise(tmp_path, backbone):
    rows = [
        {"kingdom": "Animalia", "order": "Passeriformes", "species": "Parus major"},
        {"species": "Leptogaster flavipes"},
        {"family": "Asilidae", "species": "Leptogaster flavipes"},
        {"kingdom": "Plantae", "genus": "Parus"},
    ]
    filled, homonym, told, wrong = named(tmp_path, rows, backbone)[0]
    assert path(filled) == KNOWN[0]
    assert path(homonym)[:5] == (None,) * 5
    assert homonym["taxon_match"] == "ambiguous"
    assert path(told) == KNOWN[2]
    assert path(wrong) == ("Plantae", None, None, None, None, "Parus", None), "what contradicts is left as it is"
    assert wrong["taxon_match"] == "conflict"


def test_names_at_two_ranks_are_told_apart_by_the_column_that_they_stand_in(tmp_path, backbone):
    """BioCLIP keeps a list of these names; here the column says the rank."""
    rows = [{"phylum": "Actinobacteria"}, {"class": "Actinobacteria"}, {"class": "Collembola"}, {"order": "Collembola"}]
    found = [path(row)[:4] for row in named(tmp_path, rows, backbone)[0]]
    assert found == [
        ("Bacteria", "Actinobacteria", None, None),
        ("Bacteria", "Actinobacteria", "Actinobacteria", None),
        ("Animalia", "Arthropoda", "Collembola", None),
        ("Animalia", "Arthropoda", "Collembola", "Collembola"),
    ]
