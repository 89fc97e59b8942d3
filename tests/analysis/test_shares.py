"""Shares in words: what is neither none nor all is never shown as one of them."""

from hypothesis import example, given
from hypothesis import strategies as st

from cladescope.analysis.shares import of_100, percent


@given(st.floats(0, 1))
@example(0.005)  # half of one in a hundred, which rounds to an even 0
@example(0.0005)
@example(0.995)
@example(0.9995)
def test_no_share_is_rounded_to_none_or_to_all(share):
    assert (of_100(share) == "100") == (percent(share) == "100 %") == (share == 1)
    assert (of_100(share) == "0") == (percent(share) == "0 %") == (share == 0)
    assert percent(share) not in {"0.0 %", "100.0 %"}


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_never_reads_smaller(one, other):
    low, high = sorted((one, other))
    assert _number(percent(low)) <= _number(percent(high))
    assert _number(of_100(low)) <= _number(of_100(high))


def _number(said: str) -> float:
    """The number in words, those beyond it a little further."""
    beyond = {"under": -0.01, "over": 0.01, "fewer": -0.1, "more": 0.1}.get(said.split()[0], 0.0)
    return float(next(word for word in said.split() if word[0].isdigit())) + beyond
