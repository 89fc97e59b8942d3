"""Compaction: fewer fragments, and nothing else is other than before; killed, read meanwhile, or in the way of a job."""

import json
import logging
import signal
import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace

import hypothesis.strategies as st
import lance.optimize
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import StoreError
from cladescope.index import compaction
from cladescope.index.ann.build import build
from cladescope.index.compaction import FEW_ROWS, SLICE_BYTES, SLICE_ROWS, Fragment, newest, slices
from cladescope.index.files import locked
from cladescope.index.storage import storage
from cladescope.index.store import Store
from cladescope.index.verify import verify
from tests.conftest import REPOSITORY

CARD = EncoderCard(name="made-up", dim=4, weight_hash=None, transform=None, has_text=False)
NO_FAILURES = failures_table([])
COLUMNS = ["image_id", "vector", "_rowid", "_row_created_at_version", "_row_last_updated_at_version"]


def vector(number):
    values = np.array([1, number, number**2 % 11, 1], np.float32)
    return values / np.linalg.norm(values)


def add(store, *numbers):
    records = [Record(image_id=f"i{n}", uri=f"/{n}.jpg", source="s", labels={"genus": f"G{n}"}) for n in numbers]
    vectors = np.array([vector(n) for n in numbers]).astype(np.float16)
    store.write(images_table(records, vectors, (), {}), NO_FAILURES)


def everything(store):
    return pa.Table.from_batches(store.scan(COLUMNS))


def n_fragments(store, table="images"):
    return store.tables[table].stats()["fragment_stats"]["num_fragments"]


@pytest.fixture
def path(tmp_path):
    """A store of 12 fragments and 36 pictures, some of them corrected, some deleted, with a column that came later."""
    store = Store.create(tmp_path / "s", CARD)
    with store.held():
        for start in range(0, 24, 3):
            add(store, start, start + 1, start + 2)
        store.add_fields([pa.field("sex", pa.string())])
        for start in range(24, 36, 3):
            add(store, start, start + 1, start + 2)
        store.update(pa.table({"image_id": ["i4", "i30"], "genus": ["Other", "Other"]}))
    store.delete(image_ids=["i1", "i20", "i35"])
    return tmp_path / "s"


fragments = st.lists(
    st.builds(
        Fragment,
        number=st.integers(0, 9),
        rows=st.integers(1, SLICE_ROWS * 2),
        deleted=st.just(0),
        n_bytes=st.integers(1, SLICE_BYTES * 2),
    ),
    max_size=30,
)


@given(fragments)
@settings(max_examples=200)
def test_slices_are_neighbours_within_the_limits_and_once_written_stay_as_they_are(found):
    found = [Fragment(number=n, rows=one.rows, deleted=0, n_bytes=one.n_bytes) for n, one in enumerate(found)]
    planned = slices(found)
    for some in planned:
        assert len(some) > 1
        assert all(after.number == before.number + 1 for before, after in pairwise(some))
        one_less = some[:-1] if len(some) > 2 and some[-1] is found[-1] else some
        assert sum(one.n_bytes for one in one_less) <= SLICE_BYTES
        assert sum(one.rows for one in one_less) <= SLICE_ROWS
    joined = {one.number: some for some in planned for one in some}
    left = []
    for one in found:
        some = joined.get(one.number, (one,))
        if some[0] is one:
            n_bytes, rows = sum(each.n_bytes for each in some), sum(each.rows for each in some)
            left.append(Fragment(number=one.number, rows=rows, deleted=0, n_bytes=n_bytes))
    assert slices(left) == []
    assert sum(one.rows for one in left) == sum(one.rows for one in found)


def test_a_job_takes_many_fragments_of_few_rows_from_the_end_alone(monkeypatch):
    def numbers(found):
        return [one.number for one in newest(found)]

    monkeypatch.setattr(compaction, "MANY_FRAGMENTS", 2)
    rows = [5, FEW_ROWS, 4096, FEW_ROWS - 1]
    found = [Fragment(number=n, rows=n_rows, deleted=0, n_bytes=9) for n, n_rows in enumerate(rows)]
    assert numbers(found) == [2, 3]
    assert numbers(found[:3]) == [], "one alone"
    assert numbers(found[:2]) == []
    monkeypatch.setattr(compaction, "JOB_BYTES", 17)
    assert numbers(found) == [3], "where that is much, fewer are taken"


def test_a_long_job_leaves_few_fragments_and_writes_a_row_little_more_than_twice():
    fragments, n_written = [], 0
    for number in range(5000):
        fragments.append(Fragment(number=number, rows=4096, deleted=0, n_bytes=4096 * 1200))
        if due := newest(fragments):
            kept = fragments[: len(fragments) - len(due)]
            for some in slices(due):
                n_written += sum(one.rows for one in some)
                rows, n_bytes = sum(one.rows for one in some), sum(one.n_bytes for one in some)
                kept.append(Fragment(number=some[0].number, rows=rows, deleted=0, n_bytes=n_bytes))
            fragments = kept
    assert len(fragments) < 250
    assert n_written <= 1.1 * 5000 * 4096


