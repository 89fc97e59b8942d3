"""Old versions expire by the stated rule, and nothing that is not old does."""

import json
import os
import time

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from cladescope.errors import StoreError
from cladescope.index.ledger import version_times
from cladescope.index.old_versions import DAY_SECONDS, END_DAYS, STEP_DAYS, expired
from cladescope.index.store import Store
from cladescope.index.verify import verify
from tests.index.test_compaction import CARD, add, everything


def age(path, days):
    """Make all versions that are there so many days old."""
    then = time.time() - days * DAY_SECONDS
    for manifest in path.glob("lance/*.lance/_versions/*.manifest"):
        os.utime(manifest, (then, then))


def job(store, first):
    """A job of three commits, which notes its run."""
    with store.writing():
        for number in range(first, first + 3):
            add(store, number)
    began = np.datetime64("2026-01-01T00:00:00").astype("M8[ms]").item()
    store.record_run(verb="embed", source="s", started=began, status="done", manifest={})


@pytest.fixture
def path(tmp_path):
    """A store of two jobs."""
    store = Store.create(tmp_path / "s", CARD)
    job(store, 0)
    job(store, 3)
    return tmp_path / "s"


def versions(path, name="images"):
    return sorted(version_times(path, name))


def test_versions_of_the_midst_of_a_job_expire_after_a_day_and_its_end_after_thirty(path):
    store = Store.open(path)
    assert versions(path) == [1, 2, 3, 4, 5, 6, 7]
    before = everything(Store.open(path, version=4))
    age(path, STEP_DAYS + 0.1)
    job(store, 6)
    assert versions(path) == [4, 7, 8, 9, 10], "the ends of both jobs, and what this one wrote"
    assert versions(path, "runs")[0] >= 3
    assert everything(Store.open(path, version=4)).equals(before)
    with pytest.raises(StoreError, match="has no version 5"):
        Store.open(path, version=5)
    told = [json.loads(run["manifest"]) for run in store.runs.to_pylist() if run["verb"] == "compact"]
    assert [one["expired"]["images"]["versions"] for one in told] == [5]
    age(path, END_DAYS + 0.1)
    with store.writing():
        pass
    assert versions(path) == [10]
    assert store.count() == 9
    assert verify(path).problems == ()


def test_what_is_young_stays_and_nothing_is_said(path):
    age(path, STEP_DAYS - 0.1)
    store = Store.open(path)
    with store.writing():
        pass
    assert versions(path) == [1, 2, 3, 4, 5, 6, 7]
    assert [run["verb"] for run in store.runs.to_pylist()] == ["embed", "embed"]


def test_a_clock_that_was_put_back_takes_nothing(path):
    age(path, -3)
    store = Store.open(path)
    job(store, 6)
    assert versions(path) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert store.count() == 9


@given(st.dictionaries(st.integers(1, 20), st.floats(-50, 50), max_size=12), st.sets(st.integers(1, 20)))
def test_the_newest_version_and_ends_of_a_month_never_expire(days, ends):
    gone = expired({one: -age * DAY_SECONDS for one, age in days.items()}, ends, 0.0)
    for one, age_days in days.items():
        limit = END_DAYS if one in ends else STEP_DAYS
        if one == max(days) or age_days < limit:
            assert one not in gone
        elif age_days > limit:
            assert one in gone


def test_a_job_whose_runs_cannot_be_read_has_done_its_work(path, monkeypatch, caplog):
    def damaged(_):
        raise StoreError("the runs are damaged")

    age(path, STEP_DAYS + 0.1)
    store = Store.open(path)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "runs", property(damaged))
        with store.writing():
            add(store, 6)
    assert store.count() == 7
    assert caplog.messages == [f"old versions of {path} were not removed: the runs are damaged"]
    assert versions(path) == [1, 2, 3, 4, 5, 6, 7, 8]
