"""Searches by several examples, by what shall not be found, and by many queries at once."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cladescope.app.server.uploads import MOST_FILES
from cladescope.app.service.plain import plain

SEARCH = "/stores/clades/search"


@pytest.fixture
def rows(store):
    """All rows of the store, in the order in which they came."""
    return store.table().to_pylist()


@pytest.fixture
def cosines(store, rows):
    """Says the cosines of every picture with mean(wanted) - 0.5 mean(unwanted), by their ids: computed here by numpy alone."""
    vectors = store.matrix()
    place = {row["image_id"]: number for number, row in enumerate(rows)}

    def direction(of):
        mean = np.mean([one / np.linalg.norm(one) for one in of], axis=0)
        return mean / np.linalg.norm(mean)

    def found(wanted, unwanted, pictures=()):
        query = direction([*vectors[[place[one] for one in wanted]], *pictures])
        query = query - 0.5 * direction(vectors[[place[one] for one in unwanted]])
        scores = vectors @ (query / np.linalg.norm(query))
        return {one: float(scores[number]) for one, number in place.items() if one not in {*wanted, *unwanted}}

    return found


def test_what_is_unlike_the_others_is_found_by_the_documented_formula(client, rows, cosines):
    wanted, unwanted = [rows[2]["image_id"], rows[20]["image_id"]], [rows[3]["image_id"], rows[40]["image_id"]]
    asked = {"id": wanted, "not_id": unwanted, "k": 40, "exact": True}
    hits = client.json(SEARCH, params=asked)["hits"]
    expected = sorted(cosines(wanted, unwanted).items(), key=lambda pair: -pair[1])[:40]
    assert [one["score"] for one in hits] == pytest.approx([score for _, score in expected], abs=2e-3)
    by_id = cosines(wanted, unwanted)
    assert all(one["score"] == pytest.approx(by_id[one["image_id"]], abs=2e-3) for one in hits)
    without = client.json(SEARCH, params={"id": wanted, "k": 40, "exact": True})["hits"]
    assert [one["image_id"] for one in without] != [one["image_id"] for one in hits]


def test_several_pictures_and_stored_ones_are_one_query(client, store, rows, query, cosines):
    other = rows[30]
    pictures = [query.read_bytes(), Path(other["uri"]).read_bytes()]
    unwanted = [rows[5]["image_id"]]
    asked = {"id": [rows[12]["image_id"]], "not_id": unwanted, "k": 5, "exact": True}
    files = [("file", ("a.jpg", one)) for one in pictures]
    answer = client.post(f"{SEARCH}/image", params=asked, files=files)
    assert answer.status_code == 200, answer.text
    same = store.search(images=pictures, image_id=asked["id"], not_image_id=unwanted, k=5, exact=True)
    assert [one["image_id"] for one in answer.json()["hits"]] == [one.image_id for one in same.hits]
    by_id = cosines([rows[12]["image_id"]], unwanted, store.encoder.encode_images(_decoded(pictures)))
    for one in answer.json()["hits"]:
        assert one["score"] == pytest.approx(by_id[one["image_id"]], abs=5e-3)


def _decoded(pictures):
    return [Image.open(BytesIO(one)).convert("RGB") for one in pictures]


def test_a_batch_answers_each_query_as_if_it_were_alone(client, store, rows):
    genus = rows[0]["genus"]
    queries = [
        {"ids": [rows[3]["image_id"]]},
        {"taxa": [genus], "not_ids": [rows[9]["image_id"]]},
        {"ids": [rows[1]["image_id"], rows[2]["image_id"]]},
    ]
    asked = {"queries": queries, "k": 4, "within": [rows[0]["order"]], "where": ["width>=96"], "exact": True}
    answer = client.post(f"{SEARCH}/batch", json=asked)
    assert answer.status_code == 200, answer.text
    same = {"k": 4, "within": [rows[0]["order"]], "where": "width >= 96", "exact": True}
    assert answer.json()["answers"] == [
        plain(store.search(image_id=queries[0]["ids"], **same).to_dict()),
        plain(store.search(taxon=[genus], not_image_id=queries[1]["not_ids"], **same).to_dict()),
        plain(store.search(image_id=queries[2]["ids"], **same).to_dict()),
    ]


@pytest.mark.parametrize(
    ("queries", "status", "said"),
    [
        ([{"ids": ["IMAGE"]}, {}], 422, "query 2 is empty"),
        ([{"ids": ["IMAGE"]}, {"ids": ["nowhere"]}], 404, "query 2: no image_id 'nowhere'"),
        ([{"taxa": ["Nobody"]}], 404, "query 1: "),
        ([{"text": "  "}], 422, "query 1: the text"),
        ([{"text": "a bird"}], 422, "text"),
        ([{"ids": ["IMAGE"]}] * 101, 422, "100"),
        ([], 422, "queries"),
        ([{"id": "IMAGE"}], 422, "id"),
    ],
)
def test_a_batch_that_cannot_be_answered_says_which_query(client, rows, queries, status, said):
    queries = [{**one, "ids": [rows[0]["image_id"]]} if one.get("ids") == ["IMAGE"] else one for one in queries]
    assert said in client.refused(f"{SEARCH}/batch", status, method="POST", json={"queries": queries})


def test_what_is_not_wanted_must_be_stored_and_is_no_query_alone(client, rows):
    ids = [rows[0]["image_id"]]
    assert "the query is empty" in client.refused(SEARCH, 422, params={"not_id": ids})
    assert "nowhere" in client.refused(SEARCH, 404, params={"id": ids, "not_id": "nowhere"})


def test_more_files_than_are_taken_are_refused(client, query):
    files = [("file", ("a.jpg", query.read_bytes()))] * (MOST_FILES + 1)
    client.refused(f"{SEARCH}/image", 400, method="POST", files=files)
