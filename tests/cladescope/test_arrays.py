import math

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


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, 1e-60, 5e-324, 1e-39, 1e39, 1e300])
def test_a_row_without_direction_is_refused_with_its_number(bad):
    with pytest.raises(InputError, match="first in row 1"):
        normalise(np.array([[1.0, 0.0], [bad, 0.0]]))


def extremes(dtype):
    """Numbers of every size that a type has, with the special ones."""
    limits = np.finfo(dtype)
    special = [0.0, -0.0, np.nan, np.inf, -np.inf, limits.max, limits.min, limits.tiny, limits.smallest_subnormal, 1.0]
    of_float32 = np.finfo(np.float32)
    near = [of_float32.tiny, of_float32.smallest_subnormal, of_float32.max, -of_float32.max, 1e-60, 1e60, 1e-38, 1e-20]
    with np.errstate(over="ignore", under="ignore"):
        chosen = st.sampled_from([float(dtype(value)) for value in special + near])
    return chosen | st.floats(width=8 * np.dtype(dtype).itemsize)


def rows_of(dtype):
    shapes = st.tuples(st.integers(1, 6), st.integers(1, 5))
    return hnp.arrays(dtype, shapes, elements=extremes(dtype))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@given(data=st.data())
def test_rows_with_a_direction_have_unit_length_and_keep_it_as_float16(dtype, data):
    rows = data.draw(rows_of(dtype))
    good = has_direction(rows)
    unit = normalise(rows[good])
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    assert has_direction(unit).all()
    with np.errstate(under="ignore"):
        assert has_direction(unit.astype(np.float16)).all()
        assert has_direction(rows[good].astype(np.float32)).all()
    for row, one in zip(good, rows, strict=True):
        if not row:
            with pytest.raises(InputError, match="1 of 1 vectors have no direction"):
                normalise(one[None])


def rounded(value):
    """The nearest number of float32."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(value))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@given(data=st.data())
def test_a_direction_is_what_exact_arithmetic_says_it_is(dtype, data):
    rows = data.draw(rows_of(dtype))
    low, high = (float(limit) for limit in (np.finfo(np.float32).tiny, np.finfo(np.float32).max))
    expected = [
        all(math.isfinite(value) for value in row) and low <= rounded(max(abs(value) for value in row)) <= high
        for row in rows.tolist()
    ]
    assert has_direction(rows).tolist() == expected


@pytest.mark.parametrize("limit, factor", [("tiny", 1 - 2**-26), ("max", 1 + 2**-27)])
def test_a_number_that_rounds_to_the_limit_of_float32_has_a_direction_before_and_after(limit, factor):
    rows = np.array([[float(getattr(np.finfo(np.float32), limit)) * factor, 0.0]])
    assert has_direction(rows).all()
    assert has_direction(rows.astype(np.float32)).all()
    np.testing.assert_array_equal(normalise(rows), [[1, 0]])


def test_every_row_of_float16_that_is_finite_and_not_zero_has_a_direction():
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16)[:, None]
    expected = np.isfinite(values[:, 0]) & (values[:, 0] != 0)
    np.testing.assert_array_equal(has_direction(values), expected)


def test_whole_numbers_have_directions_too():
    rows = np.array([[np.iinfo(np.int64).min, 0], [0, 0], [3, 4]])
    assert has_direction(rows).tolist() == [True, False, True]
    np.testing.assert_allclose(normalise(rows[2:]), [[0.6, 0.8]], rtol=1e-6)


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
