"""Whether columns of text are numbers: found with whole columns, judged here value by value."""

import re

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cladescope.embedding.sources.numbers import NUMBER, WHOLE, NumberColumn, are_numbers, are_whole

TEXTS = (
    st.text(st.sampled_from("0019.-+eE x"), min_size=1, max_size=6)
    | st.from_regex(NUMBER, fullmatch=True).map(str.strip)
    | st.integers(-(2**66), 2**66).map(str)
    | st.sampled_from(["inf", "nan", "NaN", "-Infinity", "0x1F", "1e999", "1_0", "\uff11", "true", "é"])
)


def is_number(text: str) -> bool:
    return re.fullmatch(NUMBER, text, re.ASCII) is not None and abs(float(text)) < float("inf")


def is_whole(text: str) -> bool:
    return re.fullmatch(WHOLE, text, re.ASCII) is not None and -(2**63) <= int(text) < 2**63


@settings(max_examples=500, deadline=None)
@given(st.lists(TEXTS, max_size=3), st.integers(0, 2))
@example(["-0"], 0)
@example(["+0"], 0)
@example(["5.", "007"], 1)
def test_a_column_is_numbers_where_each_value_is_one(texts: list[str], n_before: int) -> None:
    values = pa.array(["x007"] * n_before + texts, pa.string()).slice(n_before)
    assert are_numbers(values) == all(map(is_number, texts))
    assert are_whole(values) == all(map(is_whole, texts))


@pytest.mark.parametrize(
    "texts, expected",
    [
        (["1", None, "2"], NumberColumn()),
        ([], NumberColumn()),
        ([None], NumberColumn()),
        (["1", " 2"], NumberColumn(plain=False)),
        (["1", "NA"], NumberColumn(plain=False)),
        (["1.5"], NumberColumn(whole=False)),
        (["1234567890123456"], NumberColumn(long=True)),
        (["1234567890.123456"], NumberColumn(whole=False)),
        (["12345678901234567890"], NumberColumn(whole=False, long=True)),
        (["1", "007"], NumberColumn(whole=False, number=False, plain=False, other="007")),
    ],
)
def test_what_a_column_holds_is_told_of_all_its_values(texts: list[str | None], expected: NumberColumn) -> None:
    assert NumberColumn().narrowed(pa.array(texts, pa.string()), frozenset({"na"})) == expected
