"""Columns read as lists do, whatever they are made of."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cladescope.training.data.collecting import came_before
from cladescope.training.data.columns import AddressColumn, CodedColumn, SpanColumn, TextColumn, split_address

texts = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4), max_size=12)


def chunked(values: list[str | None], *, at: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values[:at], pa.large_string()), pa.array(values[at:], pa.large_string())])


@settings(max_examples=40, deadline=None)
@given(texts, st.integers(0, 12), st.data())
def test_a_column_is_the_list_that_it_was_made_of(values: list[str | None], at: int, data: st.DataObject) -> None:
    rows = np.array(data.draw(st.lists(st.integers(0, max(0, len(values) - 1)), max_size=5 if values else 0)), np.int64)
    for column in (TextColumn(chunked(values, at=min(at, len(values)))), CodedColumn.of(values)):
        assert list(column) == values
        assert column == values
        assert (column == [*values, "more"]) is False
        assert len(column) == len(values)
        assert [column[row] for row in range(-len(values), len(values))] == values * 2
        for start in range(-2, len(values) + 2):
            assert column[start:] == values[start:]
            assert column[:start:2] == values[:start:2]
            assert column[::-1] == values[::-1]
        assert list(column.take(rows)) == [values[row] for row in rows]


def test_a_row_that_is_not_there_is_an_index_error() -> None:
    column = CodedColumn.of(["a"])
    for row in (1, -2):
        with pytest.raises(IndexError, match="of 1"):
            column[row]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["/a/", "b.tar#", "#box=1,1,2,2", ".TAR#x", "é.jpg", "c"]), max_size=5).map("".join))
def test_an_address_is_its_two_parts(uri: str) -> None:
    assert "".join(split_address(uri)) == uri


def test_addresses_and_places_go_together() -> None:
    beginnings = CodedColumn.of(["/s/a.tar#", "/photos/", "/s/a.tar#"])
    uris = AddressColumn(beginnings, TextColumn(chunked(["x.jpg", "y.jpg", "z.jpg"], at=2)))
    spans = SpanColumn(beginnings, np.array([512, 0, 2048]), np.array([3, -1, 0]))
    assert uris == ["/s/a.tar#x.jpg", "/photos/y.jpg", "/s/a.tar#z.jpg"]
    assert spans == [("/s/a.tar", 512, 3), None, ("/s/a.tar", 2048, 0)]
    assert list(spans.take(np.array([2, 1]))) == [("/s/a.tar", 2048, 0), None]
    assert list(uris.take(np.array([2]))) == ["/s/a.tar#z.jpg"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=12), st.integers(0, 12))
def test_what_came_before_is_told_by_the_ids_themselves(ids: list[str], at: int) -> None:
    expected = [one in ids[:place] for place, one in enumerate(ids)]
    assert came_before(chunked(list(ids), at=at)).tolist() == expected


def test_ids_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    import polars as pl

    monkeypatch.setattr(pl.Series, "hash", lambda self: pl.Series([7] * len(self), dtype=pl.UInt64))
    assert came_before(chunked(["a", "b", "a", "c", "b"], at=2)).tolist() == [False, False, True, False, True]
