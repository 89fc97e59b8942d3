"""Faults of the disk, of workers, of the source and of the clock: nothing is lost, and nothing is there twice."""

import itertools
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta

import pytest
from lancedb.merge import LanceMergeInsertBuilder
from lancedb.table import LanceTable

from benchmarks.killed import state, write_folder
from cladescope.embedding import prepare
from cladescope.embedding.encoder import Encoder
from cladescope.embedding.pipeline import EmbedConfig, embed
from cladescope.embedding.sources import open_source
from cladescope.errors import StoreError
from cladescope.index import store as store_module
from cladescope.index.store import Store
from cladescope.index.verify import verify
from tests.conftest import REPOSITORY
from tests.embedding.test_in_step import Broken


class Killed(BaseException):
    """As a signal that ends a process."""


def job(folder, path, source=None):
    """A job of many commits over a folder, or over another source of it."""
    encoder = Encoder.load("pixels")
    config = EmbedConfig(address=str(folder), commit_rows=4, batch_size=2, workers=2)
    return embed(source or open_source(folder), encoder, Store.open_or_create(path, encoder.card), config)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "photos"
    kinds = write_folder(folder, 20, seed=3)
    assert min(kinds[kind] for kind in ("good", "copy", "bad")) > 1
    return folder


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory):
    """What an undisturbed job leaves."""
    path = tmp_path_factory.mktemp("whole") / "s"
    job(photos, path)
    return state(path)


def same(path, whole):
    return state(path) == whole and verify(path).problems == ()


def full(*_):
    return RuntimeError("lance error: LanceError(IO): No space left on device (os error 28), /cargo/local.rs:1:1")


def broken(*_):
    return RuntimeError("lance error: LanceError(IO): Input/output error (os error 5)")


@pytest.mark.parametrize("fault, after", [(full, False), (broken, False), (Killed, True)])
def test_a_fault_at_any_write_of_any_table_costs_what_was_not_committed(
    photos, whole, tmp_path, monkeypatch, fault, after
):
    step, ended, kept = 0, False, []
    while not ended:
        path, left = tmp_path / str(step), [step]

        def faulty(method, left=left):
            def call(*arguments, **named):
                if not after and left[0] == 0:
                    left[0] = -1
                    raise fault()
                found = method(*arguments, **named)
                left[0] -= 1
                if after and left[0] == -1:
                    raise fault()
                return found

            return call

        with monkeypatch.context() as patch:
            for owner, name in ((LanceTable, "add"), (LanceTable, "delete"), (LanceMergeInsertBuilder, "execute")):
                patch.setattr(owner, name, faulty(getattr(owner, name)))
            try:
                job(photos, path)
                ended = True
            except (StoreError, Killed):
                pass
        kept.append(Store.open(path).count())
        job(photos, path)
        assert same(path, whole)
        step += 1 if after else 5
    assert step > 9
    assert kept[0] == 0
    assert kept == sorted(kept)
    assert 0 < kept[len(kept) // 2] < kept[-1]


FULL = """
import json, subprocess, sys
from benchmarks.killed import state
from cladescope.errors import StoreError
from cladescope.index.store import Store
from tests.embedding.test_faults import job
photos, disk, told = sys.argv[1:]
try:
    job(photos, disk + "/s")
    raise SystemExit("it was not full")
except StoreError as error:
    message = str(error)
n_kept = Store.open(disk + "/s").count()
subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
job(photos, disk + "/s")
with open(told, "w") as file:
    json.dump([message, n_kept, repr(state(disk + "/s"))], file)
"""


def test_a_disk_that_is_full_is_one_line_and_with_more_space_the_job_goes_on(photos, whole, tmp_path):
    disk, told = tmp_path / "disk", tmp_path / "told.json"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=140k tmpfs {disk}"
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False).returncode:
        pytest.skip("a small disk cannot be made here")
    command = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh", sys.executable, "-c", FULL]
    subprocess.run([*command, str(photos), str(disk), str(told)], check=True, cwd=REPOSITORY)
    message, n_kept, found = json.loads(told.read_text())
    assert "the disk that holds" in message
    assert "is full: what was committed is kept" in message
    assert 0 < n_kept < len(whole["rows"])
    assert found == repr(whole)


