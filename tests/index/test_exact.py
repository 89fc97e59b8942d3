import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.arrays import blocks, normalise
from cladescope.index import exact
from cladescope.index.gallery import Gallery


def random_vectors(n, d, seed):
    return normalise(np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32))


def by_sorting(gallery, queries, k):
    scores = queries.astype(np.float64) @ gallery.astype(np.float64).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), order


@settings(deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(1, 70),
    st.integers(1, 25),
    st.integers(0, 99),
)
def test_blocks_of_any_size_give_what_sorting_gives(n, d, q, k, size, seed):
    gallery, queries = random_vectors(n, d, seed), random_vectors(q, d, seed + 1)
    parts = [(np.arange(a, b) * 3, gallery[a:b]) for a, b in blocks(n, size=size)]
    scores, keys = exact.search(parts, queries, k)
    expected_scores, _ = by_sorting(gallery, queries, k)
    assert scores.shape == keys.shape == (q, min(n, k))
    np.testing.assert_allclose(scores, expected_scores, atol=1e-5)
    own = np.einsum("qd,qkd->qk", queries, gallery[keys // 3])
    np.testing.assert_allclose(scores, own, atol=1e-5)
    assert all(len(set(row)) == len(row) for row in keys.tolist())


def test_half_precision_is_summed_in_full():
    gallery = random_vectors(200, 64, 0).astype(np.float16)
    queries = random_vectors(5, 64, 1)
    scores, _ = exact.search([(np.arange(200), gallery)], queries, 10)
    np.testing.assert_allclose(scores, by_sorting(gallery, queries, 10)[0], atol=1e-5)


def test_equal_scores_come_in_the_order_of_the_keys():
    gallery = np.ones((6, 2), np.float32)
    parts = [(np.array([5, 3]), gallery[:2]), (np.array([4, 1, 2, 0]), gallery[2:])]
    _, keys = exact.search(parts, gallery[:1], 6)
    assert keys.tolist() == [[0, 1, 2, 3, 4, 5]]


def test_an_empty_gallery_has_no_hits():
    scores, keys = exact.search([], np.ones((2, 3), np.float32), 4)
    assert scores.shape == keys.shape == (2, 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_gallery_answers_as_its_blocks_do(dtype):
    vectors = random_vectors(500, 16, 3).astype(dtype)
    gallery = Gallery(np.arange(500), vectors)
    scores, keys = gallery.search(vectors[:7].astype(np.float32), 3)
    assert keys[:, 0].tolist() == list(range(7))
    np.testing.assert_allclose(scores[:, 0], 1, atol=2e-3)
