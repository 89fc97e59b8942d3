"""Zero-shot and `predict`: names for pictures."""

import json
import shutil
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from PIL import ExifTags, Image

import cladescope
from cladescope.analysis.classify.answers import Answers, columns
from cladescope.analysis.classify.back_off import BackOff
from cladescope.analysis.classify.naming import WHEN_AND_WHERE
from cladescope.analysis.classify.precomputed import read_precomputed
from cladescope.analysis.classify.said import ASIDE, NAMED, name_said
from cladescope.analysis.classify.taxon_lists import read_labels, read_prior, taxa_table, within
from cladescope.analysis.classify.templates import templates
from cladescope.analysis.classify.zero_shot import best, label_gallery, taxon_gallery, text_vectors
from cladescope.app.cli import answers
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.pipeline import embed
from cladescope.embedding.prompts import name_of, prompt
from cladescope.embedding.sources import open_source
from cladescope.errors import InputError
from cladescope.files import hash_file
from cladescope.index.store import Store
from cladescope.taxonomy.taxon import RANKS, Taxon

MADE_BY = (*("encoder", "encoder_hash", "classes", "classes_hash", "backbone", "backbone_hash", "cladescope", "date"),)
ROWS = [
    ("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus major", "Great tit"),
    ("Animalia", "Chordata", "Aves", "Passeriformes", "Paridae", "Parus", "Parus minor", None),
    ("Animalia", "Chordata", "Aves", "Passeriformes", "Corvidae", "Corvus", "Corvus corax", "Raven"),
    ("Animalia", "Arthropoda", "Insecta", "Lepidoptera", "Nymphalidae", None, None, None),
]
TABLE = taxa_table(pa.table({name: [row[place] for row in ROWS] for place, name in enumerate([*RANKS, "common_name"])}))


@pytest.fixture(scope="module")
def encoder(checkpoint):
    return Encoder.load(str(checkpoint), device="cpu")


@pytest.fixture
def taxa(tmp_path):
    path = tmp_path / "taxa.csv"
    lines = [",".join([*RANKS, "common_name"]), *(",".join(value or "" for value in row) for row in ROWS)]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def predict(run, checkpoint, tmp_path):
    return lambda *arguments: run("predict", *arguments, "--encoder", checkpoint, "--cache", tmp_path / "cache")


def test_probabilities_of_a_rank_equal_a_loop_over_the_classes(encoder):
    gallery = taxon_gallery(encoder, TABLE)
    pictures = np.random.default_rng(0).normal(size=(5, 32)).astype(np.float32)
    texts = []
    for row in TABLE.to_pylist():
        taxon = Taxon.from_ranks({rank: row[rank] for rank in RANKS})
        texts.append(prompt(taxon, "taxon_com", common_name=row["common_name"]))
    words = encoder.encode_texts(texts)
    for picture, found in zip(pictures, Answers(gallery, rank="family").of(pictures), strict=True):
        scores = np.exp(encoder.text_scale * (words @ (picture / np.linalg.norm(picture))).astype(np.float64))
        expected: dict[str, float] = {}
        for family, score in zip(TABLE["family"].to_pylist(), scores / scores.sum(), strict=True):
            expected[family] = expected.get(family, 0.0) + score
        assert {row["family"]: row["score"] for row in found} == pytest.approx(expected, rel=0.02)
        assert [row["score"] for row in found] == sorted((row["score"] for row in found), reverse=True)


def test_class_vectors_are_read_from_the_cache_and_made_anew_where_it_is_damaged(encoder, tmp_path):
    made = text_vectors(encoder, ["a", "b"], cache=tmp_path)
    (path,) = tmp_path.glob("*.npy")
    np.save(path, made + np.float16(1))
    assert (text_vectors(encoder, ["a", "b"], cache=tmp_path) == made + np.float16(1)).all()
    path.write_bytes(b"\x93NUMPY cut")
    assert (text_vectors(encoder, ["a", "b"], cache=tmp_path) == made).all()
    assert not (text_vectors(encoder, ["a", "c"], cache=tmp_path)[1] == made[1]).all()


