"""A column of a store made wider, so that a later source whose column has another type can go in."""

from collections.abc import Iterable

import pyarrow as pa

_MARK = "__wider"


def wider(stored: pa.DataType, given: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both, as numbers or else as text; None where there is none.

    >>> wider(pa.int64(), pa.float64()), wider(pa.float64(), pa.string()), wider(pa.string(), pa.int64())
    (DataType(double), DataType(string), DataType(string))
    """
    if not (_is_plain(stored) and _is_plain(given)):
        return None
    if pa.types.is_string(stored) or pa.types.is_string(given):
        return pa.string()
    return pa.float64()


def cast(name: str, stored: pa.DataType, to: pa.DataType) -> str:
    """The expression in SQL that makes a wider column from an earlier one; `2.0` becomes the text `2`."""
    if to == pa.float64():
        return f"cast(`{name}` as double)"
    text = f"cast(`{name}` as string)"
    return f"regexp_replace({text}, '\\.0$', '')" if pa.types.is_floating(stored) else text


def as_stored(images: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with their own columns of the types that the store's have.

    >>> as_stored(pa.table({"year": [1999]}), pa.schema([("year", pa.string())]))["year"].to_pylist()
    ['1999']
    """
    for place, field in enumerate(images.schema):
        if field.name in schema.names and _is_plain(field.type) and field.type != schema.field(field.name).type:
            type_ = schema.field(field.name).type
            images = images.set_column(place, field.with_type(type_), images.column(place).cast(type_))
    return images


def waiting(name: str) -> str:
    """Name of a wider column until it takes the place of the earlier one."""
    return f"{name}{_MARK}"


def waiting_among(names: Iterable[str]) -> dict[str, str]:
    """Wider columns that wait, and the names that they are to have.

    >>> waiting_among(["year", "year__wider"])
    {'year__wider': 'year'}
    """
    return {name: name.removesuffix(_MARK) for name in names if name.endswith(_MARK)}


def _is_plain(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_string(type_))
