"""All rows of a held store, a slice at a time."""

import shutil

import pyarrow as pa
import pytest

from cladescope.errors import StoreError
from cladescope.index import identity, tables
from cladescope.index.store import Store
from cladescope.index.verify import verify
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
    for batches, columns in (
        (store.stored_ids(), ["image_id", "_rowid"]),
        (store.contents(), ["content_hash", "_rowid"]),
    ):
        assert rows_of(batches, columns) == rows_of(store.scan(columns), columns)
    ids = rows_of(store.stored_ids(), ["image_id", "_rowid"])
    assert len(ids) == 17
    asked = [row["_rowid"] for row in ids[3:9]]
    found = sorted(rows_of([store.ids_at([*asked, 9999])], ["image_id", "_rowid"]), key=lambda row: row["_rowid"])
    assert found == ids[3:9]
    assert store.ids_at([]).num_rows == 0


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


@pytest.mark.parametrize("table", ["images", "failures", "runs", "origins"])
@pytest.mark.parametrize("files", [[], ["_transactions/0-a.txn"], ["_versions/18446744073709551614.manifest#1"]])
def test_a_table_whose_making_was_killed_is_made(tmp_path, table, files):
    path = tmp_path / "s"
    identity.make(path, CARD)
    folder = path / "lance" / f"{table}.lance"
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).parent.mkdir()
        (folder / file).write_bytes(b"begun")
    store = Store.open(path)
    with store.writing():
        add(store, 1, 2)
    assert Store.open(path).count() == 2
    assert Store.open(path).tables.keys() >= {table}
    assert verify(path).problems == ()


def test_a_table_that_lost_its_versions_is_not_made_anew(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    add(store, 1, 2)
    shutil.rmtree(tmp_path / "s" / "lance" / "images.lance" / "_versions")
    with pytest.raises(StoreError, match="images' was not found"):
        Store.open(tmp_path / "s")
