"""Pictures are named over HTTP as `predict` names them, and classifiers are learnt, kept, given out and deleted."""

import csv
import json

import pytest

import cladescope
from cladescope.analysis.classify.classifier_file import load_classifier
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS

PREDICT, SHELF = "/stores/clades/predict", "/stores/clades/classifiers"
HEADER = {"X-Cladescope": "1"}


@pytest.fixture
def rows(store):
    """All rows of the store, in the order in which they came."""
    return store.table().to_pylist()


@pytest.fixture
def writer(serving, store):
    """A client of a service that may write."""
    return serving(store, read_only=False)


@pytest.fixture
def birds(rows):
    """Ids of the pictures of two species, by labels of one's own."""
    species = sorted({row["species"] for row in rows})[:2]
    return {
        label: [row["image_id"] for row in rows if row["species"] == one]
        for label, one in zip("ab", species, strict=True)
    }


def posted(client, path, status=200, **body):
    answer = client.post(path, json=body, headers=HEADER)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_classifier_is_learnt_listed_given_out_and_deleted(writer, store, rows, tmp_path):
    assert writer.json(SHELF) == {"classifiers": []}
    made = posted(writer, SHELF, name="genera", rank="genus")
    same = cladescope.fit(store, rank="genus")
    assert made["accuracy"] == same.accuracy
    assert made["interval"] == list(same.accuracy_interval)
    assert made["said"] == list(same.notes)
    assert (made["rank"], made["method"], made["images"]) == ("genus", "simpleshot", 48)
    assert made["classes"] == len({row["genus"] for row in rows})
    said = made.pop("said")
    assert writer.json(SHELF) == {"classifiers": [made]}
    assert writer.json(f"{SHELF}/genera") == {**made, "said": said}
    assert writer.json(f"{SHELF}/genera/report")["measured"]["held_out"] == same.held_out

    file = tmp_path / "got.safetensors"
    file.write_bytes(writer.get(f"{SHELF}/genera/file").content)
    assert list(load_classifier(file).labels) == list(same.classifier.labels)
    labels = list(csv.DictReader(writer.get(f"{SHELF}/genera/labels").text.splitlines()))
    assert [tuple(one.values()) for one in labels] == [(row["image_id"], row["uri"], row["genus"]) for row in rows]

    assert writer.delete(f"{SHELF}/genera", headers=HEADER).status_code == 204
    assert writer.json(SHELF) == {"classifiers": []}
    assert list((store.path / "classifiers").iterdir()) == []
    assert "there is none yet" in writer.refused(f"{SHELF}/genera", 404, method="DELETE", headers=HEADER)


def test_labels_of_ones_own_are_learnt_and_name_pictures(writer, store, rows, birds):
    made = posted(writer, SHELF, name="my-birds_1", labels=birds, method="prototypes")
    assert (made["rank"], made["classes"], made["images"]) == ("label", 2, len(birds["a"]) + len(birds["b"]))
    names = {one: label for label, ids in birds.items() for one in ids}
    written = list(csv.DictReader(writer.get(f"{SHELF}/my-birds_1/labels").text.splitlines()))
    assert {one["image_id"]: one["label"] for one in written} == names
    answer = posted(writer, PREDICT, ids=list(names), classifier="my-birds_1")
    assert answer["method"] == "prototypes"
    assert answer["risk"] is None
    assert [one["image_id"] for one in answer["answers"]] == list(names)
    assert {one["image_id"]: one["name"] for one in answer["answers"]} == names
    assert {one["rank"] for one in answer["answers"]} == {"label"}
    assert any(f"{len(names)} of these pictures were learnt from" in note for note in answer["notes"])


def test_names_are_those_of_predict(writer, store, rows, tmp_path, query):
    posted(writer, SHELF, name="species")
    file = tmp_path / "species.safetensors"
    file.write_bytes(writer.get(f"{SHELF}/species/file").content)
    ids = [row["image_id"] for row in rows]
    for asked in ({}, {"risk": 0.2}, {"rank": "family", "risk": 0.3}):
        answer = posted(writer, PREDICT, ids=ids, classifier="species", k=3, **asked)
        same = list(cladescope.predict(store, classifier=file, k=3, **asked))
        assert len(answer["answers"]) == len(same) == 48
        for one, (_, expected) in zip(answer["answers"], same, strict=True):
            first = expected[0]
            assert one["verdict"] == first["verdict"]
            path = [first[rank] for rank in RANKS if first.get(rank)]
            if first["verdict"] == "named":
                assert one["taxon"] == " > ".join(path)
                assert (one["name"], one["score"]) == (path[-1], pytest.approx(first["score"]))
                assert first[one["rank"]] == path[-1]
            else:
                assert (one["name"], one["taxon"], one["score"]) == (None, None, None)
                assert one["alternatives"][0]["name"] == first["nearest"]
    upload = writer.post(f"{PREDICT}/image", params={"classifier": "species", "k": 2}, content=query.read_bytes())
    (answer,) = upload.json()["answers"]
    stored = next(row["image_id"] for row in rows if row["uri"] == str(query))
    (same,) = posted(writer, PREDICT, ids=[stored], classifier="species", k=2)["answers"]
    assert answer["image_id"] is None
    assert answer["score"] == pytest.approx(same["score"], abs=0.01)
    assert (answer["name"], answer["verdict"]) == (same["name"], same["verdict"])