def test_a_fragment_of_which_a_tenth_is_deleted_is_written_anew_alone():
    large = [
        Fragment(number=0, rows=90, deleted=10, n_bytes=SLICE_BYTES),
        Fragment(number=1, rows=89, deleted=11, n_bytes=SLICE_BYTES),
    ]
    assert [[one.number for one in some] for some in slices(large)] == [[1]]


def test_rows_their_ids_versions_and_order_and_answers_of_the_index_stay(path):
    store = Store.open(path)
    build(store, kind="flat")
    with store.held():
        add(store, 40)
    before, earlier = everything(store), store.version
    answers = [store.search(vector=vector(n), k=5).hits for n in range(36)]
    done = store.compact()[0]["images"]
    assert (done.fragments_before, done.fragments_after, done.slices) == (14, 1, 1)
    assert n_fragments(store) == 1
    assert everything(store).equals(before)
    assert [store.search(vector=vector(n), k=5).hits for n in range(36)] == answers
    assert [row["image_id"] for row in store.rows(before["_rowid"].to_pylist(), ["image_id"])] == before[
        "image_id"
    ].to_pylist()
    again = Store.open(path)
    assert everything(again).equals(before)
    assert [again.search(vector=vector(n), k=5).hits for n in range(36)] == answers
    assert everything(Store.open(path, version=earlier)).equals(before)
    assert verify(path).problems == ()
    run = again.runs.sort_by("ended").to_pylist()[-1]
    assert (run["verb"], json.loads(run["manifest"])["tables"]["images"]["fragments_before"]) == ("compact", 14)
    # And it is written to as before: rows that are new are told from those that are not.
    with again.held():
        add(again, 50)
        again.update(pa.table({"image_id": ["i0"], "genus": ["Other"]}))
    assert again.count_rows(f"_row_created_at_version > {again.version - 2}") == 1
    assert again.count_rows(f"_row_last_updated_at_version > {again.version - 2}") == 2


def test_a_second_compaction_finds_nothing_to_do_and_notes_nothing(path):
    store = Store.open(path)
    store.compact()
    version, runs = store.version, store.runs.num_rows
    assert store.compact()[0]["images"].slices == 0
    assert (store.version, store.runs.num_rows) == (version, runs)


KILLED = """
import os, signal, sys
import lance.optimize
from lance.optimize import Compaction
from cladescope.index import compaction, ledger
from cladescope.index.storage import storage
from cladescope.index.store import Store

where, path = sys.argv[1:]
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
class Killed:
    plan = staticmethod(Compaction.plan)
    commit = staticmethod(die if where == "before the commit" else Compaction.commit)
lance.optimize.Compaction = Killed
if where == "after it": ledger.record = die
compaction.SLICE_ROWS = 12
Store.open(path).compact()
"""


@pytest.mark.parametrize(("where", "left"), [("before the commit", 13), ("after it", 3)])
def test_a_compaction_that_is_killed_loses_nothing_and_can_be_done_again(path, where, left):
    before = everything(Store.open(path))
    ended = subprocess.run([sys.executable, "-c", KILLED, where, path], check=False, cwd=REPOSITORY)
    assert ended.returncode == -signal.SIGKILL
    store = Store.open(path)
    assert n_fragments(store) == left
    assert everything(store).equals(before)
    assert verify(path).problems == ()
    store.compact()
    assert n_fragments(store) == 1
    assert everything(store).equals(before)
    assert verify(path).problems == ()


def test_where_the_disk_is_full_a_compaction_leaves_no_files(path, monkeypatch):
    store, files = Store.open(path), set((path / "lance" / "images.lance" / "data").iterdir())

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(lance.optimize, "Compaction", SimpleNamespace(plan=lance.optimize.Compaction.plan, commit=full))
    with pytest.raises(StoreError, match="is full"):
        store.compact()
    assert set((path / "lance" / "images.lance" / "data").iterdir()) == files
    assert verify(path).problems == ()


WRITING = """
import sys
from cladescope.index import compaction
from cladescope.index.storage import storage
from cladescope.index.store import Store
from tests.index.test_compaction import add
compaction.MANY_FRAGMENTS = 5
store, ends = Store.open(sys.argv[1]), 0
for start in range(100, 220, 4):
    with store.writing():
        add(store, start, start + 1)
        add(store, start + 2, start + 3)
"""


