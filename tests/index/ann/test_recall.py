"""ann_recall with ties, and its interval."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.index.ann.recall import TIE, recalled, share_of, standard_error
from cladescope.index.intervals import wilson

VECTORS = np.eye(4, dtype=np.float16)[[0, 1, 2, 3, 0, 0]]
QUERY = np.array([[0.8, 0.6, 0.0, 0.0]], np.float32)


def shares(exact, found, k):
    return recalled(VECTORS, np.repeat(QUERY, len(exact), 0), np.array(exact), np.array(found), k).tolist()


def test_a_copy_counts_as_found_and_a_worse_row_does_not():
    assert shares([[0]], [[4]], 1) == [1.0]
    assert shares([[0, 4]], [[5, 0]], 2) == [1.0]
    assert shares([[0, 4]], [[5, 1]], 2) == [0.5]


def test_no_position_counts_twice_and_none_counts_nothing():
    assert shares([[0, 4, 5]], [[4, 4, 4]], 3) == pytest.approx([1 / 3])
    assert shares([[0, 4]], [[-1, -1]], 2) == [0.0]
    assert shares([[0, 4]], [[0, -1]], 2) == [0.5]


def test_what_is_found_beyond_k_does_not_count():
    assert shares([[0, 1]], [[1, 0]], 1) == [0.0]


@given(st.integers(0, 5), st.integers(1, 12), st.integers(1, 6))
def test_recall_is_the_plain_count_where_no_scores_are_equal(seed, q, k):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((40, 8)).astype(np.float16)
    queries = rng.standard_normal((q, 8)).astype(np.float32)
    exact = np.argsort(-queries @ vectors.T.astype(np.float32), axis=1)[:, :k]
    found = np.stack([rng.permutation(40)[:k] for _ in range(q)])
    plain = [len({*one} & {*other}) / k for one, other in zip(exact.tolist(), found.tolist(), strict=True)]
    assert recalled(vectors, queries, exact, found, k).tolist() == pytest.approx(plain)
    assert recalled(vectors, queries, exact, exact, k).tolist() == [1.0] * q


def test_an_interval_holds_the_true_share_about_nineteen_times_in_twenty():
    rng = np.random.default_rng(0)
    for true in (0.6, 0.95, 0.99):
        held = 0
        for _ in range(400):
            each = rng.beta(true * 8, (1 - true) * 8, 40)  # groups differ, and queries of one are alike
            values = rng.binomial(10, np.repeat(each, 3)) / 10
            found = share_of(values, np.repeat(np.arange(40), 3), parts=10)
            held += found.low <= true <= found.high
        assert 0.91 <= held / 400 <= 1.0, (true, held / 400)


def test_few_queries_never_make_a_narrow_interval():
    found = share_of(np.ones(300), np.repeat(np.arange(3), 100), parts=10)
    assert (found.mean, found.high) == (1.0, 1.0)
    assert found.low < 0.5
    assert share_of(np.ones(1000), np.arange(1000)).low > 0.99


def test_kin_widen_an_interval():
    values = np.repeat(np.random.default_rng(0).binomial(1, 0.8, 50), 6).astype(float)
    apart, together = (share_of(values, groups) for groups in (np.arange(300), np.repeat(np.arange(50), 6)))
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert standard_error(values, np.repeat(np.arange(50), 6)) > 2 * standard_error(values, np.arange(300))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=2, max_size=20))
def test_an_interval_is_that_of_as_many_trials_as_the_groups_are_worth(queries):
    groups, fourths = map(np.array, zip(*queries, strict=True))
    values, names = fourths / 4, sorted(set(groups.tolist()))
    mean, n = values.mean(), len(names)
    sums = [(values[groups == name] - mean).sum() for name in names]
    variance = n / (n - 1) * sum(one**2 for one in sums) / len(values) ** 2 if n > 1 else 0.0
    assert standard_error(values, groups) == pytest.approx(np.sqrt(variance))
    found = share_of(values, groups, parts=4)
    trials = min(4 * n, mean * (1 - mean) / variance) if variance > 1e-15 else 4 * n
    trials = n if mean in (0, 1) else trials  # a group is one trial where nothing tells how alike its queries are
    assert (found.mean, found.low, found.high) == pytest.approx((mean, *wilson(mean, float(trials))))
    one = share_of(values, groups)
    assert one.high - one.low >= found.high - found.low - 1e-12  # unless told otherwise a query has one place


def test_without_queries_there_is_no_share():
    none = share_of(np.empty(0), np.empty(0, np.int64))
    assert np.isnan([none.mean, none.low, none.high]).all()
    assert standard_error(np.empty(0), np.empty(0, np.int64)) == 0.0


def test_scores_that_float32_cannot_tell_apart_are_equal():
    vectors = np.eye(2, dtype=np.float16)
    for behind, share in ((0.5 * TIE, 1.0), (2 * TIE, 0.0)):
        query = np.array([[0.5, 0.5 - behind]], np.float32)
        assert recalled(vectors, query, np.array([[0]]), np.array([[1]]), 1).tolist() == [share]
