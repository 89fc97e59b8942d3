"""Class sums against loops, in blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.analysis.measures import class_sums as class_sums_module
from cladescope.analysis.measures.class_sums import class_sums


@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 50), st.integers(0, 99))
def test_sums_in_blocks_of_any_size_are_those_of_adding_row_by_row(n, c, rows, seed):
    rng = np.random.default_rng(seed)
    vectors, labels = rng.normal(size=(n, 3)).astype(np.float32), rng.integers(0, c, n)
    expected = np.zeros((labels.max() + 1, 3))
    np.add.at(expected, labels, vectors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(class_sums_module, "_ROWS", rows)
        sums, counts = class_sums(vectors, labels)
    np.testing.assert_allclose(sums, expected, rtol=1e-12, atol=1e-12)
    assert counts.tolist() == np.bincount(labels).tolist()
    assert sums.dtype == np.float64


def test_a_label_that_nobody_has_sums_to_nothing():
    sums, counts = class_sums(np.ones((2, 2), np.float32), np.array([0, 2]))
    assert (sums.tolist(), counts.tolist()) == ([[1, 1], [0, 0], [1, 1]], [1, 0, 1])
