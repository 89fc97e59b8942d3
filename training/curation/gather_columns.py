"""Records as rows of the stage `gather`, a block of columns at a time: the same rows as `gather.row_of` makes one by one, several times as fast.

Each different value of a column is converted once, and texts are put together by Arrow.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.embedding.labels import MISSING
from cladescope.embedding.locations import is_web
from cladescope.embedding.record_columns import RecordColumns
from cladescope.taxonomy import RANKS
from cladescope.training.curation.columns import GATHERED
from cladescope.training.curation.flow import carried

PLAIN: Final = pa.schema(
    [field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in GATHERED]
)
"""The columns of the stage, words as plain text; `dropped` is the reason alone."""
_NO_NUMBER: Final = MISSING | {
    "",
    "?",
    "s.n.",
    "s. n.",
    "s.n",
    "sine numero",
    "not applicable",
    "not_applicable",
    "missing",
}
_ESCAPED: Final = r'[\x00-\x1f"\\]'
"""What JSON writes otherwise in a text than it is."""


def gathered(
    columns: RecordColumns,
    *,
    row: int,
    record: int,
    source: str,
    ids: Sequence[str],
    image_ids: Sequence[str],
    places: Mapping[str, Sequence[str]],
    defaults: Mapping[str, str],
    kind: str | None,
    no_picture: str,
) -> pa.Table:
    """The rows of some records, with the columns of `PLAIN`; `row` and `record` are the numbers of the first one.

    `ids` and `image_ids` are what the columns of the stage have for those of the source; `places` are own columns that stand for columns of the stage, the preferred first;
    `kind` is that of all; `defaults` are licence, holder and publisher of the configuration, empty for none, of which the publisher goes before the row's own.
    """
    n = columns.num_rows
    labels, own = columns.labels, columns.extra
    taken = {name: _first([own[one] for one in names], n) for name, names in places.items()}
    texts = {name: _trimmed(taken[name]) for name in ("title", "publisher", "basis_of_record", "recorded")}
    texts["specimen_id"] = _each(taken["specimen_id"], specimen_of, pa.string())
    texts["source_url"] = _each(_trimmed(taken["source_url"]), address_of, pa.string())
    sequence, deployment = (_trimmed(taken[name]) for name in ("sequence", "deployment"))
    placed = pc.binary_join_element_wise(deployment, sequence, "/")
    values: dict[str, pa.Array] = {
        "row": pa.array(range(row, row + n), pa.int64()),
        "id": pa.array(ids, pa.string()),
        "source": pa.repeat(source, n),
        "record": pa.array(range(record, record + n), pa.int64()),
        "image_id": pa.array(image_ids, pa.string()),
        "uri": columns.uri,
        **{f"written_{rank}": labels.get(rank) for rank in RANKS},
        "written_common_name": labels.get("common_name"),
        "observation_id": labels.get("observation_id"),
        "sequence_id": pc.coalesce(placed, sequence),
        "kind": pa.repeat(pa.scalar(kind, pa.string()), n),
        **texts,
        "publisher": pa.repeat(defaults["publisher"], n) if defaults["publisher"] else texts["publisher"],
        **{name: _or_default(labels.get(name), defaults[name], n) for name in ("licence", "rights_holder")},
        **{name: _numbers(taken[name]) for name in ("latitude", "longitude")},
        "raw": _json({**labels, **own}, n),
        "as_written": _written(columns.written),
    }
    without = pc.or_(pc.is_valid(columns.problem), pc.equal(columns.uri, ""))
    reasons = [no_picture if one else None for one in without.to_pylist()]
    values["dropped"] = pa.array(reasons, pa.string())
    nothing = pa.nulls(n, pa.string())
    return pa.table([values.get(field.name) or nothing for field in PLAIN], schema=PLAIN)


def encoded(parts: Sequence[pa.Table]) -> pa.Table:
    """Rows as a part of the stage has them; the same however they were put together."""
    whole = pa.concat_tables(parts).combine_chunks()
    columns = []
    for field in GATHERED:
        column = whole[field.name]
        if field.name == "dropped":
            column = carried("gather", None, column.to_pylist())
        elif pa.types.is_dictionary(field.type):
            column = column.combine_chunks().dictionary_encode()
        columns.append(column)
    return pa.table(columns, schema=GATHERED)


def changes(columns: RecordColumns) -> Counter[str]:
    """What was done to labels where they were read, in words, and to how many records."""
    found: Counter[str] = Counter()
    found["name respelt"] = pc.sum(columns.respelt).as_py() or 0
    if (inferred := columns.labels.get("inferred")) is not None:
        found["ranks inferred from the names of folders"] = len(inferred) - inferred.null_count
    words = pc.value_counts(pc.list_flatten(columns.missing)).to_pylist() if columns.num_rows else []
    found.update({f"{one['values']!r} read as not known": one["counts"] for one in words})
    return +found


def _written(names: pa.Array) -> pa.Array:
    """Maps as JSON; most tables write nothing otherwise, and cost nothing."""
    if names.null_count == len(names):
        return pa.nulls(len(names), pa.string())
    return pa.array([as_json(dict(one or ())) for one in names.to_pylist()], pa.string())


def as_json(names: Mapping[str, str]) -> str | None:
    """Names by part as a JSON object; None for none."""
    return json.dumps(dict(names), ensure_ascii=False) if names else None


def specimen_of(text: str | None) -> str | None:
    """The number of a specimen; None where the text says that it has none, since pictures of one number stay together.

    >>> specimen_of(" K001 "), specimen_of("s.n."), specimen_of("NA"), specimen_of("0")
    ('K001', None, None, '0')
    """
    found = (text or "").strip()
    return None if found.lower() in _NO_NUMBER else found


def address_of(text: str | None) -> str | None:
    """An address of the web; None for other text.

    >>> address_of("https://a.org/1"), address_of("see the label")
    ('https://a.org/1', None)
    """
    return text if text is not None and is_web(text) else None


def _or_default(column: pa.Array | None, default: str, n: int) -> pa.Array:
    found = pa.nulls(n, pa.string()) if column is None else column.cast(pa.string())
    return pc.if_else(pc.fill_null(pc.not_equal(found, ""), False), found, pa.scalar(default or None, pa.string()))


def _each(column: pa.Array, make: Callable[[Any], Any], type_: pa.DataType) -> pa.Array:
    """What a function makes of each value, each different one made once; null of null."""
    if not _is_hashable(column.type):
        return pa.array([None if value is None else make(value) for value in column.to_pylist()], type_)
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    made = pa.array([None if value is None else make(value) for value in encoded.dictionary.to_pylist()], type_)
    return made.take(encoded.indices)


def _is_hashable(kind: pa.DataType) -> bool:
    return not bool(pa.types.is_nested(kind) or pa.types.is_null(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _first(columns: Sequence[pa.Array], n: int) -> pa.Array:
    """The first value of each row that is there and no empty text, as text."""
    texts = [column if _is_text(column.type) else _each(column, str, pa.string()) for column in columns]
    there = [pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text.cast(pa.string())) for text in texts]
    return pc.coalesce(*there) if there else pa.nulls(n, pa.string())


def _trimmed(column: pa.Array) -> pa.Array:
    return _each(column, lambda text: text.strip() or None, pa.string())


def number_of(text: str) -> float | None:
    """The number that a text says; None where it says none, or one that is no place (`nan`, `inf`).

    >>> number_of("4.5"), number_of("nan"), number_of("north")
    (4.5, None, None)
    """
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _numbers(column: pa.Array) -> pa.Array:
    return _each(column, number_of, pa.float64())


def _json(columns: Mapping[str, pa.Array], n: int) -> pa.Array:
    """Each row's values as a JSON object without those that are null, letter for letter as `json.dumps` writes it."""
    pieces = []
    for name, column in columns.items():
        if column.null_count < n:
            key = f"{json.dumps(name, ensure_ascii=False)}: "
            pieces.append(pc.binary_join_element_wise(pa.scalar(key, pa.string()), _values(column), ""))
    if not pieces:
        return pa.repeat("{}", n)
    # Arrow 26 leaves out the rows where all are null, and its result is too short.
    says_nothing = reduce(pc.and_, [pc.is_null(piece) for piece in pieces])
    pieces[0] = pc.if_else(says_nothing, "", pieces[0])
    joined = pc.binary_join_element_wise(*pieces, ", ", null_handling="skip")
    return pc.binary_join_element_wise("{", joined, "}", "")


def _values(column: pa.Array) -> pa.Array:
    """Values as JSON has them."""

    def written(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, default=str)

    def of_number(value: int | float) -> str:
        return repr(value) if math.isfinite(value) else written(value)

    if pa.types.is_float64(column.type) or pa.types.is_integer(column.type):
        return _each(column, of_number, pa.string())
    if not _is_text(column.type):
        return _each(column, written, pa.string())
    text = column.cast(pa.string())
    quoted = pc.binary_join_element_wise('"', text, '"', "")
    odd = pc.match_substring_regex(text, _ESCAPED)
    if not pc.any(odd).as_py():
        return quoted
    return pc.if_else(pc.fill_null(odd, False), _each(text, written, pa.string()), quoted)