def test_a_reader_sees_whole_states_while_another_process_writes_and_compacts(path):
    reader, seen = Store.open(path), []
    writer = subprocess.Popen([sys.executable, "-c", WRITING, str(path)], cwd=REPOSITORY)
    while writer.poll() is None:
        ids = everything(reader)["image_id"].to_pylist()
        assert len(set(ids)) == len(ids)
        assert (len(ids) - 33) % 2 == 0
        assert {f"i{n}" for n in range(36)} - set(ids) == {"i1", "i20", "i35"}
        seen.append(len(ids))
        assert reader.search(vector=vector(7), k=1).hits[0].image_id == "i7"
        assert reader.search(vector=vector(7), k=1, exact=True).hits[0].image_id == "i7"
    assert writer.returncode == 0
    assert seen == sorted(seen)
    reader.refresh()
    assert reader.count() == 33 + 120
    assert n_fragments(reader) < 10
    assert "compact" in reader.runs.column("verb").to_pylist()
    assert verify(path).problems == ()


def test_a_job_compacts_while_it_writes_and_says_so_once(path, monkeypatch, caplog):
    monkeypatch.setattr(compaction, "MANY_FRAGMENTS", 14)
    store = Store.open(path)
    with store.writing():
        pass
    assert n_fragments(store) == 13
    with caplog.at_level(logging.INFO), store.writing():
        add(store, 60)
        assert n_fragments(store) == 1
        for number in range(61, 75):
            add(store, number)
        assert n_fragments(store) == 2
    assert [line for line in caplog.messages if "compacted" in line] == ["compacted: images 27 fragments to 1"]
    run = store.runs.sort_by("ended").to_pylist()[-1]
    manifest = json.loads(run["manifest"])
    assert (run["verb"], run["status"], manifest["asked"]) == ("compact", "done", False)
    assert (manifest["tables"]["images"]["slices"], manifest["store"]["images"]) == (2, 48)
    assert verify(path).problems == ()


def test_a_job_takes_so_many_bytes_from_the_end_that_it_is_not_held_up_and_the_order_stays(path, monkeypatch):
    store = Store.open(path)
    before, held = everything(store), compaction.fragments_of(lance.dataset(str(path / "lance" / "images.lance")))
    monkeypatch.setattr(compaction, "MANY_FRAGMENTS", 5)
    monkeypatch.setattr(compaction, "JOB_BYTES", sum(one.n_bytes for one in held[-6:]))
    with store.writing():
        pass
    assert n_fragments(store) == 8
    assert everything(store).equals(before)
    assert verify(path).problems == ()


def test_a_job_whose_compaction_fails_has_done_its_work(path, monkeypatch, caplog):
    def full(*_, **__):
        raise StoreError("the disk is full")

    monkeypatch.setattr(compaction, "MANY_FRAGMENTS", 5)
    monkeypatch.setattr(compaction, "slices", full)
    store = Store.open(path)
    with store.writing():
        add(store, 60)
    assert store.count() == 34
    assert caplog.messages == [f"{path} was not compacted: the disk is full"]
    assert verify(path).problems == ()


def test_a_store_that_another_writes_to_or_that_is_pinned_is_not_compacted(path):
    store = Store.open(path)
    with locked(path, timeout=0.0), pytest.raises(StoreError, match="another job is writing"):
        store.compact()
    with pytest.raises(StoreError, match="to read only"):
        Store.open(path, version=3).compact()
    assert n_fragments(store) == 13


def test_earlier_versions_are_removed_where_that_is_asked_for_and_only_then(path):
    store = Store.open(path)
    before = everything(store)
    _, pruned = store.compact()
    assert pruned == {}
    held = storage(path, store.tables)["images"]
    assert (held.fragments, held.versions) == (1, store.version)
    assert held.earlier_bytes > 0
    assert store.compact(prune_older_than=1)[1] == {}
    assert Store.open(path, version=3).count() == 6
    removed = store.compact(prune_older_than=0)[1]["images"]
    assert removed.versions == held.versions - 1
    assert removed.n_bytes >= held.earlier_bytes
    left = storage(path, store.tables)["images"]
    assert (left.fragments, left.versions, left.n_bytes, left.earlier_bytes) == (1, 1, held.n_bytes, 0)
    assert everything(Store.open(path)).equals(before)
    assert verify(path).problems == ()
    with pytest.raises(StoreError, match="has no version 3"):
        Store.open(path, version=3)


def test_a_kill_while_versions_are_removed_is_no_damage(path):
    killed = f"""
import os, signal
from cladescope.index import ledger
from cladescope.index.storage import storage
from cladescope.index.store import Store
ledger.record = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Store.open({str(path)!r}).compact(prune_older_than=0)
"""
    before = everything(Store.open(path))
    assert subprocess.run([sys.executable, "-c", killed], check=False, cwd=REPOSITORY).returncode == -signal.SIGKILL
    found = verify(path)
    assert found.problems == ()
    assert "a job removes earlier versions, or was killed at it" in " ".join(found.checks[0].notes)
    store = Store.open(path)
    assert everything(store).equals(before)
    with store.writing():
        add(store, 70)
    assert verify(path).checks[0].notes == ()
