"""Teaching over HTTP: what comes of some labelled pictures, and that nothing is written."""

import numpy as np
import pytest

TEACH = "/stores/clades/teach"


@pytest.fixture
def rows(store):
    """All rows of the store, in the order in which they came."""
    return store.table().to_pylist()


def of_rank(rows, rank, n_classes, each=9):
    names = list(dict.fromkeys(row[rank] for row in rows))[:n_classes]
    return {name: [row["image_id"] for row in rows if row[rank] == name][:each] for name in names}


def taught(client, **body):
    answer = client.post(TEACH, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_store_is_named_by_a_few_pictures_and_counted(client, store, rows):
    classes = of_rank(rows, "species", 4, each=3)
    before = (store.version, sorted(path.name for path in store.path.iterdir()))
    answer = taught(client, classes=classes, next=6)
    assert answer["classes"] == [{"label": label, "images": 3} for label in classes]
    assert answer["total"] == 48
    assert sum(one["images"] for one in answer["counts"]) + answer["unsure"] == 48
    assert all(one["images"] >= 3 for one in answer["counts"])
    assert answer["accuracy"]["asked"] == 12
    assert 0 <= answer["accuracy"]["low"] <= answer["accuracy"]["value"] <= answer["accuracy"]["high"] <= 1
    given = {one for ids in classes.values() for one in ids}
    assert len(answer["next"]) == 6
    assert not given & {one["image_id"] for one in answer["next"]}
    assert all(one["label"] in classes and one["second"] in classes for one in answer["next"])
    assert (store.version, sorted(path.name for path in store.path.iterdir())) == before


def test_classes_called_like_taxa_are_named_by_rank(client, rows):
    assert taught(client, classes=of_rank(rows, "order", 2))["level"]["rank"] in ("kingdom", "phylum", "class", "order")
    ids = list(of_rank(rows, "order", 2).values())
    assert taught(client, classes={"mine": ids[0], "others": ids[1]})["level"]["rank"] is None


def test_accuracy_grows_with_what_is_taught(client, rows):
    few, more = (taught(client, classes=of_rank(rows, "class", 2, each=n))["accuracy"] for n in (2, 12))
    assert more["high"] - more["low"] < few["high"] - few["low"]


def test_one_class_or_picture_says_what_is_missing(client, rows):
    answer = taught(client, classes={"tit": [rows[0]["image_id"]]})
    assert (answer["accuracy"], answer["level"], answer["unsure"], answer["counts"]) == (
        None,
        None,
        47,
        [{"label": "tit", "images": 1}],
    )
    assert "all pictures are of one class" in answer["said"][0]
    assert len(answer["next"]) == 12
    assert taught(client, classes={})["classes"] == []


def test_pictures_that_come_later_are_seen(client, store, rows):
    classes = of_rank(rows, "species", 2)
    assert taught(client, classes=classes)["total"] == 48
    store.delete(image_ids=[rows[-1]["image_id"]])
    client.service.served("clades").store.refresh()
    assert taught(client, classes=classes)["total"] == 47


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "classes"),
        ({"classes": {"a": ["x"], "b": ["x"]}}, "in two classes"),
        ({"classes": {"": ["x"]}}, "at least 1 character"),
        ({"classes": {"a": "x"}}, "a"),
        ({"classes": {}, "risk": 0}, "risk"),
        ({"classes": {}, "risk": float(np.float32(1))}, "risk"),
        ({"classes": {}, "next": 101}, "next"),
        ({"classes": {}, "method": "svm"}, "method"),
    ],
)
def test_what_cannot_be_taught_is_refused(client, body, said):
    assert said in client.refused(TEACH, 422, method="POST", json=body)


@pytest.mark.parametrize("risk", [0, 5e-324, 1e-310, 1e-7, 1, -0.1])
def test_a_risk_that_nobody_could_promise_is_refused(client, rows, risk):
    classes = of_rank(rows, "order", 2, each=2)
    assert "risk" in client.refused(TEACH, 422, method="POST", json={"classes": classes, "risk": risk})
    predicted = {"ids": [rows[0]["image_id"]], "risk": risk}
    assert "risk" in client.refused("/stores/clades/predict", 422, method="POST", json=predicted)
    assert "risk" in client.refused("/stores/clades/predict/image", 422, method="POST", params={"risk": risk})


def test_the_least_risk_says_how_many_pictures_it_would_take(client, rows):
    said = taught(client, classes=of_rank(rows, "order", 2, each=2), risk=1e-6)["said"]
    assert any("999,999 would do" in one for one in said)
