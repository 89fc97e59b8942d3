"""Threads that ask one store at once get what one thread gets, and only searches wait for searches."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cladescope.app.service.served_store import ServedStore
from cladescope.index import tables
from cladescope.index.store import Store
from cladescope.index.store_reader import StoreReader
from tests.app.server.conftest import until

SECONDS = 30


@pytest.fixture
def served(store):
    return ServedStore("clades", store)


def queries(store):
    """Queries of each kind, with filters and without."""
    ids = store.table(["image_id"]).column(0).to_pylist()
    kingdom = store.table(["kingdom"]).column(0)[0].as_py()
    vectors = np.random.default_rng(0).normal(size=(10, store.matrix().shape[1])).astype(np.float32)
    asked = [{"image_ids": ids[at : at + 2], "not_image_ids": ids[-1:]} for at in range(10)]
    asked += [{"vectors": [one]} for one in vectors] + [{"taxa": [kingdom], "within": [kingdom]}]
    return [{"k": 1 + at % 9, "filters": ["width>=50"] if at % 2 else [], **one} for at, one in enumerate(asked)]


def test_searches_of_many_threads_are_answered_as_those_of_one(served, store):
    asked = queries(store) * 4
    expected = [served.search(**one) for one in asked]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda one: served.search(**one), asked)) == expected
    assert len({str(one) for one in expected}) == len(asked) // 4


def test_searches_see_the_rows_of_one_moment_while_others_leave(store, monkeypatch):
    monkeypatch.setattr(tables, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr("cladescope.index.live_gallery.LOOK_SECONDS", 0.0)
    served = ServedStore("clades", Store.open(store.path))
    rows = {row["image_id"]: row["uri"] for row in store.table(["image_id", "uri"]).to_pylist()}
    ids, done = list(rows), threading.Event()

    def ask(_):
        found = []
        while not done.is_set():
            found.append(served.search(image_ids=[ids[-1]], k=100)["hits"])
        return found

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(ask, number) for number in range(4)]
        other = Store.open(store.path)
        for at in range(8):
            other.delete(image_ids=[ids[at]])
        done.set()
        answers = [one for asked in asking for one in asked.result()]
    for hits in answers:
        left = [hit["image_id"] for hit in hits]
        n_gone = 47 - len(left)
        assert 0 <= n_gone <= 8
        assert set(left) == set(ids[n_gone:-1])
        assert all(hit["uri"] == rows[hit["image_id"]] for hit in hits)
    assert len({len(hits) for hits in answers}) > 1
    until(lambda: len(served.search(image_ids=[ids[-1]], k=100)["hits"]) == 39)


def test_only_searches_wait_for_a_search(served, store, monkeypatch):
    began, goes_on = threading.Event(), threading.Event()
    first = store.table(["image_id"]).column(0)[0].as_py()

    def slow(*_, **__):
        began.set()
        assert goes_on.wait(SECONDS)
        raise RuntimeError("the end")

    monkeypatch.setattr(Store, "search", slow)
    with ThreadPoolExecutor(2) as threads:
        searching = threads.submit(served.search, image_ids=[first], k=1)
        assert began.wait(SECONDS)
        made = threads.submit(served.of_version, "count", Store.count)
        try:
            assert made.result(SECONDS) == 48
        finally:
            goes_on.set()
        with pytest.raises(RuntimeError, match="the end"):
            searching.result(SECONDS)


def test_a_search_without_filters_does_not_read_the_columns_again(served, store, monkeypatch):
    first = store.table(["image_id"]).column(0)[0].as_py()
    expected = served.search(image_ids=[first], k=3)
    monkeypatch.setattr(StoreReader, "schema", property(lambda _: pytest.fail("the columns were read")))
    assert served.search(image_ids=[first], k=3) == expected
