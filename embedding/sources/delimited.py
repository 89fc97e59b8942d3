"""CSV, TSV and their kin as tables of a source: their columns are text, but for those that are known or declared to be numbers.

A number is read as one only where nothing is lost: `007`, `1E5` in a column of codes and numbers of too many digits stay text.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.delimited import DelimitedText
from cladescope.delimited.headers import squash
from cladescope.embedding.columns import plan_columns
from cladescope.embedding.locations import opener_of
from cladescope.embedding.sources.numbers import NUMBER, WHOLE, NumberColumn, present, with_points
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError
from cladescope.schema import own_name

WHOLE_NAMES = frozenset(map(squash, ("year", "month", "day", "individual_count")))
FLOAT_NAMES = frozenset(
    map(
        squash,
        (
            *("latitude", "longitude", "lat", "lon", "lng", "long", "decimal_latitude", "decimal_longitude"),
            *("coord_lat", "coord_lon"),
            *("elevation", "depth", "altitude", "coordinate_uncertainty_in_meters"),
        ),
    )
)
"""Columns that are numbers, in any spelling, where every value is one."""

DEGREE_NAMES = frozenset(
    name for name in FLOAT_NAMES if name.removeprefix("decimal").removeprefix("coord")[:3] in ("lat", "lon", "lng")
)
"""Of these, degrees, in which a comma can only be a decimal point."""

_HEAD_ROWS = 4096
KEPT_BYTES = 2**27
"""A table of so many bytes as text is parsed once and kept in memory; a larger one is parsed again for its rows."""


@runtime_checkable
class TextTable(Protocol):
    """A table of text: a delimited file, or several that were joined."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in their order."""

    @property
    def notices(self) -> tuple[str, ...]:
        """How its files were read where they do not say it themselves."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, in a fixed order, every value a string or null."""


