"""A folder of classes whose names are no taxa: every verb tells them apart by their label, and says so."""

import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import cladescope
from cladescope.analysis.audit.run import audit
from cladescope.analysis.pictures import Pictures
from cladescope.errors import InputError, TaxonError
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS
from tests.alone import index_of, part_of

COLOURS = {"striped": (200, 40, 40), "plain": (20, 20, 20), "dotted": (40, 60, 220)}
EACH = 14


@pytest.fixture
def classes(tmp_path):
    """A store of three folders of pictures that `pixels` tells apart."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "classes" / name).mkdir(parents=True)
        for number in range(EACH):
            noise = rng.integers(-25, 26, (24, 24, 3)) + np.array(colour)
            Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(tmp_path / "classes" / name / f"{number}.png")
    cladescope.embed(tmp_path / "classes", tmp_path / "s", encoder="pixels")
    return tmp_path / "s"


def test_info_counts_labels_beside_the_ranks(run, classes):
    assert run("info", classes, "--json").json["ranks"]["label"] == {"taxa": 3, "images": 3 * EACH}


def test_a_store_without_labels_has_no_such_row(run, store):
    assert "label" not in run("info", store.path, "--json").json["ranks"]


def test_a_map_of_labels_is_coloured_by_them_unasked(run, classes, tmp_path):
    ended = run("map", classes, "--method", "tsne", "--out", tmp_path / "map", "--json")
    assert ended.status == 0, ended.err
    assert ended.json["color"] == "label"
    page = (tmp_path / "map" / "map.html").read_text()
    (told,) = index_of(page)["maps"]
    assert told["map"]["color"] == "label"
    place = [column["name"] for column in told["map"]["columns"]].index("label")
    assert {line["name"] for line in json.loads(part_of(page, f"legend/{place}"))["values"]} == set(COLOURS)
    shown = ended.json["thumbnails"]
    assert (shown["pictures"], shown["missing"]) == (told["map"]["n"], {})
    asked = cladescope.map(classes, color="label", method="tsne")
    none = run("map", classes, "--method", "tsne", "--out", tmp_path / "none", "--thumbnails", 0)
    assert f"0 of {told['map']['n']} pictures have a thumbnail (no room in the page: {told['map']['n']})" in none.err
    assert index_of((tmp_path / "none" / "map.html").read_text())["maps"][0]["pictures"]["count"] == 0
    assert sorted(set(asked.pictures.lineages(asked.rank))) == [("dotted",), ("plain",), ("striped",)]


def test_an_audit_doubts_labels_where_there_are_no_ranks(run, classes, tmp_path):
    wrong = tmp_path / "classes" / "plain" / "wrong.png"
    Image.new("RGB", (24, 24), COLOURS["dotted"]).save(wrong)
    cladescope.embed(tmp_path / "classes", classes)
    ended = run("audit", classes, "--out", tmp_path / "audit", "--json")
    assert ended.status == 0, ended.err
    assert ended.json["label_errors_by_rank"] == {"label": 1}
    (row,) = json.loads((tmp_path / "audit" / "audit.json").read_text())["label_errors"]
    assert (row["uri"], row["lineage"], row["suggested"], row["part_at"]) == (str(wrong), "plain", "dotted", "label")
    assert "told apart by their label, of which there are 3" in ended.json["notes"][0]


def test_probes_and_reports_measure_labels(run, classes, tmp_path):
    ended = run("probe", classes, "--permutations", "3", "--out", tmp_path / "probe", "--json")
    assert ended.status == 0, ended.err
    purity = ended.json["results"][0]
    assert (purity["probe"], purity["rank"], purity["value"], purity["n_taxa"]) == ("1-NN purity", "label", 1.0, 3)
    made = cladescope.report(classes, permutations=3, draw_map=False)
    assert [(one.rank, one.taxa) for one in made.ranks] == [("label", 3)]


def test_ranks_and_labels_of_one_store_are_both_at_hand(classes, tmp_path):
    rows = "".join(f"{number}.png,Parus major,{name}\n" for number, name in enumerate(["striped", "plain"] * 6))
    (tmp_path / "classes" / "plain" / "t.csv").write_text(f"file,species,label\n{rows}")
    both = tmp_path / "both"
    cladescope.embed(tmp_path / "classes" / "plain" / "t.csv", both, encoder="pixels")
    assert cladescope.probe(both, permutations=3).reports[0].skipped[0].startswith("rank kingdom")
    by_label = cladescope.probe(both, rank="label", permutations=3).reports[0]
    assert {one.rank for one in by_label.results} == {"label", None}
    assert cladescope.audit(both, rank="label").summary["label_errors_by_rank"].keys() == {"label"}


def test_classifiers_and_tasks_fall_back_to_labels_with_a_word(run, classes, tmp_path):
    ended = run("fit", classes, "--out", tmp_path / "c.safetensors", "--json")
    assert (ended.json["target"], ended.json["classes"], ended.json["accuracy"]) == ("label", 3, 1.0)
    assert "most pictures have a label and no species" in ended.err
    scored = run("evaluate", "few-shot", classes, "--shots", "1", "--out", tmp_path / "scores", "--json")
    assert scored.status == 0, scored.err
    assert "the classes are the labels" in scored.out
    asked = cladescope.evaluate("few-shot", [classes], rank="label", shots=(1,), out=tmp_path / "asked")
    assert asked.evaluations[0].task.labels[:1] == ["dotted"]


def test_hits_agree_on_a_label_and_facets_count_them(run, classes, tmp_path):
    query = tmp_path / "classes" / "plain" / "0.png"
    ended = run("search", classes, "--image", query, "-k", "5", "--facets", "label", "--sheet", tmp_path / "s.png")
    assert "consensus: plain (label, " in ended.out
    found = cladescope.search(classes, query, k=5, facets="label", where="label <> 'striped'").to_dict()
    assert (found["consensus"]["taxon"], found["consensus"]["rank"], found["consensus"]["label"]) == (
        None, "label", "plain",
    )  # fmt: skip
    assert [(one["name"], one["hits"], one["images"]) for one in found["facets"]] == [
        ("plain", 5, EACH), ("dotted", 0, EACH),
    ]  # fmt: skip
    each = cladescope.search(classes, query, k=3, at_most=1, per="label").hits
    assert sorted(hit.label for hit in each) == sorted(COLOURS)


def test_a_label_that_is_not_there_is_said_in_a_line(fails, store, tmp_path):
    assert "no picture has a label" in fails("audit", store.path, "--rank", "label", "--out", tmp_path / "a")
    assert "no picture has a label" in fails("probe", store.path, "--rank", "label", "--out", tmp_path / "p")
    with pytest.raises(InputError, match="has no column 'label'"):
        cladescope.search(store.path, image_id=store.table(["image_id"])["image_id"][0].as_py(), facets="label")
    with pytest.raises(TaxonError, match="label"):
        cladescope.search(store.path, vector=np.ones(store.card.dim), per="lable", at_most=1)


def test_a_clade_of_a_store_of_labels_is_told_of_them(fails, classes, tmp_path):
    said = fails("search", classes, "--image", tmp_path / "classes" / "plain" / "0.png", "--within", "plain")
    assert "has a taxon: choose by its label, \"label = 'plain'\" as a condition" in said


def test_pictures_without_a_taxon_are_chosen_by_what_was_predicted_where_that_is_the_name(run, fails, store, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (24, 24), COLOURS["plain"]).save(tmp_path / "photos" / "IMG_1.jpg")
    cladescope.embed(tmp_path / "photos", tmp_path / "new", encoder="pixels")
    asked = ("search", tmp_path / "new", "--image", tmp_path / "photos" / "IMG_1.jpg", "--within")
    assert "none has a label either; predict proposes names" in fails(*asked, "Aves")
    run("fit", store.path, "--rank", "kingdom", "--out", tmp_path / "c.safetensors")
    run("predict", tmp_path / "new", "--classifier", tmp_path / "c.safetensors", "--rank", "kingdom", "--closed-set", "--write-to", tmp_path / "new")  # fmt: skip
    (row,) = Store.open(tmp_path / "new").table(["predicted_kingdom"]).to_pylist()
    name = row["predicted_kingdom"]
    said = f"1 is predicted to be of {name!r}: choose by \"predicted_kingdom = '{name}'\" as a condition"
    assert said in fails(*asked, name)
    assert "proposes names" in fails(*asked, "Nemo")


def test_a_rank_is_refused_where_the_classes_are_labels(run, fails, classes, tmp_path):
    run("fit", classes, "--out", tmp_path / "c.safetensors")
    asked = ("predict", classes, "--classifier", tmp_path / "c.safetensors")
    assert "found rank 'family', and classes that are plain labels" in fails(*asked, "--rank", "family")
    assert run(*asked, "--rank", "species").status == 0, "the default may be spelt out"


def test_a_column_of_that_name_that_holds_no_labels_is_left_alone(tmp_path):
    table = pa.table({"image_id": ["a", "b", "c"], "species": ["Parus major"] * 3, "label": [[1, 2], [3], [4]]})
    pictures = Pictures(np.eye(3, dtype=np.float32), table)
    assert pictures.told_apart_by() is pictures
    assert pictures.narrowest == "species"
    assert audit(pictures).summary["label_errors_by_rank"].keys() == set(RANKS)