def test_with_templates_a_taxon_is_the_mean_over_sentences_and_has_a_cache_of_its_own(encoder, tmp_path):
    one = taxon_gallery(encoder, TABLE, text_type="sci", cache=tmp_path)
    many = taxon_gallery(encoder, TABLE, text_type="sci", templates=True, cache=tmp_path)
    words = encoder.encode_texts([sentence(name_of(one.tree.class_taxon(0), "sci")) for sentence in templates()])
    mean = words.mean(axis=0)
    np.testing.assert_allclose(many.vectors[0], mean / np.linalg.norm(mean), atol=2e-3)
    again = taxon_gallery(encoder, TABLE, text_type="sci", templates=True, cache=tmp_path)
    np.testing.assert_array_equal(again.vectors, many.vectors)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_the_best_come_first_and_ties_in_order():
    scores = np.random.default_rng(1).integers(0, 4, size=(20, 9)).astype(float)
    assert (best(scores, 4) == np.argsort(-scores, axis=1, kind="stable")[:, :4]).all()


def test_taxa_are_distinct_and_keep_their_most_frequent_common_name():
    rows = pa.table({"class": ["Aves", "Aves", "Aves", ""], "common_name": ["bird", "fowl", "fowl", "x"]})
    assert taxa_table(rows).select(["class", "common_name"]).to_pylist() == [{"class": "Aves", "common_name": "fowl"}]


def test_a_prior_holds_for_clades_the_deeper_line_is_stronger_and_unknown_names_are_told(tmp_path):
    path = tmp_path / "prior.csv"
    path.write_text("taxon,weight\nAves,2\nParus major,8\nNowhere,1\n*,0\n")
    log_prior, unknown = read_prior(path, TABLE)
    weights = dict(zip(TABLE["species"].to_pylist(), np.exp(log_prior).tolist(), strict=True))
    assert weights == pytest.approx({None: 0, "Parus major": 8, "Parus minor": 2, "Corvus corax": 2})
    assert unknown == ["Nowhere"]
    path.write_text("taxon,weight\n*,0\n")
    with pytest.raises(InputError, match="rules out every class"):
        read_prior(path, TABLE)
    assert within(TABLE, "Aves").sum() == 3


def test_published_text_vectors_are_read_and_empty_ones_left_out(tmp_path):
    names = [[[*row[:6], (row[6] or "").partition(" ")[2]], row[7] or ""] for row in ROWS[:3]]
    vectors = np.eye(4, 3, dtype=np.float32)
    vectors[:, 1] = 0
    (tmp_path / "txt.json").write_text(json.dumps(names))
    np.save(tmp_path / "txt.npy", vectors)
    found = read_precomputed(tmp_path / "txt.json", dim=4)
    assert found.table["species"].to_pylist() == ["Corvus corax", "Parus major"]
    assert (found.vectors == vectors.T[[2, 0]]).all()
    assert found.n_empty == 1
    with pytest.raises(InputError, match="of another encoder"):
        read_precomputed(tmp_path / "txt.json", dim=5)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("empty.txt", "\n", "no label"),
        ("twice.txt", "a\nb\na\n", "'a' is there twice"),
        ("bins.csv", "label,bin\na,x\nb,\n", "'b' has no bin"),
    ],
)
def test_bad_labels_are_named(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=reason):
        read_labels(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / "none.txt")


def test_bins_sum_their_labels(encoder):
    gallery = label_gallery(encoder, ("oak, old", "elm", "cat"))
    vectors = np.random.default_rng(2).normal(size=(1, 32))
    plain = {row["classification"]: row["score"] for row in next(Answers(gallery).of(vectors))}
    binned = next(Answers(gallery, bins=("tree", "tree", "animal")).of(vectors))
    sums = {"tree": plain["oak, old"] + plain["elm"], "animal": plain["cat"]}
    assert {row["classification"]: row["score"] for row in binned} == pytest.approx(sums)


@pytest.mark.parametrize("head", ["label,bin", "class,bin", "cls,bin", "bin,cls"])
def test_labels_and_their_bins_are_read_by_each_name_of_the_column(tmp_path, head):
    path = tmp_path / "bins.csv"
    rows = [("owl", "bird"), ("finch", "bird"), ("beetle", "insect")]
    path.write_text("\n".join([head, *(",".join(row if head.endswith("bin") else row[::-1]) for row in rows)]))
    found = read_labels(path)
    assert (found.labels, found.bins) == (("owl", "finch", "beetle"), ("bird", "bird", "insect"))


