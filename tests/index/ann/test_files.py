"""An index on disk: checked when it is opened, replaced without a gap, and never in the way of the next."""

import json
import os
import shutil
import threading

import numpy as np
import pytest

from cladescope.arrays import normalise
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import StoreError
from cladescope.files import PART, hash_file, is_sealed
from cladescope.index.ann.build import build
from cladescope.index.ann.files import AnnIndex, _read, building, folder, remove
from cladescope.index.store import Store
from tests.conftest import REPOSITORY

CARD = EncoderCard(name="made-up", dim=8, weight_hash=None, transform=None, has_text=False)
VECTORS = normalise(np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)).astype(np.float16)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    store = Store.create(tmp_path_factory.mktemp("made") / "s", CARD)
    records = [Record(image_id=f"i{row}", uri=f"/{row}", source="s", labels={}) for row in range(60)]
    store.write(images_table(records, VECTORS, (), {}), failures_table([]))
    build(store, kind="hnsw")
    return store.path


@pytest.fixture
def indexed(made, tmp_path):
    shutil.copytree(made, tmp_path / "s")
    return Store.open(tmp_path / "s")


def part(store, pattern):
    (found,) = folder(store.path).glob(pattern)
    return found


def flipped(content, rng):
    """A copy with one bit of it turned."""
    changed = bytearray(content)
    changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
    return bytes(changed)


@pytest.mark.parametrize(
    "pattern", ["index-*.faiss", "row_ids-*.npy", "codes-*.npy", "rows-*.arrow", "lineages-*.arrow"]
)
def test_one_flipped_bit_anywhere_in_an_index_is_refused(indexed, pattern):
    path, rng = part(indexed, pattern), np.random.default_rng(0)
    whole = path.read_bytes()
    for damaged in [flipped(whole, rng), flipped(whole, rng), b"", whole[:-1], bytes(len(whole)), whole + b"\0"]:
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"is damaged \(.*\): build the index again"):
            AnnIndex.find(indexed.path)


def test_a_card_that_was_changed_is_refused(indexed):
    path = folder(indexed.path) / "card.json"
    document = json.loads(path.read_text())
    assert is_sealed(document)
    for change in ({"store_version": 99}, {"files": {}}, {"steps": []}, {"make": 3}):
        path.write_text(json.dumps(document | change))
        with pytest.raises(StoreError, match="not as it was written"):
            AnnIndex.find(indexed.path)
    path.write_text(json.dumps({key: value for key, value in document.items() if key != "hash"}))
    with pytest.raises(StoreError, match="it has no hash"):
        AnnIndex.find(indexed.path)


def test_an_index_without_its_card_is_damaged_and_not_passed_over(indexed):
    (folder(indexed.path) / "card.json").unlink()
    with pytest.raises(StoreError, match=r"is damaged \(it has no card.json\): build the index again"):
        AnnIndex.find(indexed.path)


def test_an_index_of_an_earlier_version_is_told_in_a_line(tmp_path):
    shutil.copytree(REPOSITORY / "tests" / "data" / "store-v1", tmp_path / "s")
    with pytest.raises(StoreError, match="is of an earlier version: build the index again") as error:
        AnnIndex.find(tmp_path / "s")
    assert "\n" not in str(error.value)


def test_a_reader_finds_an_index_at_every_moment_while_it_is_built_anew(indexed):
    found, errors, ended = [], [], threading.Event()

    def look():
        while not ended.wait(0.0002):  # a moment in which the builds get on
            try:
                index = AnnIndex.find(indexed.path)
                found.append(
                    index is not None
                    and index.rows.row_ids[index.search(VECTORS[7:8].astype(np.float32), 1)[1][0]].tolist()
                )
            except StoreError as error:
                errors.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    for seed in range(12):
        # Others are left out, so that each build writes files of other names and deletes those before.
        build(indexed, kind="hnsw", seed=seed)
    ended.set()
    reader.join()
    assert not errors
    assert len(found) > 12, len(found)
    assert all(row == found[0] != [] for row in found)


def test_what_a_killed_build_left_is_cleared_by_the_next(indexed):
    path = folder(indexed.path)
    for name in ("index-0123.faiss", "row_ids-0123.npy", "rows-0123.arrow", f"{PART}index.faiss", f"{PART}1-card.json"):
        (path / name).write_bytes(b"half")
    assert AnnIndex.find(indexed.path) is not None
    card = build(indexed)
    assert {entry.name for entry in path.iterdir()} == {"card.json", "card.md", "checked.json", ".lock", *card.files}
    assert [entry.name for entry in path.parent.iterdir()] == ["ann"]


def test_a_build_that_fails_leaves_the_earlier_index_and_nothing_else(indexed, monkeypatch):
    before = sorted(folder(indexed.path).iterdir())
    full = OSError(28, "full")
    monkeypatch.setattr("cladescope.index.resident.rows.np.save", lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(StoreError, match="could not be written .*full"):
        build(indexed, kind="HNSW5,SQfp16")
    assert sorted(folder(indexed.path).iterdir()) == before
    assert AnnIndex.find(indexed.path).card.kind == "hnsw"


def test_a_second_builder_is_turned_away_and_a_writer_of_the_store_is_not(indexed):
    with building(indexed.path):
        with pytest.raises(StoreError, match="another job is writing to .*ann: wait"):
            build(Store.open(indexed.path))
        assert indexed.delete(image_ids=["i3"]) == 1
    with indexed.writing():
        assert build(Store.open(indexed.path)).n_vectors == 59


def test_files_that_were_hashed_once_are_not_read_again_until_they_change(indexed, monkeypatch):
    read = []
    monkeypatch.setattr("cladescope.index.ann.files.hash_file", lambda path: read.append(path) or hash_file(path))
    for _ in range(2):
        _read.cache_clear()
        AnnIndex.find(indexed.path)
    n = len(AnnIndex.find(indexed.path).card.files)
    assert len(read) == n, "the copy is another file than the one that was written"
    os.utime(part(indexed, "index-*.faiss"))
    _read.cache_clear()
    AnnIndex.find(indexed.path)
    assert len(read) == 2 * n
    (folder(indexed.path) / "checked.json").write_text("no JSON")
    _read.cache_clear()
    AnnIndex.find(indexed.path)
    assert len(read) == 3 * n


def test_removing_leaves_nothing_and_says_whether_there_was_something(indexed):
    (indexed.path / "indexes" / "hnsw").mkdir()
    assert remove(indexed.path)
    assert list((indexed.path / "indexes").iterdir()) == []
    assert not remove(indexed.path)
