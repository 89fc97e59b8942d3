"""The map of a store that grows, is replaced or is deleted while it is served."""

import shutil
from pathlib import Path

import pytest

import cladescope
from cladescope.index.store import Store
from tests.app.server.conftest import until
from tests.app.server.test_map import M, made, numbers


@pytest.fixture
def ready(client):
    """A map that is ready."""
    return made(client)


def test_a_store_that_grew_is_stale_until_the_map_is_made_anew(client, ready, store, tmp_path, query):
    shutil.copy(query, tmp_path / "new.jpg")
    cladescope.embed(tmp_path / "new.jpg", store.path)
    until(lambda: client.json(M)["stale"])
    old = ready["key"]
    assert len(numbers(client, f"{M}/points", "<f4", key=old)) == 96
    assert client.post(f"{M}/remake").json()["state"] == "making"
    new = made(client)
    assert (new["n"], new["stale"]) == (49, False)
    assert new["key"] != old
    assert "replaced" in client.refused(f"{M}/points", 409, params={"key": old})


def test_a_map_of_a_stores_beginning_is_made_anew_by_itself(serving, store, tmp_path):
    pictures = [Path(uri) for uri in store.table(["uri"])["uri"].to_pylist()]
    for number, picture in enumerate(pictures[:2]):
        shutil.copy(picture, tmp_path / f"{number}.jpg")
    small = tmp_path / "growing.store"
    cladescope.embed(tmp_path / "0.jpg", small, encoder="pixels")
    client = serving(Store.open(small))
    path = "/stores/growing/map"
    first = made(client, path)
    assert first["n"] == 1
    cladescope.embed(tmp_path / "1.jpg", small)
    until(lambda: client.json(path).get("stale"))
    assert made(client, path)["key"] == first["key"], "one more is no cause"
    cladescope.embed(pictures[0].parent.parent, small)
    until(lambda: made(client, path)["n"] > 2, 60)
    assert made(client, path)["key"] != first["key"]
    assert not made(client, path)["stale"]


def test_another_store_in_its_place_has_a_map_of_its_own(client, ready, store, tmp_path, query):
    shutil.copy(query, tmp_path / "new.jpg")
    cladescope.embed(tmp_path / "new.jpg", tmp_path / "other.store", encoder="pixels")
    shutil.rmtree(store.path)
    (tmp_path / "other.store").rename(store.path)
    until(lambda: client.get("/stores/clades").status_code == 200 and client.json("/stores/clades")["images"] == 1)
    assert made(client)["n"] == 1
    client.refused(f"{M}/points", 409, params={"key": ready["key"]})


def test_a_deleted_store_has_no_map(client, ready, store):
    shutil.rmtree(store.path)
    client.refused(M, 410)
    client.refused(f"{M}/points", 410, params={"key": ready["key"]})