@pytest.mark.parametrize("death", [Killed, SystemExit, MemoryError])
def test_a_worker_that_dies_takes_no_picture_with_it(photos, whole, tmp_path, monkeypatch, death):
    decode, calls = prepare.decode, []

    def dying(*arguments, **named):
        picture = decode(*arguments, **named)
        calls.append(picture)
        if len(calls) == 9:
            raise death
        return picture

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "decode", dying)
        if death is MemoryError:
            assert job(photos, tmp_path / "s").failed == len(whole["failures"]) + 1
        else:
            with pytest.raises(death):
                job(photos, tmp_path / "s")
    job(photos, tmp_path / "s")
    assert same(tmp_path / "s", whole)


def test_pictures_that_cannot_be_read_one_time_in_ten_all_come_in_the_end(photos, whole, tmp_path, monkeypatch):
    read, asked, failed = prepare.read_bytes, itertools.count(1), []

    def flaky(uri):
        if not next(asked) % 10:
            raise OSError(5, "Input/output error")
        return read(uri)

    monkeypatch.setattr(prepare, "read_bytes", flaky)
    for _ in range(4):
        failed.append(job(photos, tmp_path / "s").failed - len(whole["failures"]))
    monkeypatch.undo()
    assert failed[0] > 0
    job(photos, tmp_path / "s")
    assert same(tmp_path / "s", whole)


def test_a_source_that_breaks_off_again_and_again_is_embedded_all_the_same(photos, whole, tmp_path):
    rng = random.Random(1)
    for _ in range(6):
        source = Broken(open_source(photos), rng.randrange(20))
        source.name, source.extra_fields = source.source.name, source.source.extra_fields
        job(photos, tmp_path / "s", source)
    job(photos, tmp_path / "s")
    assert same(tmp_path / "s", whole)


def test_a_clock_that_goes_backwards_changes_nothing(photos, whole, tmp_path, monkeypatch):
    hours, now = [0], time.time_ns()

    def backwards():
        hours[0] += 1
        return now - hours[0] * 3600 * 10**9

    class Backwards(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime.fromtimestamp(backwards() / 1e9, zone) - timedelta(hours=1)

    monkeypatch.setattr(time, "time_ns", backwards)
    monkeypatch.setattr(time, "time", lambda: backwards() / 1e9)
    monkeypatch.setattr(store_module, "datetime", Backwards)
    summary = job(photos, tmp_path / "s")
    assert summary.seconds >= 0
    assert job(photos, tmp_path / "s").already_stored == len(whole["rows"])
    monkeypatch.undo()
    assert hours[0] > 20
    assert same(tmp_path / "s", whole)


def test_jobs_that_begin_at_once_on_a_new_store_succeed_or_are_turned_away_in_a_line(photos, whole, tmp_path):
    said, start = [], threading.Barrier(4)

    def one():
        start.wait()
        try:
            said.append(job(photos, tmp_path / "s").failed == len(whole["failures"]))
        except StoreError as error:
            said.append("another job is writing to" in str(error))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [True] * 4
    assert same(tmp_path / "s", whole)


def test_a_kill_after_pictures_moved_leaves_no_note_of_where_they_were(photos, tmp_path, monkeypatch):
    folder, paths = tmp_path / "photos", (tmp_path / "killed", tmp_path / "undisturbed")
    shutil.copytree(photos, folder)
    for path in paths:
        job(folder, path)
    for path in sorted(folder.glob("kind1/*/*")):
        path.rename(path.with_name(f"moved-{path.name}"))

    def dies(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Store, "forget_origins", dies)
        with pytest.raises(Killed):
            job(folder, paths[0])
    for path in paths:
        job(folder, path)
    assert state(paths[0]) == state(paths[1])
