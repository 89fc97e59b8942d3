"""The choice of search parameters among trials: near, far and midway ones, each no wider than the target asks for."""

from dataclasses import replace

import numpy as np
import pytest

from cladescope.index.ann import engine as engines
from cladescope.index.ann.build import build
from cladescope.index.ann.card import Step
from cladescope.index.ann.choice import NEVER, Trial, choose
from cladescope.index.ann.files import AnnIndex
from cladescope.index.ann.queries import Queries
from cladescope.index.ann.tuned import TunedIndex
from tests.index.ann.stores import clustered, made

N = 400
IS_TEXT = np.arange(2 * N) >= N
ODD = (np.arange(2 * N) < 40) | (IS_TEXT & (np.arange(2 * N) % 2 == 0))
"""A tenth of the pictures, and half of the texts, score as little as far queries do."""


def queries(composed=None):
    none = np.zeros(2 * N, bool)
    kinds = {"picture": ~IS_TEXT, "text": IS_TEXT} | ({} if composed is None else {"mixture": composed})
    vectors = np.zeros((2 * N, 2), np.float32)
    nowhere = np.full(2 * N, -1)
    return Queries(vectors, kinds, np.arange(2 * N), nowhere, nowhere, none if composed is None else composed)


def trial(breadth, seconds, *, pictures, texts, best):
    shares = np.where(IS_TEXT, texts, pictures).astype(float)
    return Trial({"efSearch": breadth}, seconds, shares, np.asarray(best, np.float32))


def tried(*, midway_texts=0.99):
    low = np.where(ODD, 0.3, 0.9)
    low[IS_TEXT] = 0.2
    after = np.where(IS_TEXT & ODD, 0.25, 0.5)
    return [
        trial(10, 1e-6, pictures=0.99, texts=0.5, best=low),
        trial(100, 1e-4, pictures=0.995, texts=midway_texts, best=after),
        trial(4000, 1e-3, pictures=1.0, texts=0.999, best=after),
        Trial(None, 2e-3, np.ones(2 * N), low.astype(np.float32)),
    ]


def test_far_queries_are_searched_by_the_narrowest_parameters_that_reach_the_target():
    choice = choose(tried(), queries(), 0.95)
    assert (choice.near, choice.far, choice.met) == ({"efSearch": 10}, {"efSearch": 100}, True)
    assert choice.far_below == pytest.approx(0.3)
    assert (choice.midway, choice.farther_below) == (None, NEVER)
    assert choice.worst == pytest.approx(0.99)


def test_a_first_search_midway_spares_the_wide_one_to_those_that_need_it():
    """Texts that still score little after it are found too seldom; the others are found."""
    found = tried()
    found[1].shares[IS_TEXT & ODD] = 0.6
    found[1].shares[IS_TEXT & ~ODD] = 1.0
    choice = choose(found, queries(), 0.95)
    assert (choice.midway, choice.far, choice.met) == ({"efSearch": 100}, {"efSearch": 4000}, True)
    assert 0.25 < choice.farther_below <= 0.5
    farther = found[1].best < choice.farther_below
    shares = np.where(IS_TEXT, np.where(farther, 0.999, found[1].shares), 0.99)
    assert shares[IS_TEXT].mean() >= 0.95
    assert choice.seconds < choose([*found[:1], *found[2:]], queries(), 0.95).seconds
    kept = choose(found, queries(), 0.95, bounds=(choice.far_below, NEVER))
    assert (kept.midway, kept.far) == (None, {"efSearch": 4000}), "nothing is farther, so that midway would be the end"


def test_composed_queries_widen_nothing_for_others():
    composed = np.zeros(2 * N, bool)
    composed[-60:] = True
    found = tried()
    for one in found[:-1]:
        one.shares[composed] = 0.1
    asked = queries(composed)
    asked.kinds["text"] = IS_TEXT & ~composed
    choice = choose(found, asked, 0.95)
    assert (choice.near, choice.far, choice.composed) == ({"efSearch": 10}, {"efSearch": 100}, None)


def test_where_nothing_meets_the_target_the_best_is_taken_and_said_to_miss_it():
    found = tried()
    for one in found[:-1]:
        one.shares[~IS_TEXT] = 0.7
        one.best[:] = 0.9
    choice = choose(found, queries(), 0.95)
    assert not choice.met
    assert choice.worst < 0.95


def test_an_index_asks_near_then_midway_then_far(tmp_path, monkeypatch):
    store = made(tmp_path, 3000)
    build(store, kind="hnsw")
    built = AnnIndex.find(store.path)
    vectors = clustered(300, seed=5)[0].astype(np.float32)
    exact, right = built.exact(vectors, 10)
    low, middle = np.quantile(exact[:, 0], [0.1, 0.3])
    step = Step(k=10, near={"efSearch": 10}, far=None, midway={"efSearch": 64})
    card = replace(built.card, steps=(step,), far_below=float(middle), farther_below=float(low))
    asked = []
    original = engines.Engine.search

    def spied(self, queries, k, parameters):
        asked.append((dict(parameters)["efSearch"], len(queries)))
        return original(self, queries, k, parameters)

    monkeypatch.setattr(engines.Engine, "search", spied)
    index = TunedIndex(card, built.rows, built.engine)
    scores, found = index.search(vectors, 10)
    (near, n_near), (midway, n_midway) = asked
    assert (near, n_near, midway) == (10, 300, 64)
    assert 60 < n_midway < 200
    np.testing.assert_array_equal(found[scores[:, 0] < low], right[scores[:, 0] < low])
    for row in range(0, 300, 7):
        one = index.search(vectors[row : row + 1], 10)
        np.testing.assert_array_equal(one[1][0], found[row])


def test_parameters_for_more_hits_than_were_tuned_for_are_wider_in_all_steps(tmp_path):
    card = build(made(tmp_path, 2000), kind="hnsw")
    first = Step(k=10, near={"efSearch": 10}, far={"efSearch": 100}, midway={"efSearch": 40}, composed=None)
    last = Step(k=100, near={"efSearch": 100}, far={"efSearch": 1000}, midway=None, composed=None)
    card = replace(card, steps=(first, last))
    between, beyond = card.step(31), replace(card, steps=(first,)).step(40)
    assert (between.far["efSearch"], between.midway) == (310, None)
    assert (beyond.near, beyond.far, beyond.midway) == ({"efSearch": 40}, {"efSearch": 400}, {"efSearch": 160})
