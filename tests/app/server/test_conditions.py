"""The grammar of filters: what passes one is what Python finds, whatever the values hold."""

import operator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cladescope.app.service.conditions import condition
from cladescope.errors import InputError
from cladescope.index.where import parse

SCHEMA = pa.schema(
    {"width": pa.int32(), "score of it": pa.float64(), "genus": pa.string(), "wild": pa.bool_(), "taken": pa.date32()}
)


@pytest.mark.parametrize(
    "text, sql",
    [
        ("width=5", "`width` = 5"),
        (" width  <=  -5 ", "`width` <= -5"),
        ("width!=5", "`width` != 5"),
        ("score of it>=1e-3", "`score of it` >= 0.001"),
        ("genus=Parus major", "`genus` = 'Parus major'"),
        ("genus=a=b<c", "`genus` = 'a=b<c'"),
        ("genus=O'Brien", "`genus` = 'O''Brien'"),
        ("genus>=M", "`genus` >= 'M'"),
        ("genus=", "`genus` = ''"),
        ('genus in a, "b, c",d', "`genus` IN ('a', 'b, c', 'd')"),
        ("width in 1,2", "`width` IN (1, 2)"),
        ("wild=True", "`wild` = true"),
    ],
)
def test_a_filter_becomes_sql_with_quotes(text, sql):
    assert condition([text], SCHEMA) == sql
    parse(sql, SCHEMA)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("genus", "'genus' is no filter, which has a column, an operator"),
        ("species=a", "no column 'species': there are width, score of it, genus, wild, taken"),
        ("genuss=a", "did you mean genus?"),
        ("width=5.0", "'5.0' is given for width: expected a whole number"),
        ("width=²", "expected a whole number"),
        ("score of it=nan", "'nan' is given for score of it: expected a number"),
        ("wild=1", "'1' is given for wild: expected true or false"),
        ("wild>true", "the column wild holds bool, which > cannot compare"),
        ("taken=2026-01-01", "the column taken holds date32[day], which = cannot compare"),
        (f"width in {','.join(['1'] * 1001)}", "1,001 values are given for width: from 1 to 1,000 are allowed"),
    ],
)
def test_what_is_no_filter_is_told(text, reason):
    with pytest.raises(InputError) as refused:
        condition([text], SCHEMA)
    assert reason in str(refused.value)


def test_no_filter_is_no_condition():
    assert condition([], SCHEMA) is None


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=30).map(str.strip))
def test_a_value_stays_one_literal(value):
    found = condition([f"genus!={value}"], SCHEMA) if value.isprintable() else None
    if found is not None:
        tree = parse(found, SCHEMA)
        assert (tree.key, tree.expression.name) == ("neq", value)


@pytest.mark.parametrize("word", ["=", "!=", "<", "<=", ">", ">="])
def test_operators_mean_what_they_mean_in_python(client, store, word):
    compare = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}[word]
    rows = store.table(["genus"]).column(0).to_pylist()
    middle = sorted(set(rows))[len(set(rows)) // 2]
    wanted = sum(getattr(operator, compare)(genus, middle) for genus in rows)
    assert client.json("/stores/clades/rows", params={"where": f"genus{word}{middle}"})["total"] == wanted
    assert 0 < wanted < 48
