"""The choice of search parameters: by recall, whatever the clock says, and measured as searches are asked."""

import time

import numpy as np

from cladescope.arrays import normalise
from cladescope.index.ann import engine as engines
from cladescope.index.ann.build import build
from cladescope.index.ann.page import page
from cladescope.index.ann.stopwatch import processor_time
from tests.index.ann.stores import clustered, made


def test_a_slow_clock_lets_no_kind_of_query_miss_the_target(tmp_path, monkeypatch):
    """The more so for 100 hits, where re-ranking thousands is slower than to compare all."""
    ticks = iter(range(1, 10_000))

    def slower_and_slower(ask, queries):
        return ask(queries), float(next(ticks))

    monkeypatch.setattr("cladescope.index.ann.tune.processor_time", slower_and_slower)
    card = build(made(tmp_path, 3000), kind="IVF64,SQ8")
    assert card.steps[1].near["nprobe"] > 2
    for kind, measured in card.queries.items():
        assert measured.recall["10"].mean >= 0.9, kind
        assert measured.recall["100"].mean >= 0.9, kind
    assert not [note for note in card.notes if note.startswith("at k")]


def test_the_card_asks_for_as_many_hits_as_it_speaks_of(tmp_path, monkeypatch):
    """To ask for one more is to look more widely, and only a picture of the store leaves itself out."""
    asked = []
    original = engines.Engine.search

    def spied(self, queries, k, parameters):
        asked.append((k, len(queries)))
        return original(self, queries, k, parameters)

    monkeypatch.setattr(engines.Engine, "search", spied)
    card = build(made(tmp_path, 1500), kind="hnsw")
    many = {k: max(n for asked_k, n in asked if asked_k == k) for k in (10, 11, 100, 101)}
    for k in (10, 100):
        assert many[k] > 0
        assert many[k + 1] <= card.queries["stored"].n + 1


def test_a_shortfall_at_a_hundred_hits_stands_on_the_card(tmp_path, monkeypatch):
    monkeypatch.setattr(engines.Engine, "ladder", lambda *_: [{"nprobe": 2}])
    card = build(made(tmp_path, 3000), kind="IVF64,SQ8", target_recall=0.99)
    short = [kind for kind, measured in card.queries.items() if measured.recall["100"].mean < 0.99]
    assert "picture" in short
    assert f"at k = 100 these fall short of 0.99: {short[0]} " in page(card)


def test_processor_time_is_that_of_work_not_of_waiting():
    def ask(some):
        time.sleep(0.05)
        return some, some

    queries = np.arange(400, dtype=np.float32).reshape(100, 4)
    (scores, _), seconds = processor_time(ask, queries)
    np.testing.assert_array_equal(scores, queries)
    assert seconds < 0.04


def test_the_first_hit_is_that_of_a_search_for_ten(tmp_path):
    """Of one hit asked for, fewer would be ranked again by whole vectors."""
    store = made(tmp_path, 3000)
    build(store, kind="IVF16,PQ2")
    queries = clustered(200, seed=5)[0].astype(np.float32)
    one, ten = (store.searcher.search_batch(queries, k=k).row_ids for k in (1, 10))
    np.testing.assert_array_equal(one[:, 0], ten[:, 0])


def test_a_mixture_that_comes_as_one_vector_is_measured_as_such(tmp_path, monkeypatch):
    """Nothing says that it is one: it is searched as a picture is, between two clusters where a narrow search finds one."""
    monkeypatch.setattr(engines.Engine, "ladder", lambda *_: [{"nprobe": 2}])
    store = made(tmp_path, 3000)
    card = build(store, kind="IVF64,SQ8")
    (note,) = [note for note in card.notes if note.startswith("mixture given as one vector")]
    told = float(note.partition("@10 ")[2].split()[0])
    pictures, species = clustered(400, seed=5)
    apart = species[:200] != species[200:]
    mixed = normalise((pictures[:200].astype(np.float32) + pictures[200:])[apart])
    batch = [store.searcher.search_batch(mixed, k=10, exact=exact).row_ids for exact in (False, True)]
    found = np.mean([len({*a} & {*b}) / 10 for a, b in zip(*(rows.tolist() for rows in batch), strict=True)])
    assert told < 0.95
    assert abs(found - told) < 0.15
