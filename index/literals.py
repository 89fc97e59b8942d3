"""Texts as they stand in SQL."""

from collections.abc import Iterable


def quote(value: str) -> str:
    """A text as an SQL literal.

    >>> quote("Ross's goose")
    "'Ross''s goose'"
    """
    return "'" + value.replace("'", "''") + "'"


def is_one_of(column: str, values: Iterable[str]) -> str:
    """The condition that a column holds one of some texts; false where there are none.

    >>> is_one_of("image_id", ["a", "b"])
    "`image_id` IN ('a','b')"
    """
    listed = ",".join(quote(value) for value in values)
    return f"`{column}` IN ({listed})" if listed else "false"
