import numpy as np
import pyarrow as pa
import pytest

from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import StoreError
from cladescope.index.resident.lineages import numbered
from cladescope.index.resident.rows import FILES, read_rows, write_rows
from cladescope.index.resident.snapshot import snapshot
from cladescope.index.store import Store
from cladescope.taxonomy import RANKS, Taxon

CARD = EncoderCard(name="made-up", dim=4, weight_hash=None, transform=None, has_text=False)
LABELS = [
    {"kingdom": "Plantae", "genus": "Oenanthe"},
    {"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves", "genus": "Oenanthe"},
    {},
    {"kingdom": "Animalia", "phylum": "Chordata"},
    {"kingdom": "ANIMALIA", "phylum": "chordata", "class": "Aves"},
    {"kingdom": "Animalia", "phylum": "Arthropoda", "class": "Insecta"},
]


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "s", CARD)
    records = [Record(image_id=f"i{i}", uri=f"/{i}.jpg", source="s", labels=labels) for i, labels in enumerate(LABELS)]
    store.write(images_table(records, np.eye(6, 4, dtype=np.float16) + np.float16(0.1), (), {}), failures_table([]))
    return store


def test_rows_come_in_depth_first_order_with_their_own_vectors(store):
    found = snapshot(store)
    by_row = {row["_rowid"]: row for batch in store.scan(["_rowid", "image_id", "vector"]) for row in batch.to_pylist()}
    assert len(found) == 6
    assert found.version == store.version
    for position, row_id in enumerate(found.row_ids.tolist()):
        assert found.rows.values(np.array([position]), ["image_id"])["image_id"] == [by_row[row_id]["image_id"]]
        assert found.vectors[position].tolist() == by_row[row_id]["vector"]
    assert found.table.column("image_id").to_pylist() == ["i2", "i5", "i3", "i4", "i1", "i0"]
    assert (np.diff(found.codes) >= 0).all()


@pytest.mark.parametrize(
    ("path", "members"),
    [
        (("Animalia",), ["i5", "i3", "i4", "i1"]),
        (("animalia", "CHORDATA"), ["i3", "i4", "i1"]),
        (("Animalia", "Chordata", "Aves"), ["i4", "i1"]),
        (("Plantae", None, None, None, None, "Oenanthe"), ["i0"]),
        (("Plantae", "Chordata"), []),
        (("Fungi",), []),
    ],
)
def test_a_clade_is_one_range_of_numbers_however_its_names_are_spelt(store, path, members):
    found = snapshot(store)
    inside = found.lineages.within([Taxon(path)])
    assert np.count_nonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]]))) <= 2, "one range at most"
    assert found.table.column("image_id").filter(pa.array(inside[found.codes])).to_pylist() == members


def test_rows_that_are_named_stand_last(store):
    found = snapshot(store, last=lambda table, codes: np.asarray(table.column("image_id")) == "i2")
    assert found.table.column("image_id").to_pylist() == ["i5", "i3", "i4", "i1", "i0", "i2"]


def test_rows_are_of_one_version_while_others_write(store):
    version = store.version
    reader = store.at(version)
    store.delete(image_ids=["i0", "i1"])
    assert reader.count() == 6
    assert store.count() == 4
    assert len(snapshot(store)) == 4


def test_rows_are_read_as_they_were_written(store, tmp_path):
    rows = snapshot(store).rows
    paths = {name: tmp_path / name for name in FILES}
    write_rows(paths, rows)
    again = read_rows(paths)
    assert again.row_ids.tolist() == rows.row_ids.tolist()
    assert again.table.equals(rows.table)
    assert [again.taxon(i) for i in range(6)] == [rows.taxon(i) for i in range(6)]
    np.save(paths["row_ids.npy"], rows.row_ids[:-1])
    with pytest.raises(StoreError, match="differ in length"):
        read_rows(paths)


def test_an_empty_store_has_no_rows(tmp_path):
    empty = snapshot(Store.create(tmp_path / "e", CARD))
    assert len(empty) == 0
    assert len(empty.lineages) == 0
    assert empty.vectors.shape == (0, 4)


def test_rank_columns_that_are_not_there_count_as_empty():
    lineages, numbers = numbered(pa.table({"genus": ["Parus", None, "Abies"]}))
    assert [lineages.taxon(int(number)) for number in numbers] == [
        Taxon((None,) * 5 + ("Parus",)),
        None,
        Taxon((None,) * 5 + ("Abies",)),
    ]
    assert lineages.table.column_names == list(RANKS)
