"""Filters of requests: a small grammar over the columns of a store. SQL itself is not taken.

A filter is a column, an operator and a value, as `width>=500` or `genus in Parus,Pica`. What it becomes is SQL whose names
and values are quoted here, and which `index.where` parses once more.
"""

import csv
import math
import re
from collections.abc import Sequence

import pyarrow as pa

from cladescope.errors import InputError
from cladescope.index.literals import quote
from cladescope.nearest import did_you_mean

MOST_FILTERS = 20
MOST_VALUES = 1000
"""Values of one `in`."""
LONGEST = 10_000
"""Letters of one filter."""
ORDERED = ("<=", ">=", "<", ">")
_FILTER = re.compile(r"\s*(?P<column>.+?)\s*(?P<operator><=|>=|!=|=|<|>|\sin\s)\s*(?P<value>.*?)\s*", re.DOTALL)
_WHOLE = re.compile(r"[+-]?\d{1,19}")
_EXAMPLE = "write for instance width>=500, genus=Parus or genus in Parus,Pica"


def condition(filters: Sequence[str], schema: pa.Schema) -> str | None:
    """The SQL for rows that pass every filter; None where there is none.

    A row without a value in a column passes no filter of that column. Values of `in` stand between commas, those that hold one
    in double quotes.

    Raises InputError for what is no filter, an unknown column, or a value that the column cannot hold.

    >>> condition(["width>=500", "genus in Parus,Pica"], pa.schema({"width": pa.int32(), "genus": pa.string()}))
    "`width` >= 500 AND `genus` IN ('Parus', 'Pica')"
    """
    if len(filters) > MOST_FILTERS:
        raise InputError(f"{len(filters)} filters are given: {MOST_FILTERS} are allowed")
    return " AND ".join(_one(text, schema) for text in filters) or None


def _one(text: str, schema: pa.Schema) -> str:
    if len(text) > LONGEST:
        raise InputError(f"a filter has {len(text):,} letters: {LONGEST:,} are allowed")
    found = _FILTER.fullmatch(text)
    if found is None:
        raise InputError(
            f"{text!r} is no filter, which has a column, an operator (= != < <= > >= in) and a value: {_EXAMPLE}"
        )
    column, operator, value = found["column"], found["operator"].strip(), found["value"]
    names = [name for name in schema.names if name != "vector" and "`" not in name]
    if column not in names:
        raise InputError(f"no column {column!r}: there are {', '.join(names)}{did_you_mean(column, names)}")
    kind = schema.field(column).type
    if operator == "in":
        (values,) = list(csv.reader([value], skipinitialspace=True)) or [[]]
        if not 1 <= len(values) <= MOST_VALUES:
            raise InputError(f"{len(values):,} values are given for {column}: from 1 to {MOST_VALUES:,} are allowed")
        return f"`{column}` IN ({', '.join(_literal(column, one.strip(), kind, operator) for one in values)})"
    return f"`{column}` {operator} {_literal(column, value, kind, operator)}"


def _literal(column: str, value: str, kind: pa.DataType, operator: str) -> str:
    """A value as it stands in SQL, by the type of its column."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        if not value.isprintable():
            raise InputError(f"the value for {column} holds a control character: leave it out")
        return quote(value)
    if pa.types.is_boolean(kind) and operator not in ORDERED:
        if value.lower() not in ("true", "false"):
            raise InputError(f"{value!r} is given for {column}: expected true or false")
        return value.lower()
    if pa.types.is_integer(kind):
        if _WHOLE.fullmatch(value) is None or abs(int(value)) >= 2**63:
            raise InputError(f"{value!r} is given for {column}: expected a whole number")
        return str(int(value))
    if pa.types.is_floating(kind):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"{value!r} is given for {column}: expected a number")
        return repr(number)
    raise InputError(f"the column {column} holds {kind}, which {operator} cannot compare: filter by another")
