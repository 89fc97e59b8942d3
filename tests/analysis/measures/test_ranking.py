"""The order of scores: that of a stable sort, equal ones by their places."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cladescope.analysis.measures.ranking import ranked


def stable(scores):
    return np.argsort(-scores, axis=1, kind="stable")


few = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0**-140, -(2.0**-140), np.inf, -np.inf])
any_float = st.floats(width=32, allow_nan=False)


@given(arrays(np.float32, st.tuples(st.integers(0, 4), st.integers(0, 12)), elements=few | any_float))
def test_scores_are_ranked_as_a_stable_sort_ranks_them(scores):
    assert np.array_equal(ranked(scores), stable(scores))


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_scores_of_another_precision_keep_all_of_it(dtype):
    scores = np.array([[1.0, 1.0 + np.finfo(dtype).eps, 1.0]], dtype)
    assert ranked(scores).tolist() == [[1, 0, 2]]


def test_many_scores_with_ties_are_ranked_as_a_stable_sort_ranks_them():
    scores = np.random.default_rng(0).normal(size=(40, 3000)).round(2).astype(np.float32)
    assert np.array_equal(ranked(scores), stable(scores))
