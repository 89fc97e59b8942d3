"""The interval of a share beside SciPy's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from cladescope.index.intervals import wilson


@given(st.integers(1, 2000), st.data())
def test_the_interval_of_a_share_is_scipys(n, data):
    k = data.draw(st.integers(0, n))
    theirs = binomtest(k, n).proportion_ci(0.95, method="wilson")
    found = wilson(k / n, float(n))
    assert found == pytest.approx((theirs.low, theirs.high), abs=1e-6)
    assert 0 <= found[0] <= k / n <= found[1] <= 1
