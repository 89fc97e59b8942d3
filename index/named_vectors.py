"""Vectors of further encoders beside a store's own: a column of `images` each, known by name, and shown as `vector`.

A store that is opened for one of them is read as any other: its `vector` is that column, and only rows that have one are its
rows. The columns themselves are shown to nobody.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePath
from typing import TypeVar

import pyarrow as pa

from cladescope.embedding.encoder import EncoderCard
from cladescope.errors import InputError

OWN = "vector"
PREFIX = "_vector_"
"""No column of a source may begin with `_`, so that none is ever called so."""

Rows = TypeVar("Rows", pa.RecordBatch, pa.Table)


def column_of(name: str | None) -> str:
    """The column of some vectors; None stands for the store's own."""
    return OWN if name is None else f"{PREFIX}{name}"


def shown_schema(schema: pa.Schema, column: str) -> pa.Schema:
    """The columns of a table as those see them who read `column` as `vector`.

    >>> table = pa.schema([("uri", pa.string()), ("vector", pa.int8()), ("_vector_tiny", pa.int16())])
    >>> shown_schema(table, "_vector_tiny").names, shown_schema(table, "vector").names
    (['uri', 'vector'], ['uri', 'vector'])
    """
    if column == OWN and not any(name.startswith(PREFIX) for name in schema.names):
        return schema
    return pa.schema(
        [
            field.with_name(OWN) if field.name == column else field
            for field in schema
            if field.name == column or not _is_vectors(field.name)
        ]
    )


def stored_names(names: Sequence[str], column: str) -> list[str]:
    """What the table calls some columns."""
    return [column if name == OWN else name for name in names]


def shown_rows(rows: Rows, column: str) -> Rows:
    """Rows of the table under the names that are shown."""
    if column == OWN:
        return rows
    return rows.rename_columns([OWN if name == column else name for name in rows.schema.names])


def having(column: str, condition: str | None) -> str | None:
    """A condition in SQL, narrowed to the rows that have a vector in this column; the store's own have all.

    >>> having("_vector_tiny", "width > 9"), having("vector", None)
    ('`_vector_tiny` IS NOT NULL AND (width > 9)', None)
    """
    if column == OWN:
        return condition
    there = f"`{column}` IS NOT NULL"
    return there if condition is None else f"{there} AND ({condition})"


def without(column: str, condition: str | None) -> str:
    """A condition in SQL, narrowed to the rows that have no vector in this column.

    >>> without("_vector_tiny", None)
    '`_vector_tiny` IS NULL'
    """
    none = f"`{column}` IS NULL"
    return none if condition is None else f"{none} AND ({condition})"


def lacking(names: Iterable[str]) -> str:
    """The condition of rows that lack a vector of one of these names."""
    return " OR ".join(f"`{column_of(name)}` IS NULL" for name in names)


def name_of(card: EncoderCard, taken: Iterable[str] = ()) -> str:
    """What the vectors of an encoder are called: the last part of its name, in small letters, digits and underscores.

    >>> card = EncoderCard(name="hf-hub:imageomics/bioclip-2", dim=768, weight_hash=None, transform=None, has_text=True)
    >>> name_of(card), name_of(card, ["imageomics_bioclip_2"])
    ('imageomics_bioclip_2', 'imageomics_bioclip_2_2')
    """
    called = card.name.partition("@")[0].partition("?")[0]
    called = PurePath(called).name if called.startswith("/") else re.sub(r"^(?:hf-hub|timm):", "", called)
    base = re.sub(r"[^a-z0-9]+", "_", called.lower()).strip("_") or "vectors"
    names = [base, *(f"{base}_{number}" for number in range(2, 1000))]
    return next(name for name in names if name not in set(taken))


def called(cards: Iterable[EncoderCard], own: EncoderCard, held: Mapping[str, EncoderCard]) -> list[str]:
    """What the vectors of encoders are called beside a store's `own`: by the names that it holds some under, or will.

    >>> from dataclasses import replace
    >>> toy = EncoderCard(name="toy", dim=8, weight_hash="a", transform=None, has_text=False)
    >>> called([toy, replace(toy, weight_hash="b")], replace(toy, dim=9), {"first": toy})
    ['first', 'toy_2']
    """
    there, found = dict(held), []
    for card in cards:
        name = next((name for name, other in there.items() if other.difference(card) is None), None)
        if name is None:
            name = name_of(card, {name_of(own), *there})
            there[name] = card
        found.append(name)
    return found


def chosen(asked: str, own: EncoderCard, named: Mapping[str, EncoderCard]) -> str | None:
    """The name of the vectors that are meant, by their name or their encoder's; None for the store's own.

    Raises InputError where there are none, with those that there are and the one of nearly that name.
    """
    if asked in named:
        return asked
    if asked in (own.name, name_of(own), OWN):
        return None
    if found := [name for name, card in named.items() if card.name == asked]:
        return found[0]
    there = [name_of(own), *named]
    near = get_close_matches(asked.lower(), there, n=1)
    meant = f", did you mean {near[0]}?" if near else ""
    raise InputError(f"the store has no vectors {asked!r}: it has those of {', '.join(there)}{meant}")


def _is_vectors(column: str) -> bool:
    return column == OWN or column.startswith(PREFIX)
