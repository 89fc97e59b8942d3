"""INQUIRE's three measures, against scikit-learn put together as INQUIRE's code puts it together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from cladescope.analysis.measures.top_hits import gain_of_top, precision_of_top, reciprocal_rank
from cladescope.errors import InputError


@given(hits=st.lists(st.booleans(), min_size=2, max_size=12), missed=st.integers(0, 9))
def test_they_are_scikit_learns(hits, missed):
    found = np.array([hits])
    k, n_hits = len(hits), sum(hits)
    n_relevant = np.array([max(n_hits + missed, 1)])
    scores = -np.arange(k, dtype=float)
    average = average_precision_score(hits, scores) * n_hits / min(k, n_relevant[0]) if n_hits else 0.0
    assert precision_of_top(found, n_relevant)[0] == pytest.approx(average)
    n_missed = int(n_relevant[0]) - n_hits
    gain = ndcg_score([[*hits, *[1] * n_missed]], [[*scores, *[-100.0] * n_missed]], k=k)
    assert gain_of_top(found, n_relevant)[0] == pytest.approx(gain)
    first = next((1 / (place + 1) for place, hit in enumerate(hits) if hit), 0.0)
    assert reciprocal_rank(found)[0] == first


def test_lists_that_found_more_than_there_is_are_refused():
    with pytest.raises(InputError, match="at least as much that is relevant"):
        precision_of_top(np.array([[True, True]]), np.array([1]))
    with pytest.raises(InputError, match="at least as much that is relevant"):
        gain_of_top(np.array([[False]]), np.array([0]))
