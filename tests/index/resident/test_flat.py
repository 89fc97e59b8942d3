import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.arrays import normalise
from cladescope.index.resident import flat as module
from cladescope.index.resident.flat import Flat
from cladescope.index.resident.selection import Selection, selected


def made(n, d=8, seed=0):
    return normalise(np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)).astype(np.float16)


def plain(vectors, queries, k, mask):
    scores = queries.astype(np.float64) @ vectors.astype(np.float64).T
    scores[:, ~mask] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), order


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 300),
    q=st.sampled_from([1, 3, 20]),
    k=st.integers(1, 20),
    share=st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]),
    form=st.sampled_from(["mask", "ranges", "none"]),
    seed=st.integers(0, 99),
    few=st.booleans(),
)
def test_the_best_are_those_of_a_plain_product_whatever_is_selected_and_whoever_compares(
    n, q, k, share, form, seed, few
):
    vectors, rng = made(n, seed=seed), np.random.default_rng(seed)
    queries = made(q, seed=seed + 1000).astype(np.float32)
    mask = rng.random(n) < share if form != "none" else np.ones(n, bool)
    selection = {"mask": Selection(n, mask=mask), "ranges": selected(mask), "none": None}[form]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FEW_NUMBERS", module.FEW_NUMBERS if few else 0)
        scores, found = Flat.of(vectors).search(queries, k, selection)
    wanted, _ = plain(vectors, queries, k, mask)
    n_found = min(k, int(mask.sum()))
    assert (found[:, :n_found] >= 0).all()
    assert (found[:, n_found:] == -1).all()
    assert np.isneginf(scores[:, n_found:]).all()
    np.testing.assert_allclose(scores[:, :n_found], wanted[:, :n_found], atol=1e-6)
    assert mask[found[:, :n_found]].all()
    assert all(len(set(row)) == n_found for row in found[:, :n_found].tolist())


@pytest.mark.parametrize("few", [0, module.FEW_NUMBERS])
@pytest.mark.parametrize("n_queries", [1, 20])
def test_copies_come_in_the_order_of_their_positions(n_queries, few, monkeypatch):
    monkeypatch.setattr(module, "FEW_NUMBERS", few)
    vectors = np.repeat(made(3), 5, axis=0)
    found = Flat.of(vectors).search(np.repeat(vectors[7:8], n_queries, axis=0).astype(np.float32), 5)[1]
    assert (found == np.arange(5, 10)).all()


def test_no_vector_no_query_and_nothing_selected_give_nothing():
    query = made(1).astype(np.float32)
    assert (Flat.empty(0, 8).search(query, 3)[1] == -1).all()
    assert Flat.of(made(4)).search(query[:0], 3)[1].shape == (0, 3)
    assert (Flat.of(made(4)).search(query, 3, Selection(4, ranges=[]))[1] == -1).all()


@given(mask=st.lists(st.booleans(), max_size=300).map(lambda found: np.array(found, bool)))
def test_ranges_and_masks_say_the_same(mask):
    one, other = Selection(len(mask), mask=mask), selected(mask)
    assert one.n == other.n == mask.sum()
    assert (one.positions == other.positions).all()
    assert (one.mask == other.mask).all()
    ids = range(len(mask))
    assert [one.faiss().is_member(i) for i in ids] == [other.faiss().is_member(i) for i in ids] == mask.tolist()
    for start, stop in ((0, len(mask)), (len(mask) // 3, len(mask) // 2)):
        part = mask[start:stop]
        assert (one.among(start, stop).mask == part).all()
        assert (other.among(start, stop).mask == part).all()
