"""The rows of a store in pages. A page begins after the last row of the one before, whatever is written meanwhile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from cladescope.app.service.conditions import condition
from cladescope.app.service.refusal import RefusalError
from cladescope.app.service.served_store import ServedStore
from cladescope.index.store import Store
from cladescope.nearest import did_you_mean

BATCH_ROWS = 2048
"""Rows of a record batch: what is held of a page while it is sent."""
ARROW = "application/vnd.apache.arrow.stream"
TOTAL, NEXT = b"total", b"next"
"""Keys of the schema's metadata."""


def page(
    served: ServedStore,
    *,
    columns: Sequence[str] = (),
    within: Sequence[str] = (),
    filters: Sequence[str] = (),
    cursor: str | None,
    limit: int,
) -> dict[str, Any]:
    """So many rows of a store that pass the filters, in the order in which they came; `next` is the cursor of the page behind.

    New rows stand at the end. Without `columns` it is all but the vector. Memory: 8 bytes a row that passes.

    Raises RefusalError for a cursor that no page gave, a column that is not there, and for filters that cannot be used.
    """
    with served.reading() as store:
        names = _columns(store, columns)
        found = _chosen(store, within=within, filters=filters, cursor=cursor, limit=limit)
        rows = store.rows(found.row_ids.tolist(), names)
    for row in rows:
        del row["_rowid"]
    return {"total": found.total, "rows": rows, "next": found.next}


@dataclass(frozen=True, kw_only=True)
class ArrowPage:
    """A page as record batches, which are read from the store one after another."""

    schema: pa.Schema
    """Its metadata has `total`, and `next` where a page is behind."""
    total: int
    next: str | None
    batches: Iterator[pa.RecordBatch]
    """The first one is read already. They raise StoreError where the store is deleted meanwhile."""


def arrow_page(
    served: ServedStore,
    *,
    columns: Sequence[str] = (),
    within: Sequence[str] = (),
    filters: Sequence[str] = (),
    cursor: str | None,
    limit: int,
) -> ArrowPage:
    """The page that `page` answers, in Arrow; `vector` may be one of the columns. Memory: `BATCH_ROWS` rows, and 8 bytes a row that passes.

    Rows that are deleted while the page is sent are left out. Raises as `page` does.
    """
    with served.reading() as store:
        names = _columns(store, columns, vector=True)
        found = _chosen(store, within=within, filters=filters, cursor=cursor, limit=limit)
        told = {TOTAL: str(found.total).encode()} | ({} if found.next is None else {NEXT: found.next.encode()})
        schema = pa.schema([store.schema.field(name).remove_metadata() for name in names], metadata=told)
        batches = _batches(store, found.row_ids, schema)
        first = next(batches, None)

    def all_batches() -> Iterator[pa.RecordBatch]:
        if first is not None:
            yield first
        yield from batches

    return ArrowPage(schema=schema, total=found.total, next=found.next, batches=all_batches())


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """Which rows a page has."""

    total: int
    row_ids: Int64[np.ndarray, " n"]
    next: str | None


def _chosen(store: Store, *, within: Sequence[str], filters: Sequence[str], cursor: str | None, limit: int) -> _Chosen:
    after = _row_of(cursor)
    both = store.condition(within=list(within) or None, where=condition(filters, store.schema))
    parts = [batch.column("_rowid").to_numpy() for batch in store.scan(["_rowid"], condition=both)]
    ids = np.concatenate([np.empty(0, np.uint64), *parts]).astype(np.int64)
    behind = ids[ids > after]
    chosen = np.sort(np.partition(behind, limit)[:limit] if len(behind) > limit else behind)
    return _Chosen(total=len(ids), row_ids=chosen, next=str(chosen[-1]) if len(behind) > limit else None)


def _batches(store: Store, row_ids: Int64[np.ndarray, " n"], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(row_ids), BATCH_ROWS):
        found = store.rows_at(row_ids[start : start + BATCH_ROWS].tolist(), schema.names)
        ordered = found.take(pa.array(np.argsort(found.column("_rowid").to_numpy())))
        yield from ordered.select(schema.names).cast(schema).combine_chunks().to_batches()


def _columns(store: Store, asked: Sequence[str], *, vector: bool = False) -> list[str]:
    """The columns that are asked for, each once; all but the vector where none are. Raises RefusalError for one that is not there."""
    names = store.schema.names
    plain = [name for name in names if name != "vector"]
    for name in asked:
        if name == "vector" and not vector:
            raise RefusalError(422, f"vectors are answered as Arrow alone: ask for it by `Accept: {ARROW}`")
        if name not in names:
            known = ", ".join(names if vector else plain)
            raise RefusalError(422, f"no column {name[:100]!r}: there are {known}{did_you_mean(name, names)}")
    return list(dict.fromkeys(asked)) or plain


def _row_of(cursor: str | None) -> int:
    if cursor is None:
        return -1
    if not (cursor.isascii() and cursor.isdecimal()) or len(cursor) > 18:
        raise RefusalError(422, f"cursor is {cursor[:40]!r}: give the `next` of the page before, or leave it out")
    return int(cursor)