def test_with_a_risk_the_answer_stops_where_it_is_sure(encoder):
    gallery = taxon_gallery(encoder, TABLE)
    vectors = np.random.default_rng(3).normal(size=(1, 32))
    nothing = Answers(gallery, back_off=BackOff(np.ones(3)), risk=0.1)
    (row,) = next(nothing.of(vectors))
    asked = {name: row.pop(name) for name in ("nearest", "nearest_score")}
    assert row == {**dict.fromkeys(columns("species"), ""), "score": 1.0, "verdict": "not sure"}
    assert asked["nearest"] in [name_said(one) for one in next(Answers(gallery).of(vectors))] + ["Nymphalidae"]
    assert 0 < asked["nearest_score"] < 1


def test_pictures_get_the_columns_of_pybioclip_and_a_broken_one_stops_nothing(predict, photos, taxa):
    (photos / "broken.jpg").write_bytes(b"no picture")
    ended = predict(photos, photos / "missing.jpg", "--taxa", taxa, "-k", 2, "--csv")
    assert ended.status == 0
    assert list(ended.rows[0]) == [
        *("file_name", *RANKS[:-1], "species_epithet", "species", "common_name", "score", *ASIDE),
        *WHEN_AND_WHERE,
        *MADE_BY,
    ]
    assert len(ended.rows) == 12
    assert "2 pictures could not be read; 6 were looked at" in ended.err
    assert list(predict(photos, "--taxa", taxa, "--rank", "class", "--csv").rows[0])[1:] == [
        *RANKS[:3],
        "score",
        *ASIDE,
        *WHEN_AND_WHERE,
        *MADE_BY,
    ]


def test_a_stores_vectors_give_what_its_pictures_give(predict, run, photos, taxa, encoder, tmp_path):
    path = tmp_path / "photos.store"
    embed(open_source(photos), encoder, Store.create(path, encoder.card))
    stored = run("predict", path, "--taxa", taxa, "--json", "--cache", tmp_path / "cache").json["predictions"]
    fresh = predict(photos, "--taxa", taxa, "--json").json["predictions"]
    assert [one["file_name"] for one in stored] == [one["file_name"] for one in fresh]
    for one, other in zip(stored, fresh, strict=True):
        assert one["answers"][0]["score"] == pytest.approx(other["answers"][0]["score"], rel=0.02)
    assert len(run("predict", path, "--taxa", taxa, "--csv", "-k", 1, "--limit", 2).rows) == 2
    shutil.rmtree(tmp_path / "cache")


def test_wrong_input_is_told_in_one_line(run, fails, misused, photos, taxa, store, checkpoint, tmp_path):
    with_encoder = ["--encoder", checkpoint, "--cache", tmp_path / "cache"]
    assert "no text side" in fails("predict", store.path)
    assert "'tribe' is not one of" in misused("predict", photos, "--rank", "tribe")
    assert "expected a number from 0 to 1" in misused("predict", photos, "--risk", "2")
    for end in ("0", "1"):
        assert f"--risk is {end}: expected a share above 0 and below 1" in misused("predict", photos, "--risk", end)
    assert "did you mean Aves" in fails("predict", photos, "--taxa", taxa, "--within", "Avess", *with_encoder)
    assert "--calibrate-on is of --risk" in misused("predict", photos, "--calibrate-on", store.path, *with_encoder)
    assert "--doubt is 3: expected a share" in misused("predict", photos, "--doubt", "3", *with_encoder)
    assert "nothing says what to choose from" in fails("predict", photos, *with_encoder)
    assert "to calibrate on" in fails("predict", photos, "--taxa", taxa, "--risk", 0.1, *with_encoder)
    (photos / "bad.jpg").write_text("no picture")
    ended = run("predict", photos / "bad.jpg", "--taxa", taxa, *with_encoder)
    *_, noted, untold, reason = ended.err.splitlines()
    assert untold.startswith("every picture gets a name, also one of something else")
    assert (ended.status, ended.out) == (1, "")
    assert noted.startswith("1 taxa above the species have no known members")
    assert reason.startswith(f"error: {photos / 'bad.jpg'}: not a picture")
    assert "no such file" in fails("predict", tmp_path / "none.jpg", "--taxa", taxa, *with_encoder)
    assert "there is no file" in misused("predict", photos, "--classifier", tmp_path / "none", *with_encoder)
    assert "give one of" in misused("predict", photos, "--csv", "--json")


