"""Rows that leave a store and come back are what they were, vectors of every encoder and origins with them."""

import numpy as np
import pyarrow as pa
import pytest

import cladescope
from cladescope.embedding.encoder import Encoder
from cladescope.index.store import Store
from cladescope.index.whole_rows import put_back, whole_rows
from cladescope.schema import ORIGIN_SCHEMA
from tests.index.toy import Toy


def filled(rows):
    """Rows of origins, whose other columns that may not be null hold what is nothing."""
    other = {"gone": "the source lists it no more", "said": "{}"}
    names = ORIGIN_SCHEMA.names
    return pa.Table.from_pylist(
        [{**{name: other.get(name) for name in names}, **row} for row in rows], schema=ORIGIN_SCHEMA
    )


def taken_out(store, ids):
    rows, listed = whole_rows(store, ids)
    store.delete(image_ids=ids)
    return rows, listed


def test_rows_come_back_as_they_were(store):
    before = store.table().to_pylist()
    vectors = dict(zip((row["image_id"] for row in before), store.matrix(), strict=True))
    ids = [before[place]["image_id"] for place in (0, 7, 47)]
    listed = [{"image_id": one, "address": address} for one in ids for address in ("/a", "/b")]
    with store.writing():
        store.note_origins(filled(listed), new=True)
    listed_before = {
        (row["image_id"], row["address"]): row
        for batch in store.origins(ORIGIN_SCHEMA.names)
        for row in batch.to_pylist()
    }
    assert {one for one, _ in listed_before} >= set(ids)
    rows, listed = taken_out(store, ids)
    assert store.count() == 45
    assert not [row for batch in store.origins(["image_id"], image_ids=ids) for row in batch.to_pylist()]
    with store.writing():
        assert put_back(store, rows, listed) == 3
    again = Store.open(store.path)
    assert {row["image_id"]: row for row in again.table().to_pylist()} == {row["image_id"]: row for row in before}
    for row, vector in zip(again.table(["image_id"])["image_id"].to_pylist(), again.matrix(), strict=True):
        np.testing.assert_array_equal(vector, vectors[row])
    assert {
        (row["image_id"], row["address"]): row
        for batch in again.origins(ORIGIN_SCHEMA.names)
        for row in batch.to_pylist()
    } == listed_before
    assert cladescope.verify(store.path).problems == ()


def test_what_is_there_again_is_left_alone(store):
    ids = store.table(["image_id"])["image_id"].to_pylist()[:2]
    rows, listed = whole_rows(store, ids)
    store.delete(image_ids=ids[:1])
    with store.writing():
        assert put_back(store, rows, listed) == 1
        assert put_back(store, rows, listed) == 0
    assert store.count() == 48


def test_vectors_of_further_encoders_come_back_and_stay_missing_where_they_were(clades, tmp_path):
    path = tmp_path / "both.store"
    pictures = sorted(clades.glob("images/*/*.jpg"))
    pixels = Encoder.load("pixels")
    cladescope.embed(pictures[:6], path, encoder=[pixels, Toy()])
    cladescope.embed(pictures[6:8], path, encoder=pixels)
    store, toy = Store.open(path), Store.open(path, vectors="toy")
    before = dict(zip(toy.table(["image_id"])["image_id"].to_pylist(), toy.matrix(), strict=True))
    ids = store.table(["image_id"])["image_id"].to_pylist()
    assert (len(before), len(ids)) == (6, 8)
    rows, listed = taken_out(store, ids[4:])
    assert Store.open(path, vectors="toy").count_rows(None) == 4
    with store.writing():
        put_back(store, rows, listed)
    toy = Store.open(path, vectors="toy")
    after = dict(zip(toy.table(["image_id"])["image_id"].to_pylist(), toy.matrix(), strict=True))
    assert after.keys() == before.keys()
    for one, vector in before.items():
        np.testing.assert_array_equal(after[one], vector)
    assert toy.count_lacking() == 2


@pytest.mark.parametrize("ids", [[], ["nowhere"]])
def test_no_rows_are_no_rows(store, ids):
    rows, listed = whole_rows(store, ids)
    assert (rows.num_rows, listed.num_rows) == (0, 0)
    with store.writing():
        assert put_back(store, rows, listed) == 0