@dataclass(frozen=True, slots=True)
class TypedText:
    """A table of text whose columns have types."""

    text: TextTable
    schema: pa.Schema
    n_rows: int
    head: Mapping[str, Sequence[str | None]]
    """Values of its first rows, as text."""
    missing: frozenset[str]
    plain: frozenset[str]
    """Columns of numbers whose values can be converted as they are."""
    notes: tuple[str, ...]
    """How columns were read otherwise than as their name or their values have it, a line each."""
    kept: tuple[pa.RecordBatch, ...] | None
    """Its rows as text, where they take no more than `KEPT_BYTES`."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Rows in the file's order, columns of the types of `schema`; what is missing is null in a column of numbers."""
        for batch in self.text.batches() if self.kept is None else self.kept:
            columns = [self._typed(field, column) for field, column in zip(self.schema, batch.columns, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _typed(self, field: pa.Field, column: pa.Array) -> pa.Array:
        if field.type == pa.string():
            return column
        if field.name in self.plain:
            return column.cast(field.type)
        values = present(column, self.missing)
        return (with_points(values) if squash(field.name) in DEGREE_NAMES else values).cast(field.type)


def open_delimited(uri: str, rules: TableRules, *, needs_picture: bool = True) -> TypedText:
    """The table at an address, read whole to find its encoding, the types of its columns and its number of rows.

    A column is text unless it is declared in `rules`, is a number in the store, or has a known name (`WHOLE_NAMES`,
    `FLOAT_NAMES`), and every value that is not missing is such a number: a whole number gives the same text when written again,
    and one of more than 15 digits that does not fit int64 is none. A column of numbers in the store that has other values here
    becomes wider: float64, else text.

    Raises InputError if the file cannot be read, has no rows, a row of another length, columns that `plan_columns` refuses, or
    a value that is not of its declared type.
    """
    return typed_text(uri, DelimitedText(uri, opener_of(uri)), rules, needs_picture=needs_picture)


def typed_text(uri: str, text: TextTable, rules: TableRules, *, needs_picture: bool = True) -> TypedText:
    """The types of the columns of a text; `uri` names it in messages. As `open_delimited`, and raises as that does."""
    columns = pa.schema([(name, pa.string()) for name in text.columns])
    plan_columns(columns, needs_picture=False)  # repeated names would confuse what follows
    first = next(text.batches(), None)
    head = {} if first is None else first.slice(0, _HEAD_ROWS).to_pydict()
    plan_columns(
        columns, head, needs_picture=needs_picture
    )  # a table that cannot be used is refused before all is read
    for name in rules.types:
        if squash(name) not in map(squash, text.columns):
            raise InputError(f"{uri} has no column {name!r} to give a type: it has {', '.join(text.columns[:20])}")
        column = next(own for own in text.columns if squash(own) == squash(name))
        if rules.stored.get(own_name(column)) == pa.string() and rules.types[name] != pa.string():
            raise InputError(
                f"column {column!r} of {uri} holds text in the store: leave out its type, or use another store"
            )
    wanted = {name: type_ for name in text.columns if (type_ := _wanted(name, rules)) is not None}
    kinds, n_rows, kept = _survey(uri, text, wanted, rules)
    if n_rows == 0:
        raise InputError(f"{uri} has a header and no rows: expected one row a picture")
    types = {name: kind.arrow_type(wanted[name]) for name, kind in kinds.items()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in text.columns])
    plain = frozenset(name for name, kind in kinds.items() if kind.plain)
    notes = (*text.notices, *_notes(kinds, types, rules))
    return TypedText(text, schema, n_rows, head, rules.missing, plain, notes, kept)


def _notes(kinds: Mapping[str, NumberColumn], types: Mapping[str, pa.DataType], rules: TableRules) -> Iterator[str]:
    """What is to be said of the columns that are called as numbers are."""
    for name, kind in kinds.items():
        if kind.commas:
            yield f"column {name!r} has decimal commas: they are read as points"
        elif types[name] == pa.string() and squash(name) in WHOLE_NAMES | FLOAT_NAMES and not rules.declared(name):
            found = f"{kind.other[:40]!r} is no number" if kind.other else "a number of too many digits"
            yield f"column {name!r} stays text: {found}; declare its type as text, or mend the value"


def _wanted(column: str, rules: TableRules) -> pa.DataType | None:
    """The type of numbers that a column may have, or None where it is text."""
    declared = rules.declared(column)
    type_ = declared or rules.stored.get(own_name(column))
    if type_ is None and squash(column) in WHOLE_NAMES | FLOAT_NAMES:
        type_ = pa.int64() if squash(column) in WHOLE_NAMES else pa.float64()
    return type_ if type_ in (pa.int64(), pa.float64()) else None


def _survey(
    uri: str, text: TextTable, wanted: Mapping[str, pa.DataType], rules: TableRules
) -> tuple[dict[str, NumberColumn], int, tuple[pa.RecordBatch, ...] | None]:
    """What the columns of numbers hold, the number of rows, and the rows where they are few.

    Of a delimited text of more than `KEPT_BYTES` only the columns of numbers are made, else all, which stay.
    """
    kinds = dict.fromkeys(wanted, NumberColumn())
    n_rows = n_bytes = 0
    is_kept, batches = True, text.batches
    if isinstance(text, DelimitedText) and text.n_bytes > KEPT_BYTES:
        is_kept, batches = False, partial(text.batches, [*wanted] or [text.columns[0]])
    kept: list[pa.RecordBatch] = []
    for batch in batches():
        n_bytes += batch.nbytes
        is_kept = is_kept and n_bytes <= KEPT_BYTES
        if is_kept:
            kept.append(batch)
        else:
            kept.clear()
        for name in wanted:
            values = batch.column(name)
            commas = squash(name) in DEGREE_NAMES
            kinds[name] = kinds[name].narrowed(values, rules.missing, commas=commas)
            if rules.declared(name) is not None and not kinds[name].fits(wanted[name]):
                _refuse(uri, name, present(values, rules.missing), wanted[name], n_rows)
        n_rows += batch.num_rows
    return kinds, n_rows, tuple(kept) if is_kept else None


def _refuse(uri: str, name: str, values: pa.Array, type_: pa.DataType, n_rows: int) -> None:
    pattern = WHOLE if type_ == pa.int64() else NUMBER
    bad = pc.index(pc.fill_null(pc.match_substring_regex(values, pattern), True), False).as_py()
    found = repr(values[bad].as_py()) if bad >= 0 else "a number of too many digits"
    place = f" in row {n_rows + bad + 1}" if bad >= 0 else ""
    raise InputError(
        f"column {name!r} of {uri} has {found}{place}, declared is {type_}: leave it text, or mend the value"
    )
