"""A picture stands among the stored or the failed, never in both, wherever a job is killed."""

import subprocess
import sys

import numpy as np
import pytest

from cladescope.embedding.encoder import EncoderCard
from cladescope.embedding.prepare import Failure
from cladescope.embedding.records import Record
from cladescope.embedding.tables import failures_table, images_table
from cladescope.index.store import Store
from tests.conftest import REPOSITORY

CARD = EncoderCard(name="made-up", dim=4, weight_hash=None, transform=None, has_text=False)
JOB = """
import os
from cladescope.index import failure_notes
from tests.index.test_failure_notes import Store, mended

{kill}
store = Store.open({path!r})
with store.writing():
    store.write(*mended())
"""
KILLS = {
    "before the notes go": "failure_notes.clear = lambda *_: os._exit(9)",
    "between notes and rows": "real = failure_notes.clear; failure_notes.clear = lambda *a: (real(*a), os._exit(9))",
    "between rows and new notes": "failure_notes.note = lambda *_: os._exit(9)",
    "never": "",
}


def record(n):
    return Record(image_id=f"i{n}", uri=f"/{n}.jpg", source="s")


def failed(n, stage="read", reason="no such file"):
    return Failure(record(n), stage, reason)


def pictures(*numbers):
    return images_table([record(n) for n in numbers], np.ones((len(numbers), 4), np.float16) / 2, (), {})


def mended():
    """What a job writes that finds picture 0 mended, and picture 1 failing in another way."""
    return pictures(0), failures_table([failed(1, "decode", "truncated")])


def places(store):
    """How often each picture stands among the stored and the failed."""
    stored = [uri for batch in store.scan(["uri"]) for uri in batch.column("uri").to_pylist()]
    return sorted(stored), sorted(store.failures.column("uri").to_pylist())


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS.keys())
def test_a_job_killed_while_it_writes_and_run_again_leaves_each_picture_in_one_place(tmp_path, kill):
    store = Store.create(tmp_path / "s", CARD)
    store.write(pictures(), failures_table([failed(0), failed(1)]))
    run = subprocess.run([sys.executable, "-c", JOB.format(kill=kill, path=str(store.path))], cwd=REPOSITORY)
    assert run.returncode == (9 if kill else 0)
    stored, noted = places(Store.open(store.path))
    assert not set(stored) & set(noted)
    # The job that comes next embeds what is not stored.
    again = Store.open(store.path)
    with again.writing():
        again.write(pictures(*([] if stored else [0])), mended()[1])
    assert places(again) == (["/0.jpg"], ["/1.jpg"])
    assert again.failures.column("reason").to_pylist() == ["truncated"]


def test_pictures_that_an_earlier_version_left_in_both_tables_are_mended_by_the_next_writer(tmp_path, caplog):
    store = Store.create(tmp_path / "s", CARD)
    store.write(pictures(0, 1, 2), failures_table([failed(1, "identity", "image_id 'i1' came before"), failed(3)]))
    store.tables["failures"].add(failures_table([failed(0), failed(2), failed(2, "decode", "truncated")]))
    with Store.open(store.path).writing():
        pass
    assert places(Store.open(store.path)) == (["/0.jpg", "/1.jpg", "/2.jpg"], ["/1.jpg", "/3.jpg"])
    assert "2 pictures of" in caplog.text
    with Store.open(store.path).writing():
        pass
    assert caplog.text.count("pictures of") == 1
