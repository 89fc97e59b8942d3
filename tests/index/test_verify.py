"""A store is verified as a whole, and each kind of damage is told by the check that it belongs to."""

import json
import shutil

import numpy as np
import pytest

from cladescope.arrays import normalise
from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.prepare import Failure
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import StoreError
from cladescope.index.ann.build import build
from cladescope.index.store import Store
from cladescope.index.verify import verify
from cladescope.schema import ORIGIN_SCHEMA
from tests.conftest import REPOSITORY

CARD = EncoderCard(name="made-up", dim=8, weight_hash=None, transform=None, has_text=False)


def add(store, first, n, *, scale=1.0, failures=()):
    vectors = normalise(np.random.default_rng(first).standard_normal((n, 8)).astype(np.float32)) * scale
    records = [Record(image_id=f"i{row}", uri=f"/{row}", source="s", labels={}) for row in range(first, first + n)]
    store.write(images_table(records, vectors.astype(np.float16), (), {}), failures_table(failures))


def job(store, first, n, **more):
    with store.writing():
        add(store, first, n, **more)
    store.record_run(verb="embed", source="s", started=store.created, status="done", manifest={})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    from datetime import UTC, datetime

    store = Store.create(tmp_path_factory.mktemp("made") / "s", CARD)
    store.created = datetime(2026, 11, 25, tzinfo=UTC)
    for first in (0, 20, 40):
        job(store, first, 20)
    build(store)
    return store.path


@pytest.fixture
def store(made, tmp_path):
    shutil.copytree(made, tmp_path / "s")
    return Store.open(tmp_path / "s")


def found(path):
    """Problems by the check that found them."""
    return {check.name: check.problems for check in verify(path).checks if check.problems}


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 16
    path.write_bytes(bytes(content))


def test_a_whole_store_is_sound_and_says_what_was_looked_at(store):
    report = verify(store.path)
    assert report.is_sound
    assert {check.name: check.looked_at for check in report.checks if check.name != "files"} == {
        "description": f"{len(store.schema)} columns, 3 fragments, 4 versions",
        "runs": "3 runs, 60 pictures",
        "vectors": "60 vectors",
        "pictures": "60 pictures, 0 failures",
        "index": "60 vectors of the index",
    }
    assert json.loads(json.dumps(report.to_dict()))["is_sound"] is True
    assert not [note for check in report.checks for note in check.notes]


def test_a_store_of_0_1_0_is_sound_and_says_that_it_has_no_hashes(tmp_path):
    shutil.copytree(REPOSITORY / "tests" / "data" / "store-v1", tmp_path / "s")
    report = verify(tmp_path / "s")
    assert report.is_sound
    notes = {check.name: check.notes for check in report.checks}
    assert "no hashes were kept" in notes["files"][0]
    assert "is of an earlier version: build the index again" in notes["index"][0]
    assert "1 runs do not say" in notes["runs"][0]


def test_one_flipped_bit_in_a_vector_is_told_for_certain(store):
    vector = next(store.vectors())[1][3].tobytes()
    files = (store.path / "lance" / "images.lance" / "data").iterdir()
    (data,) = [path for path in files if vector in path.read_bytes()]
    flip(data, data.read_bytes().index(vector) + 1)
    report = verify(store.path)
    assert report.problems == (f"lance/images.lance/data/{data.name}: not as they were written",)
    unread = [check.name for check in report.checks if check.looked_at == "not read"]
    assert unread == ["vectors", "pictures", "index"], "of some damage the engine dies"
    (store.path / "ledger.json").unlink()
    assert "1 vectors of the index are not those of their rows" in found(store.path)["index"]


def test_vectors_that_are_no_unit_vectors_are_counted_and_one_is_named(store):
    with store.writing():
        add(store, 60, 5, scale=1.1)
        add(store, 65, 5, scale=1e-4)
    assert found(store.path)["vectors"] == ("10 vectors are not finite or not of length 1, for instance that of 'i60'",)


def test_pictures_stored_twice_or_stored_and_failed_are_told(store):
    with store.writing():
        add(store, 5, 3)
        failed = [Failure(Record(image_id=f"i{n}", uri=f"/{n}", source="s"), "decode", "no picture") for n in (9, 70)]
        failed.append(Failure(Record(image_id="i9", uri="/10", source="s"), "identity", "i9 is taken"))
        store._failures.add(failures_table(failed))
    assert found(store.path)["pictures"] == (
        "i5 and 2 more: the image_id of several rows",
        "/9: both stored and among the failures",
    )


def test_a_lost_version_is_told_when_the_store_is_opened_and_by_verify(store, caplog):
    versions = store.path / "lance" / "images.lance" / "_versions"
    shutil.copytree(store.path, store.path.with_name("copy"))
    sorted(versions.glob("*.manifest"))[0].unlink()
    (versions / "latest_version_hint.json").unlink(missing_ok=True)
    opened = Store.open(store.path)
    assert opened.count() == 40
    assert "lost rows since its last job: images holds 40 rows at version 3, and held 60 at version 4" in caplog.text
    problems = found(store.path)
    assert "40 (version 3) are there" in problems["runs"][1]
    assert "gone" in problems["files"][0]
    assert "the index is of version 4 of the store, which is at 3" in problems["index"][0]
    with opened.writing():
        add(opened, 80, 30)
    assert "the index was dropped, for it knows rows that were lost" in caplog.text
    vector = normalise(np.random.default_rng(80).standard_normal((30, 8)).astype(np.float32))[3]
    answer = opened.search(vector=vector, k=1)
    assert (answer.method, answer.hits[0].image_id) == ("exact", "i83"), "row ids of lost rows are given to others"
    caplog.clear()
    Store.open(store.path)
    assert not caplog.text, "the next job takes the store as it is"


