"""Columns whose name is empty: spreadsheets write them behind a table, and data frames before it for their row numbers."""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from cladescope.errors import InputError


def stand_ins(header: Sequence[str]) -> tuple[str, ...]:
    """The names of a header, each nameless column under one of its own.

    >>> stand_ins(["file", "", " "])
    ('file', '\\x001', '\\x002')
    """
    return tuple(name if name.strip() else f"\0{place}" for place, name in enumerate(header))


def with_values(batches: Iterable[pa.RecordBatch], names: Sequence[str], place: str) -> str | None:
    """The one of some nameless columns, all that `batches` have, that holds values; None where none does.

    Raises InputError where several do.

    >>> rows = pa.RecordBatch.from_pydict({"\\x000": ["1", "2"], "\\x003": pa.nulls(2, pa.string())})
    >>> with_values([rows], ["\\x000", "\\x003"], "t.csv") == "\\x000"
    True
    """
    filled: set[str] = set()
    for batch in batches:
        filled |= {name for name in names if batch.column(name).null_count < batch.num_rows}
        if len(filled) > 1 or len(names) == 1 == len(filled):
            break
    if len(filled) > 1:
        first, second, *_ = sorted(int(name[1:]) + 1 for name in filled)
        raise InputError(f"columns {first} and {second} of {place} hold values and have no name: name them")
    return next(iter(filled), None)