def test_answers_say_what_made_them(predict, encoder, photos, taxa):
    row = predict(photos, "--taxa", taxa, "-k", 1, "--csv").rows[0]
    document = predict(photos, "--taxa", taxa, "-k", 1, "--within", "Aves", "--json").json["made_by"]
    assert (row["encoder"], row["encoder_hash"]) == (encoder.card.name, encoder.card.weight_hash)
    assert (row["classes"], row["classes_hash"]) == ("taxa.csv", hash_file(taxa))
    assert row["cladescope"] == cladescope.__version__
    assert datetime.fromisoformat(row["date"]).tzinfo is not None
    assert {**document, "date": ""} == {
        **{name: row[name] for name in MADE_BY},
        "classes": "taxa.csv within Aves",
        "date": "",
    }


def test_date_and_place_stand_beside_the_answers_from_files_and_from_a_store(
    predict, run, photos, taxa, checkpoint, tmp_path
):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:05:03 06:07:08"
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place |= {1: "S", 2: (2.0, 30.0, 0.0), 3: "E", 4: (37.0, 15.0, 0.0)}
    Image.open(photos / "good0.jpg").save(photos / "good0.jpg", exif=exif)
    found = {row["file_name"]: row for row in predict(photos, "--taxa", taxa, "-k", 1, "--csv").rows}
    first, second = found[str(photos / "good0.jpg")], found[str(photos / "good1.jpg")]
    assert [first[name] for name in WHEN_AND_WHERE] == ["2024-05-03T06:07:08", "-2.5", "37.25"]
    assert [second[name] for name in WHEN_AND_WHERE] == ["", "", ""]
    path = tmp_path / "dated.store"
    run("embed", photos, "--store", path, "--encoder", checkpoint, "--exif")
    stored = run("predict", path, "--taxa", taxa, "--json", "--cache", tmp_path / "cache").json["predictions"]
    assert [one.get("date_taken") for one in stored] == ["2024-05-03T06:07:08"] + [None] * 5
    assert stored[0]["latitude"] == -2.5


def test_a_store_without_taxa_is_named_by_the_list_of_its_encoder(run, photos, tmp_path):
    store = tmp_path / "photos.store"
    run("embed", photos, "--store", store)
    ended = run("predict", store, "-k", 1, "--csv")
    assert ended.status == 0
    assert len(ended.rows) == 6
    assert f"no picture in {store} has a taxon" in ended.err
    assert "taxa that tiny was trained on" in ended.err
    assert {row["classes"] for row in ended.rows} == {"taxa of the encoder"}


@pytest.mark.parametrize(("common", "said"), [("Coral spot", " (Coral spot)"), ("Nectria cinnabarina", ""), ("", "")])
def test_a_common_name_that_is_the_name_is_not_said_twice(capsys, common, said):
    taxon = dict(zip(RANKS, ("", "", "", "", "", "", "Nectria cinnabarina"), strict=True))
    answers._show("a.jpg", [{**taxon, "common_name": common, "score": 0.99, "verdict": NAMED}])
    assert capsys.readouterr().out.splitlines()[1].endswith(f"Nectria cinnabarina{said}")


def test_a_classifier_chooses_within_a_clade_and_says_for_what_its_risk_was_decided(run, store, query, tmp_path, fails):
    file = tmp_path / "species.safetensors"
    fitted = cladescope.fit(store, out=file).classifier
    tree = fitted.tree
    sizes = tree.classes_in(np.arange(len(tree))).sum(axis=1)
    clade = tree.taxon(np.flatnonzero((sizes > 1) & (sizes < tree.n_classes))[0])
    n = sizes[tree.node_of(clade)]
    ended = run("predict", query, "--classifier", file, "--within", clade.name, "--closed-set", "-k", 20, "--csv")
    assert len(ended.rows) == n
    assert {row[clade.rank] for row in ended.rows} == {clade.name}
    assert sum(float(row["score"]) for row in ended.rows) == pytest.approx(1)
    assert (
        f"choosing among {n} classes of {tree.n_classes}; how sure is enough was decided among all of them" in ended.err
    )
    assert "Strigiformes" in fails("predict", query, "--classifier", file, "--within", "Strigiformes")
    (tmp_path / "mine.csv").write_text(
        "image_id,label\n"
        + "".join(f"{one},{'ab'[row % 2]}\n" for row, one in enumerate(store.to_pandas()["image_id"]))
    )
    cladescope.fit(store, labels=tmp_path / "mine.csv", out=tmp_path / "plain.safetensors")
    said = fails("predict", query, "--classifier", tmp_path / "plain.safetensors", "--within", clade.name)
    assert "plain labels, which lie within no clade" in said