def test_deleted_rows_are_no_loss_and_stand_among_the_runs(store, caplog):
    assert store.delete(image_ids=["i1", "i2"]) == 2
    assert store.delete(where="uri = '/none'") == 0
    assert Store.open(store.path).count() == 58
    report = verify(store.path)
    assert (report.is_sound, caplog.text) == (True, "")
    assert report.checks[-1].notes == ("2 of its vectors belong to pictures that were deleted",)
    runs = store.runs.sort_by("ended").to_pylist()
    assert [run["verb"] for run in runs] == ["embed"] * 3 + ["delete"] * 2
    manifest = json.loads(runs[3]["manifest"])
    assert (manifest["deleted"], manifest["store"]["images"]) == (2, 58)


@pytest.mark.parametrize("step, left", [("store.Store.record_run", 60), ("origins.forget", 58)])
def test_a_delete_that_is_killed_between_any_two_steps_is_no_loss(store, monkeypatch, caplog, step, left):
    class Killed(BaseException):
        pass

    def killed(*_, **__):
        raise Killed

    with store.writing():
        store.note_origins(ORIGIN_SCHEMA.empty_table(), new=True)
    monkeypatch.setattr(f"cladescope.index.{step}", killed)
    with pytest.raises(Killed):
        store.delete(image_ids=["i1", "i2"])
    monkeypatch.undo()
    assert Store.open(store.path).count() == left
    assert not caplog.text
    assert "runs" not in found(store.path)
    assert "runs" not in {name for name, _ in found(store.path).items() if name == "files"}


@pytest.mark.parametrize("name", ["failures", "runs"])
def test_damaged_rows_of_a_small_table_are_refused_before_they_are_read(store, name):
    with store.writing():
        failed = Failure(Record(image_id="i99", uri="/99", source="s"), "decode", "no picture")
        add(store, 60, 1, failures=[failed])
    path = sorted((store.path / "lance" / f"{name}.lance" / "data").iterdir())[0]
    flip(path, 5)
    with pytest.raises(StoreError, match="data/.* is damaged .it is not as it was written.: restore"):
        getattr(Store.open(store.path), name)


@pytest.mark.parametrize("damage", ["flip", "empty", "zeros"])
def test_a_damaged_manifest_is_refused_before_the_table_is_read(store, damage):
    path = sorted((store.path / "lance" / "images.lance" / "_versions").glob("*.manifest"))[0]
    size = path.stat().st_size
    if damage == "flip":
        flip(path, size // 2)
    else:
        path.write_bytes(b"" if damage == "empty" else bytes(size))
    with pytest.raises(StoreError, match="is damaged .it is .*: restore"):
        Store.open(store.path)
    assert {"files", "tables"} <= found(store.path).keys()


def test_a_damaged_ledger_is_told_and_written_anew_by_the_next_job(store, caplog):
    path = store.path / "ledger.json"
    path.write_text(path.read_text().replace('"rows": 60', '"rows": 61'))
    opened = Store.open(store.path)
    assert "ledger.json is damaged (it is not as it was written): delete it" in caplog.text
    assert "ledger.json is damaged" in found(store.path)["files"][0]
    caplog.clear()
    with opened.writing():
        add(opened, 60, 1)
    assert "ledger.json" not in caplog.text, "it was told when the store was opened"
    assert verify(store.path).is_sound


def test_files_of_a_job_that_was_killed_have_no_hash_and_are_no_damage(store):
    add(store, 60, 3)
    report = verify(store.path)
    assert report.is_sound
    assert "have no hash yet" in report.checks[0].notes[0]


def test_an_index_of_other_rows_is_told(store, tmp_path):
    shutil.copytree(store.path, tmp_path / "other")
    other = Store.open(tmp_path / "other")
    (folder,) = (store.path / "indexes").iterdir()
    shutil.rmtree(folder)
    other._images.delete("true")
    with other.writing():
        add(other, 0, 30)
    build(other)
    shutil.copytree(tmp_path / "other" / "indexes" / folder.name, folder)
    assert "the index is of version" in found(store.path)["index"][0]


def test_a_table_of_another_encoder_is_told(store):
    about = json.loads((store.path / "store.json").read_text())
    about["encoder"]["dim"] = 4
    (store.path / "store.json").write_text(json.dumps(about))
    with pytest.raises(StoreError, match="speaks of vectors of 4 numbers, the table holds .*8"):
        Store.open(store.path)
    assert "speaks of vectors of 4 numbers" in found(store.path)["tables"][0]


def test_what_is_no_store_is_not_verified(tmp_path):
    with pytest.raises(StoreError, match="is no store"):
        verify(tmp_path)
