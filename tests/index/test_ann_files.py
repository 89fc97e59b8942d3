"""An index on disk: checked when it is opened, replaced without a gap, and never in the way of the next."""

import json
import shutil
import threading

import numpy as np
import pytest

from cladescope.arrays import normalise
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import StoreError
from cladescope.files import PART, is_sealed
from cladescope.index import ann
from cladescope.index.ann_files import AnnIndex, folder
from cladescope.index.store import Store
from tests.conftest import REPOSITORY

CARD = EncoderCard(name="made-up", dim=8, weight_hash=None, transform=None, has_text=False)
VECTORS = normalise(np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)).astype(np.float16)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    store = Store.create(tmp_path_factory.mktemp("made") / "s", CARD)
    records = [Record(image_id=f"i{row}", uri=f"/{row}", source="s", labels={}) for row in range(60)]
    store.write(images_table(records, VECTORS, (), {}), failures_table([]))
    ann.build(store)
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


@pytest.mark.parametrize("pattern", ["index-*.faiss", "row_ids-*.npy"])
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
    for change in ({"store_version": 99}, {"files": {}}, {"parameters": {"efSearch": 1}}):
        path.write_text(json.dumps(document | change))
        with pytest.raises(StoreError, match="not as it was written"):
            AnnIndex.find(indexed.path)
    path.write_text(json.dumps({key: value for key, value in document.items() if key != "hash"}))
    with pytest.raises(StoreError, match="it has no hash"):
        AnnIndex.find(indexed.path)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", None])
def test_an_index_of_a_time_without_hashes_is_read_and_its_damage_told_in_a_line(tmp_path, content):
    shutil.copytree(REPOSITORY / "tests" / "data" / "store-v1", tmp_path / "s")
    assert AnnIndex.find(tmp_path / "s").card.files == {}
    path = folder(tmp_path / "s") / "row_ids.npy"
    if content is None:
        np.save(path, np.array([0.0, 1.0, 2.0]))
    else:
        path.write_bytes(content)
    shutil.copytree(tmp_path / "s", tmp_path / "damaged")
    with pytest.raises(StoreError, match="is damaged"):
        AnnIndex.find(tmp_path / "damaged")


def test_a_reader_finds_an_index_at_every_moment_while_it_is_built_anew(indexed, monkeypatch):
    found, errors, ended = [], [], threading.Event()

    def look():
        while not ended.wait(0.0002):  # a moment in which the builds get on
            try:
                index = AnnIndex.find(indexed.path)
                found.append(index is not None and index.search(VECTORS[7].astype(np.float32), 1)[1].tolist())
            except StoreError as error:
                errors.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    for seed in range(30):
        # Other graphs, so that each build writes files of other names and deletes those before.
        monkeypatch.setattr(ann, "EF_CONSTRUCTION", 4 + seed)
        monkeypatch.setattr(ann, "M", 4 + seed % 7)
        ann.build(indexed, seed=seed)
    ended.set()
    reader.join()
    assert not errors
    assert len(found) > 30, len(found)
    assert all(row == found[0] != [] for row in found)


def test_what_a_killed_build_left_is_cleared_by_the_next(indexed):
    path = folder(indexed.path)
    path.with_name("hnsw.new").mkdir()
    for name in ("index-0123.faiss", "row_ids-0123.npy", f"{PART}index.faiss", f"{PART}1-card.json"):
        (path / name).write_bytes(b"half")
    assert AnnIndex.find(indexed.path) is not None
    card = ann.build(indexed)
    assert {entry.name for entry in path.iterdir()} == {"card.json", "card.md", *card.files}
    assert [entry.name for entry in path.parent.iterdir()] == ["hnsw"]


def test_a_build_that_fails_leaves_the_earlier_index_and_nothing_else(indexed, monkeypatch):
    before = sorted(folder(indexed.path).iterdir())
    monkeypatch.setattr("cladescope.index.ann_files.np.save", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    monkeypatch.setattr(ann, "M", 5)
    with pytest.raises(StoreError, match="could not be written .*full"):
        ann.build(indexed)
    assert sorted(folder(indexed.path).iterdir()) == before
    assert AnnIndex.find(indexed.path).card.parameters["M"] == 32


def test_an_index_of_before_hashes_is_replaced_by_one_with_them(tmp_path):
    shutil.copytree(REPOSITORY / "tests" / "data" / "store-v1", tmp_path / "s")
    card = ann.build(Store.open(tmp_path / "s"))
    assert {entry.name for entry in folder(tmp_path / "s").iterdir()} == {"card.json", "card.md", *card.files}
