"""What came since an index was built is added to it, and the index is none the worse."""

import numpy as np
import pytest

from cladescope.errors import InputError, StoreError
from cladescope.index.ann.build import build
from cladescope.index.ann.files import AnnIndex, folder
from cladescope.index.ann.refresh import refresh
from cladescope.index.store import Store
from cladescope.index.verify import verify
from tests.index.ann.stores import add, clustered, made


@pytest.mark.parametrize("kind", ["flat", "hnsw", "hnsw-sq8", "ivf-flat", "IVF8,PQ4x4fs"])
def test_new_rows_are_found_by_the_index_after_a_refresh_and_old_ones_still(tmp_path, kind):
    store = made(tmp_path, 400)
    before = build(store, kind=kind)
    add(store, *clustered(60, seed=8), first=1000)
    store.delete(image_ids=["i5", "i6"])
    card = refresh(store)
    assert (card.n_vectors, card.built_version, card.store_version) == (460, before.store_version, store.version)
    assert [one["n_added"] for one in card.refreshed] == [60]
    assert card.queries == before.queries
    index = AnnIndex.find(store.path)
    ids = index.rows.table.column("image_id").to_pylist()
    stored = {
        row: vector for row, vector in zip(store.table(["image_id"]).column(0).to_pylist(), store.matrix(), strict=True)
    }
    for position, image_id in enumerate(ids):
        if image_id in stored:
            np.testing.assert_array_equal(index.flat.vectors[position].astype(np.float32), stored[image_id])
    for place in (1000, 1033):
        hits = store.search(vector=stored[f"i{place}"], k=3).hits
        assert hits[0].image_id == f"i{place}"
        assert hits[0].taxon is not None
    everything = {hit.image_id for hit in store.search(vector=stored["i0"], k=500).hits}
    assert everything == set(stored)
    assert verify(store.path).checks[-1].problems == ()


def test_labels_that_changed_are_those_of_the_index_after_a_refresh(tmp_path):
    import pyarrow as pa

    store = made(tmp_path, 100)
    build(store, kind="flat")
    store.update(pa.table({"image_id": ["i3"], "species": ["Parus major"]}))
    refresh(store)
    rows = AnnIndex.find(store.path).rows
    position = rows.table.column("image_id").to_pylist().index("i3")
    assert rows.taxon(position).name == "Parus major"


def test_a_refresh_without_anything_new_changes_nothing(tmp_path):
    store = made(tmp_path, 50)
    before = build(store, kind="flat")
    stamp = AnnIndex.stamp_of(store.path)
    assert refresh(store) == before
    assert AnnIndex.stamp_of(store.path) == stamp


def test_building_again_is_advised_where_much_came_or_went(tmp_path):
    store = made(tmp_path, 100)
    build(store, kind="flat")
    add(store, *clustered(20, seed=8), first=1000)
    assert refresh(store).notes == ()
    add(store, *clustered(20, seed=9), first=2000)
    (note,) = refresh(store).notes
    assert note == "40 of 140 vectors came since it was measured: build the index again"
    store.delete(image_ids=[f"i{row}" for row in range(60)])
    assert len(refresh(store).notes) == 2
    assert "60 of 140 vectors belong to pictures that were deleted" in (folder(store.path) / "card.md").read_text()


def test_an_index_that_is_not_there_or_newer_than_the_store_is_not_refreshed(tmp_path):
    store = made(tmp_path, 50)
    with pytest.raises(InputError, match="has no index to refresh: build one"):
        refresh(store)
    build(store, kind="flat")
    early = Store.open(store.path, version=1)
    with pytest.raises(
        StoreError, match="the index is of version .* of the store, which is at 1: build the index again"
    ):
        refresh(early)
