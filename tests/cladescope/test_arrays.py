import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.preprocessing import normalize as sklearn_normalise

from cladescope.arrays import blocks, has_direction, merge_top_k, normalise
from cladescope.errors import InputError

MATRICES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    elements=st.floats(-1e6, 1e6).map(lambda x: round(x, 6)),
)


@given(MATRICES)
def test_unit_vectors_equal_those_of_scikit_learn(matrix):
    matrix = matrix[has_direction(matrix)]
    if len(matrix):
        np.testing.assert_allclose(normalise(matrix), sklearn_normalise(matrix), atol=1e-12)


def test_tiny_and_huge_rows_still_have_a_direction():
    rows = np.array([[1e-30, 0.0], [3e37, 4e37]], np.float32)
    np.testing.assert_allclose(normalise(rows), [[1, 0], [0.6, 0.8]], rtol=1e-6)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_row_without_direction_is_refused_with_its_number(bad):
    with pytest.raises(InputError, match="first in row 1"):
        normalise(np.array([[1.0, 0.0], [bad, 0.0]]))


@given(st.integers(0, 100), st.integers(1, 30))
def test_blocks_cover_every_row_once(n, size):
    covered = [row for start, stop in blocks(n, size=size) for row in range(start, stop)]
    assert covered == list(range(n))


@given(st.data(), st.integers(1, 6), st.integers(1, 12))
def test_merged_candidates_equal_a_sorted_list(data, k, m):
    scores = np.array(data.draw(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=m, max_size=m)))
    keys = np.array(data.draw(st.permutations(range(m))))
    found_scores, found_keys = merge_top_k(scores[None], keys[None], k)
    expected = sorted(zip(-scores, keys, strict=True))[:k]
    assert list(zip(-found_scores[0], found_keys[0], strict=True)) == expected


def test_unfilled_places_come_last():
    _, keys = merge_top_k(np.array([[9.0, 0.1]]), np.array([[-1, 4]]), 2)
    assert keys.tolist() == [[4, -1]]
