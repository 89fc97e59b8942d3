"""An index answers for the store that it was built from, and for no other that has as many rows or versions."""

import json
import shutil

import pytest

from cladescope.errors import StoreError
from cladescope.files import sealed
from cladescope.index import identity
from cladescope.index.ann.build import build
from cladescope.index.ann.files import folder
from cladescope.index.ann.refresh import refresh
from cladescope.index.description import describe
from cladescope.index.store import Store
from cladescope.index.verify import verify
from tests.index.ann.stores import add, clustered, made


def check_refused(store, words):
    """Whether search is exact over the store's own rows and says why, and info, verify and refresh say it too."""
    answer = store.search(vector=clustered(1, seed=5)[0][0], k=3)
    exact = store.search(vector=clustered(1, seed=5)[0][0], k=3, exact=True)
    there = {row["image_id"] for batch in store.scan(["image_id"]) for row in batch.to_pylist()}
    assert [hit.image_id for hit in answer.hits] == [hit.image_id for hit in exact.hits]
    assert {hit.image_id for hit in answer.hits} <= there
    assert answer.method == "exact"
    (note,) = answer.notes
    assert words in note
    assert words in describe(store)["index_problem"]
    assert any(words in problem for check in verify(store.path).checks for problem in check.problems)
    with pytest.raises(StoreError, match=words):
        refresh(store)


def other_store(tmp_path, created):
    """A store of other pictures, with as many rows and versions as that of `made`."""
    store = Store.create(tmp_path / "other", Store.open(tmp_path / "s").card)
    add(store, *clustered(60, seed=7), first=5000)
    about = json.loads((store.path / identity.NAME).read_text())
    (store.path / identity.NAME).write_text(json.dumps(about | {"created": created}))
    return store


@pytest.mark.parametrize("same_second", [False, True])
def test_an_index_copied_from_another_store_gives_none_of_its_pictures(tmp_path, same_second):
    first = made(tmp_path, 60)
    build(first, kind="hnsw")
    other = other_store(tmp_path, identity.created(first.path) if same_second else "2020-01-01T00:00:00+00:00")
    shutil.copytree(first.path / "indexes", other.path / "indexes")
    check_refused(Store.open(other.path), "the index is of another store")


def test_an_index_over_vectors_of_another_length_is_refused(tmp_path):
    store = made(tmp_path, 60)
    build(store, kind="hnsw")
    path = folder(store.path) / "card.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps(sealed(card | {"dim": 8})))
    with pytest.raises(StoreError, match="is damaged|vectors of 8 numbers"):
        refresh(store)


def test_a_version_that_was_lost_and_given_to_other_rows_is_another(tmp_path):
    store = made(tmp_path, 60)
    shutil.copytree(store.path, tmp_path / "copy")
    add(store, *clustered(20, seed=3), first=1000)
    build(store, kind="hnsw")
    copy = Store.open(tmp_path / "copy")
    add(copy, *clustered(20, seed=4), first=2000)
    assert copy.version == store.version
    shutil.copytree(store.path / "indexes", copy.path / "indexes")
    check_refused(copy, "that was replaced by another")


def test_a_copy_of_a_store_and_a_refreshed_index_fit(tmp_path):
    store = made(tmp_path, 60)
    build(store, kind="hnsw")
    add(store, *clustered(20, seed=3), first=1000)
    card = refresh(store)
    assert card.version_hash == identity.version_hash(store.path, store.version) is not None
    shutil.copytree(store.path, tmp_path / "copy")
    for one in (store, Store.open(tmp_path / "copy")):
        answer = one.search(vector=clustered(1, seed=5)[0][0], k=3)
        assert (answer.method, answer.notes) == ("hnsw", ())
