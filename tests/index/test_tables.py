"""All rows of a held store, a slice at a time."""

import pyarrow as pa
import pytest

from cladescope.index import tables
from cladescope.index.store import Store
from cladescope.schema import ORIGIN_SCHEMA
from tests.index.test_compaction import CARD, add


def rows_of(batches, columns):
    return [row for batch in batches for row in batch.select(columns).to_pylist()]


@pytest.mark.parametrize("slice_rows", [1, 5, 99])
def test_slices_give_every_row_once_and_in_order_where_some_were_deleted(tmp_path, monkeypatch, slice_rows):
    monkeypatch.setattr(tables, "SLICE_ROWS", slice_rows)
    store = Store.create(tmp_path / "s", CARD)
    for start in range(0, 24, 4):
        add(store, *range(start, start + 4))
    store.delete(image_ids=["i0", "i3", "i8", "i9", "i10", "i11", "i23"])
    for batches, columns in ((store.keys(), ["image_id", "uri"]), (store.contents(), ["content_hash", "_rowid"])):
        assert rows_of(batches, columns) == rows_of(store.scan(columns), columns)
    assert len(rows_of(store.keys(), ["uri"])) == 17


@pytest.mark.parametrize("slice_rows", [1, 5, 99])
def test_what_one_source_listed_is_told_without_what_others_did(tmp_path, monkeypatch, slice_rows):
    monkeypatch.setattr(tables, "SLICE_ROWS", slice_rows)
    store = Store.create(tmp_path / "s", CARD)
    assert list(store.listed(["image_id"], "/a")) == []
    noted = [{"address": "/a" if n % 3 else "/b", "image_id": f"i{n}", "gone": None} for n in range(20)]
    store.note_origins(pa.Table.from_pylist(noted, schema=ORIGIN_SCHEMA), new=True)
    for address in ("/a", "/b", "/c"):
        wanted = [{"image_id": row["image_id"], "gone": None} for row in noted if row["address"] == address]
        assert rows_of(store.listed(["image_id", "gone"], address), ["image_id", "gone"]) == wanted
