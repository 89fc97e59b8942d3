"""Stores that change while they are served: they grow, are deleted, are replaced, or have an encoder that is gone."""

import json
import shutil

import pytest

import cladescope
from cladescope.index import tables
from cladescope.index.store import Store
from tests.app.server.conftest import until


@pytest.fixture
def first_id(store):
    return store.table(["image_id"]).column(0)[0].as_py()


@pytest.fixture(autouse=True)
def _seen_at_once(monkeypatch):
    """What others write is seen at once."""
    monkeypatch.setattr(tables, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr("cladescope.index.live_gallery.LOOK_SECONDS", 0.0)


def test_new_rows_are_found_counted_and_listed(serving, store, first_id, photos):
    client = serving(Store.open(store.path))
    assert len(client.json("/stores/clades/search", params={"id": first_id, "k": 100})["hits"]) == 47
    before = client.json("/stores/clades/rows", params={"limit": 1})
    cladescope.embed(photos, store, encoder="pixels")
    until(lambda: client.json("/stores/clades")["images"] == 54)
    assert client.json("/stores")["stores"][0]["images"] == 54
    assert client.json("/stores/clades/tree")["images"] == 54
    found = client.json("/stores/clades/search", params={"id": first_id, "k": 100})["hits"]
    assert len(found) == 53
    behind = client.json("/stores/clades/rows", params={"limit": 100, "cursor": before["next"]})
    assert (behind["total"], len(behind["rows"])) == (54, 53)
    store.delete(image_ids=[first_id])
    until(lambda: client.json("/stores/clades")["images"] == 53)
    client.refused(f"/stores/clades/rows/{first_id}", 404)


@pytest.mark.parametrize(
    "path", ["", "/search?id={}", "/tree", "/rows", "/rows/{}", "/thumbnails/{}", "/images/{}", "/search/image"]
)
def test_a_deleted_store_is_told_apart_from_one_that_never_was(client, store, first_id, query, path):
    shutil.rmtree(store.path)
    method, sent = ("POST", query.read_bytes()) if path == "/search/image" else ("GET", None)
    told = client.refused(f"/stores/clades{path.format(first_id)}", 410, method=method, content=sent)
    assert told == "the store clades was deleted: it is no longer served"
    assert client.json("/stores")["stores"] == [{"name": "clades", "images": None, "encoder": "pixels"}]


def test_another_store_in_the_place_of_one_is_served(client, store, vectors, tmp_path):
    cladescope.import_vectors(vectors, tmp_path / "other", encoder="unknown")
    shutil.rmtree(store.path)
    (tmp_path / "other").rename(store.path)
    told = client.json("/stores/clades")
    assert (told["images"], told["dim"], told["encoder"]["name"]) == (20, 8, "unknown")
    assert len(client.json("/stores/clades/rows")["rows"]) == 20
    assert "unknown encoder" in client.refused("/stores/clades/search", 503, params={"text": "a bird"})
    assert client.json("/stores/clades/search", params={"id": "u3", "k": 2})["hits"]


def test_a_store_of_an_encoder_that_cannot_be_loaded_is_searched_by_id_and_taxon(serving, store, first_id, query):
    about = json.loads((store.path / "store.json").read_text())
    about["encoder"]["name"] = "/gone/checkpoint"
    (store.path / "store.json").write_text(json.dumps(about))
    client = serving(Store.open(store.path))
    (told,) = client.json("/health")["encoders"]
    assert (told["name"], told["state"]) == ("/gone/checkpoint", "failed")
    assert "/gone/checkpoint" in told["problem"]
    sentence = client.refused("/stores/clades/search/image", 503, method="POST", content=query.read_bytes())
    assert sentence.startswith("the encoder /gone/checkpoint cannot be loaded, so search by id or by taxon: ")
    assert client.refused("/stores/clades/search", 503, params={"text": "a bird"}) == sentence
    assert len(client.json("/stores/clades/search", params={"id": first_id, "k": 3})["hits"]) == 3


def test_an_empty_store_and_one_without_ranks_are_served(serving, store, photos, query, tmp_path):
    cladescope.embed(photos, tmp_path / "plain.store", encoder="pixels")
    client = serving(Store.create(tmp_path / "empty.store", store.card), Store.open(tmp_path / "plain.store"))
    empty = client.post("/stores/empty/search/image", content=query.read_bytes()).json()
    assert (empty["hits"], empty["consensus"]["taxon"]) == ([], None)
    assert client.json("/stores/empty/tree") == {
        "under": None, "rank": None, "images": 0, "without_rank": 0, "n_children": 0, "children": [],
    }  # fmt: skip
    assert client.json("/stores/empty/rows") == {"total": 0, "rows": [], "next": None}
    assert client.json("/stores/plain/tree")["without_rank"] == 6
    assert "no picture of plain has a taxon" in client.refused("/stores/plain/tree", 404, params={"under": "Aves"})