def test_without_a_classifier_the_names_of_the_store_are_learnt(client, rows):
    answer = posted(client, PREDICT, ids=[rows[0]["image_id"]], rank="order")
    (one,) = answer["answers"]
    assert rows[0][one["rank"]] == one["name"]
    assert one["taxon"].endswith(one["name"])
    assert "named by the order of the store's own pictures" in answer["notes"][0]


def test_a_store_without_names_says_what_is_missing(serving, clades, tmp_path):
    cladescope.embed(clades / "images", tmp_path / "bare.store", encoder="pixels", labels_from="none")
    store = Store.open(tmp_path / "bare.store")
    client = serving(store)
    image_id = store.table(["image_id"])["image_id"][0].as_py()
    said = client.refused("/stores/bare/predict", 422, method="POST", json={"ids": [image_id]})
    assert "none of 48 pictures has a species" in said


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"ids": ["nowhere"]}, 404, "nowhere"),
        ({"ids": []}, 422, "ids"),
        ({"ids": ["IMAGE"], "classifier": "dodo"}, 404, "there is none yet"),
        ({"ids": ["IMAGE"], "classifier": "../x"}, 404, "there is none yet"),
        ({"ids": ["IMAGE"], "rank": "tribe"}, 422, "kingdom"),
        ({"ids": ["IMAGE"], "risk": 1.0}, 422, "risk"),
        ({"ids": ["IMAGE", "IMAGE"]}, 422, "twice"),
        ({"ids": ["IMAGE"], "k": 0}, 422, "k"),
    ],
)
def test_what_cannot_be_named_is_refused(client, rows, body, status, said):
    body = {**body, "ids": [rows[0]["image_id"] if one == "IMAGE" else one for one in body["ids"]]}
    assert said in client.refused(PREDICT, status, method="POST", json=body)


def test_a_classifier_that_cannot_be_learnt_leaves_nothing(writer, store, rows, birds):
    for body, status, said in (
        ({"name": "../x"}, 422, "name"),
        ({"name": "x", "labels": {"a": [rows[0]["image_id"]], "b": ["nowhere"]}}, 404, "nowhere"),
        ({"name": "x", "labels": {"a": birds["a"], "b": birds["a"]}}, 422, "two classes"),
        ({"name": "x", "labels": {"a": birds["a"]}}, 422, "one class"),
        ({"name": "x", "labels": birds, "rank": "genus"}, 422, "one of labels and rank"),
        ({"name": "x", "rank": "tribe"}, 422, "species"),
    ):
        assert said in writer.refused(SHELF, status, method="POST", json=body, headers=HEADER)
    folder = store.path / "classifiers"
    assert not folder.exists() or not list(folder.iterdir())
    posted(writer, SHELF, name="x", labels=birds)
    assert "choose another name" in writer.refused(
        SHELF, 409, method="POST", json={"name": "x", "labels": birds}, headers=HEADER
    )


def test_a_file_that_was_put_there_by_hand_is_listed_without_an_accuracy(client, store):
    (store.path / "classifiers").mkdir()
    cladescope.fit(store, rank="genus", out=store.path / "classifiers" / "mine.safetensors")
    (one,) = client.json(SHELF)["classifiers"]
    assert (one["name"], one["rank"], one["accuracy"]) == ("mine", "genus", None)
    assert "no report" in client.json(f"{SHELF}/mine")["said"][0]
    client.refused(f"{SHELF}/mine/labels", 404)


def test_a_service_that_only_reads_writes_nothing(client, writer, store, birds):
    body = {"name": "x", "labels": birds}
    assert "read-only" in client.refused(SHELF, 403, method="POST", json=body, headers=HEADER)
    assert "X-Cladescope" in writer.refused(SHELF, 403, method="POST", json=body)
    assert "X-Cladescope" in writer.refused(f"{SHELF}/x", 403, method="DELETE")
    assert not (store.path / "classifiers").exists()
    assert json.loads(writer.get("/health").text)["ready"]
