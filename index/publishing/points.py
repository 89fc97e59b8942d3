"""What a row of a store becomes in a vector database: a point of an id, a vector and a payload of plain values.

Nulls are left out of a payload. Types that JSON lacks become ones that it has, and what cannot is left out and counted.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from uuid import UUID, uuid5

import numpy as np
import pyarrow as pa
from jaxtyping import Float32

from cladescope.index.publishing.clades import FIELD, clade_keys
from cladescope.index.vector_block import vector_block
from cladescope.schema import PREFIX, shown_names
from cladescope.taxonomy import RANKS

NAMESPACE = UUID("6b1d3a6e-0f0c-5c7b-9a35-0d5b0c1ade5c")
"""Of the ids of points; changed never."""
DIGEST = "digest"
"""Where a point says what row it was made of: a hash of its vector and payload, by which a later run knows it again."""
TAKEN = frozenset({"id", "vector", FIELD, DIGEST})
"""Names that a source's own columns cannot have in a payload."""
LARGEST = 2**63 - 1
"""Whole numbers beyond are no integers of a database."""


@dataclass(frozen=True, slots=True)
class Points:
    """Some rows as points."""

    ids: list[str]
    payloads: list[dict[str, Any]]
    vectors: Float32[np.ndarray, "b d"]

    @property
    def digests(self) -> list[str]:
        """What each was made of."""
        return [payload[DIGEST] for payload in self.payloads]

    def take(self, places: Sequence[int]) -> "Points":
        """Some of them."""
        return Points(
            [self.ids[place] for place in places],
            [self.payloads[place] for place in places],
            self.vectors[np.asarray(places, np.int64)],
        )

    def __len__(self) -> int:
        return len(self.ids)


def point_id(image_id: str) -> str:
    """The id of a picture's point, the same for ever: a UUID of version 5.

    >>> point_id("tit.jpg") == point_id("tit.jpg"), len(point_id("tit.jpg"))
    (True, 36)
    """
    return str(uuid5(NAMESPACE, image_id))


@dataclass
class Columns:
    """How the columns of a store become fields of a payload; counts the values that cannot be mapped."""

    schema: pa.Schema
    longest: int | None = None
    """Bytes of the longest text that has a place; None where there is no limit."""
    names: dict[str, str] = field(init=False)
    """Name in the payload by column."""
    plain: dict[str, pa.DataType] = field(init=False)
    """Type in the payload by column."""
    lost: Counter[str] = field(default_factory=Counter)
    """Values that were left out, by field and reason."""

    def __post_init__(self) -> None:
        shown = shown_names(self.schema.names)
        held = [name for name in self.schema.names if name != "vector"]
        self.names = {name: _free(shown.get(name, name), held) for name in held}
        self.plain = {name: _plain(self.schema.field(name).type) for name in self.names}

    @property
    def changed(self) -> dict[str, str]:
        """Fields whose type is another than the column's, and both types."""
        types = {name: self.schema.field(name).type for name in self.names}
        return {
            self.names[name]: f"{types[name]} as {plain}"
            for name, plain in self.plain.items()
            if plain is not None and plain != types[name]
        }

    @property
    def said(self) -> dict[str, str]:
        """Fields and their columns' types; where these differ, rows may have become other points without being touched."""
        return {self.names[name]: str(self.schema.field(name).type) for name in self.names}

    def points(self, batch: pa.RecordBatch) -> Points:
        """The rows of a batch, which has all columns and `vector`. Memory: 6 d bytes and the payload for each row."""
        columns = {}
        for name, shown in self.names.items():
            column, plain = batch.column(name), self.plain[name]
            if plain is None:
                self._lose(f"{shown}: no value of type {column.type} is allowed", len(column) - column.null_count)
            elif column.null_count < len(column):
                columns[shown] = self._values(shown, column.cast(plain).to_pylist())
        half = vector_block(batch)
        payloads = []
        for row, vector in enumerate(half):
            payload = {shown: values[row] for shown, values in columns.items() if values[row] is not None}
            payload[FIELD] = clade_keys({rank: payload.get(rank) for rank in RANKS})
            payload[DIGEST] = _digest(payload, vector.tobytes())
            payloads.append(payload)
        return Points(
            [point_id(payload["image_id"]) for payload in payloads], payloads, np.asarray(half, dtype=np.float32)
        )

    def _values(self, shown: str, values: list[Any]) -> list[Any]:
        return [None if value is None else self._value(shown, value) for value in values]

    def _value(self, shown: str, value: Any) -> Any:
        """A value without what JSON or a database has no place for."""
        if isinstance(value, str):
            # A letter has at most four bytes.
            if self.longest is None or 4 * len(value) <= self.longest or len(value.encode()) <= self.longest:
                return value
            return self._lose(f"{shown}: a text of more than {self.longest:,} bytes")
        if isinstance(value, list):
            return [self._value(shown, inner) for inner in value]
        if isinstance(value, dict):
            return {key: self._value(shown, inner) for key, inner in value.items()}
        if isinstance(value, float) and not math.isfinite(value):
            return self._lose(f"{shown}: a number that is not finite")
        if isinstance(value, int) and value > LARGEST:
            return self._lose(f"{shown}: a whole number above {LARGEST}")
        return value

    def _lose(self, reason: str, n: int = 1) -> None:
        if n:
            self.lost[reason] += n


def blocks(points: Points, size: int) -> Iterator[Points]:
    """The same points, at most so many at a time."""
    for start in range(0, len(points), size):
        yield points.take(range(start, min(start + size, len(points))))


def _free(name: str, others: Sequence[str]) -> str:
    while name in TAKEN or name.startswith("$"):
        name = f"{PREFIX}{name.lstrip('$')}"
        while name in others:
            name = f"{PREFIX}{name}"
    return name


@lru_cache(maxsize=1024)
def _plain(given: pa.DataType) -> pa.DataType | None:
    """The type of JSON that holds a type of Arrow; None where none does.

    >>> _plain(pa.timestamp("us")), _plain(pa.list_(pa.decimal128(5, 2))), _plain(pa.binary())
    (DataType(string), ListType(list<item: double>), None)
    """
    is_ = pa.types
    if is_.is_dictionary(given):
        return _plain(given.value_type)
    if is_.is_list(given) or is_.is_large_list(given) or is_.is_fixed_size_list(given):
        inner = _plain(given.value_type)
        return None if inner is None else pa.list_(pa.field(given.value_field.name, inner))
    if is_.is_struct(given):
        fields = [given.field(place) for place in range(given.num_fields)]
        inner = {one.name: _plain(one.type) for one in fields}
        return None if None in inner.values() else pa.struct(inner)
    if is_.is_decimal(given):
        return pa.float64()
    if is_.is_float16(given):
        return pa.float32()
    if is_.is_timestamp(given) or is_.is_date(given) or is_.is_time(given) or is_.is_large_string(given):
        return pa.string()
    if is_.is_string(given) or is_.is_integer(given) or is_.is_floating(given) or is_.is_boolean(given):
        return given
    return pa.string() if is_.is_null(given) else None


def _digest(payload: dict[str, Any], vector: bytes) -> str:
    text = json.dumps(payload, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return blake2b(text.encode() + b"\0" + vector, digest_size=16).hexdigest()
