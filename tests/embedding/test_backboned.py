"""Labels that a backbone gives: what is applied, what is left alone, and what is told of both."""

import csv

import pytest

from cladescope.embedding.backboned import BackboneLabels, BackboneSource
from cladescope.embedding.records import Record
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.backbone import Backbone
from tests.cladescope.taxonomy.test_backbone import FULL, darwin_core


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbone")
    return BackboneLabels(Backbone.build([darwin_core(folder / "Taxon.tsv")], folder / "b", release="test 1"))


def test_a_synonym_becomes_the_accepted_name_and_keeps_its_own_beside_it(labels):
    (found,) = labels.apply([{"genus": "Parus", "species": "Parus ater", "common_name": "coal tit"}])
    assert tuple(found[rank] for rank in ("kingdom", "phylum", "class", "order", "family", "genus", "species")) == FULL
    assert found["verbatim_name"] == "Parus ater"
    assert found["taxon_match"] == "synonym, gaps filled"
    assert found["common_name"] == "coal tit"


def test_what_is_not_sure_stays_as_it_came_and_is_told(labels):
    given = [
        {"genus": "Oenanthe"},
        {"kingdom": "Plantae", "species": "Parus major"},
        {"species": "Periparus atr"},
        {"common_name": "a tit"},
        {"class": "Aves", "genus": "Oenanthe"},
    ]
    found = labels.apply(given)
    assert [one.pop("taxon_match", None) for one in found] == [
        *("ambiguous", "conflict", "unknown, genus known, gaps filled", None, "accepted, gaps filled"),
    ]
    assert [found[place] for place in (0, 1, 3)] == [given[place] for place in (0, 1, 3)]
    assert found[2] == dict(zip(RANKS, (*FULL[:6], "Periparus atr"), strict=True))
    assert found[4]["family"] == "Muscicapidae"
    told = labels.to_dict()
    assert told["release"] == "test 1"
    assert told["left_alone"]["Oenanthe"][0] == "ambiguous"


def test_records_keep_their_order_and_a_source_that_fails_gives_those_before(labels):
    class Failing:
        name, extra_fields = "f", ()

        def count(self):
            return None

        def records(self):
            for number in range(3):
                yield Record(image_id=str(number), uri=f"/{number}", source="f", labels={"species": "Parus ater"})
            raise ValueError("no more")

    records = BackboneSource(Failing(), labels).records()
    assert [next(records).labels["species"] for _ in range(3)] == ["Periparus ater"] * 3
    with pytest.raises(ValueError, match="no more"):
        next(records)


def test_a_job_with_a_backbone_stores_accepted_names_counts_them_and_notes_the_release(run, photos, tmp_path):
    assert run("taxonomy", "build", darwin_core(tmp_path / "Taxon.tsv"), "--out", tmp_path / "b").status == 0
    pictures = sorted(photos.rglob("*.png"))[:2] or sorted(photos.rglob("*.jpg"))[:2]
    rows = [f"{path},Parus,{name}" for path, name in zip(pictures, ("ater", "atr"), strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,genus,species", *rows, ""]))
    job = [
        "embed",
        tmp_path / "labels.csv",
        "--store",
        tmp_path / "s",
        "--encoder",
        "pixels",
        "--backbone",
        tmp_path / "b",
    ]
    done = run(*job, "--json")
    assert done.json["names"] == {"backbone: synonym, gaps filled": 1, "backbone: unknown, genus known, gaps filled": 1}
    store = Store.open(tmp_path / "s")
    rows = [row for batch in store.scan(["species", "family", "verbatim_name"]) for row in batch.to_pylist()]
    assert sorted(tuple(row.values()) for row in rows) == [
        ("Parus atr", "Paridae", None),
        ("Periparus ater", "Paridae", "Parus ater"),
    ]
    assert "Taxon.tsv" in store.runs.to_pylist()[-1]["manifest"]
    again = run(*job, "--json")
    assert (again.status, again.json["already_stored"], again.json["embedded"]) == (0, 2, 0)
    traced = run("taxonomy", "trace", store.table(["image_id"])["image_id"][0], "--store", tmp_path / "s", "--json")
    (one,) = traced.json["pictures"]
    assert (one["species"], one["verbatim_name"], one["taxon_match"]) == (
        *("Periparus ater", "Parus ater", "synonym, gaps filled"),
    )
    assert one["backbones"][0]["release"] == "Taxon.tsv"


def test_another_backbone_is_refused_unless_it_may_change_and_none_is_told(run, photos, tmp_path):
    taxa = darwin_core(tmp_path / "Taxon.tsv")
    for name in ("one", "two"):
        assert run("taxonomy", "build", taxa, "--out", tmp_path / name, "--release", name).status == 0
        taxa.write_text(taxa.read_text().replace("Paridae", "Parulidae"))
    picture = min(photos.rglob("*.jpg"))
    (tmp_path / "labels.csv").write_text(f"file,family,species\n{picture},Sylviidae,Parus ater\n")
    job = ["embed", tmp_path / "labels.csv", "--store", tmp_path / "s", "--encoder", "pixels"]
    report = tmp_path / "conflicts.csv"
    assert run(*job, "--backbone", tmp_path / "one", "--conflicts", report).status == 0
    (row,) = csv.DictReader(report.read_text().splitlines())
    assert (row["name"], row["family"], row["pictures"]) == ("Parus ater", "Sylviidae", "1")
    assert (row["backbone"], row["why"]) == (" > ".join(FULL), "applied: the backbone has another family")
    assert row["first_image_id"] == Store.open(tmp_path / "s").table(["image_id"])["image_id"][0].as_py()
    once_more = report.read_bytes()
    assert run(*job, "--backbone", tmp_path / "one", "--conflicts", report).status == 0
    assert report.read_bytes() == once_more
    other = run(*job, "--backbone", tmp_path / "one", "--conflicts", tmp_path / "labels.csv")
    assert other.status == 1
    assert "labels.csv is there already and is no list of conflicts" in other.err
    assert (tmp_path / "labels.csv").read_text().startswith("file,family,species")
    strict = run(*job, "--backbone", tmp_path / "one", "--strict")
    assert strict.status == 1
    assert "strict: " in strict.err
    assert "the backbone says of 'Parus ater': synonym, gaps filled, another family" in strict.err
    refused = run(*job, "--backbone", tmp_path / "two")
    assert refused.status == 1
    assert "is named by the backbone 'one'" in refused.err
    assert "found 'two'" in refused.err
    changed = run(*job, "--backbone", tmp_path / "two", "--change-backbone", "--json")
    assert (changed.status, changed.json["relabelled"]) == (0, 1)
    assert "was named by the backbone 'one'" in changed.json["notes"][0]
    assert changed.json["notes"][1] == (
        "records of the source named by the backbone two: 1 synonym, gaps filled, another family"
    )
    assert "and this job by none" in run(*job).err
    assert run(*job, "--conflicts", report).status == 1
