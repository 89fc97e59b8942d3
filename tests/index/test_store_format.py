"""A store written by version 1 of the format, kept in tests/data/store-v1, must open for ever.

It was made on 2026-11-23 with cladescope 0.1.0: three rows of four numbers, one failure, one run, an index.
"""

import shutil

import numpy as np

from cladescope.index.ann.build import build
from cladescope.index.store import Store
from tests.conftest import REPOSITORY


def opened(tmp_path):
    shutil.copytree(REPOSITORY / "tests" / "data" / "store-v1", tmp_path / "s")
    return Store.open(tmp_path / "s")


def test_rows_ledger_and_runs_of_version_1_can_be_read(tmp_path):
    store = opened(tmp_path)
    ((ids, vectors),) = store.vectors()
    np.testing.assert_array_equal(vectors, np.eye(4)[:3])
    first = store.rows(ids[:1].tolist(), ["image_id", "uri", "species", "phylum", "width", "sex"])[0]
    assert (first["image_id"], first["species"], first["phylum"]) == ("i0", "Parus major", None)
    assert store.failures.column("reason").to_pylist() == ["empty file: 0 bytes"]
    assert store.runs.column("status").to_pylist() == ["done"]
    about = store.describe()
    assert about["ranks"]["species"] == {"taxa": 1, "images": 2}
    assert about["encoder"]["transform"]["size"] == 8


def test_a_store_of_version_1_answers_exactly_until_its_index_is_built_again(tmp_path):
    store = opened(tmp_path)
    query = np.array([0.1, 1.0, 0.2, 0.0], np.float32)
    answer = store.search(vector=query, k=3)
    assert answer.method == "exact"
    assert "is of an earlier version: build the index again" in store.describe()["index_problem"]
    build(store, kind="hnsw")
    answer = store.search(vector=query, k=3)
    assert (answer.method, store.describe()["index_problem"]) == ("exact", None), "three hits of three rows are all"
    assert store.describe()["index"]["kind"] == "hnsw"
    assert [entry.name for entry in (store.path / "indexes").iterdir()] == ["ann"]
    assert [hit.image_id for hit in answer.hits] == ["i1", "i2", "i0"]
    assert [hit.image_id for hit in store.search(vector=query, within="Aves").hits] == ["i1", "i0"]


def test_a_store_of_version_1_takes_new_rows_beside_the_old(tmp_path):
    store = opened(tmp_path)
    assert store.delete(image_ids=["i2"]) == 1
    assert [hit.image_id for hit in store.search(vector=np.eye(4, dtype=np.float32)[1], k=3).hits] == ["i1", "i0"]
