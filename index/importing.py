"""Import: a store filled with vectors that were made elsewhere, in Parquet, or in .npy with a table beside it."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from cladescope.arrays import NO_DIRECTION, blocks, has_direction, normalise
from cladescope.embedding.columns import ColumnPlan, plan_columns, renamed_columns
from cladescope.embedding.known import KnownPictures
from cladescope.embedding.pipeline import EmbedSummary, Progress, gist
from cladescope.embedding.prepare import Failure
from cladescope.embedding.records import Record, id_of_uri
from cladescope.embedding.sources import delimited
from cladescope.embedding.sources.rows import Row, read_rows
from cladescope.embedding.tables import failures_table, images_table
from cladescope.errors import InputError
from cladescope.index.store import Store

logger = logging.getLogger(__name__)

BATCH_ROWS = 4096
COMMIT_ROWS = 65536
VECTOR_NAMES = ("emb", "embedding", "vector", "embeddings", "image_embedding", "image_emb")
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True, kw_only=True)
class VectorFile:
    """Vectors on disk and what is said of each."""

    path: Path
    dim: int
    n_rows: int
    plan: ColumnPlan
    batches: Callable[[], Iterator[tuple[pa.RecordBatch, Float[np.ndarray, "b d"] | list[np.ndarray | None]]]] = field(
        repr=False
    )
    """Rows of the table and their vectors, block by block; a list where lengths differ or some are missing."""


def open_vectors(path: str | Path, *, metadata: str | Path | None = None, column: str | None = None) -> VectorFile:
    """Vectors in a Parquet table (a list column `emb`, `embedding` or `vector`, or the one named by `column`), or in a
    two-dimensional .npy array with a table (CSV, TSV, Parquet) of as many rows beside it: `metadata`, else the file of
    the same name.

    Raises InputError for a file of another kind, without vectors, or whose table has another number of rows.
    """
    file = Path(path)
    if not file.exists():
        raise InputError(f"no such file: {file}: give a .parquet table with vectors, or a .npy array")
    if file.suffix.lower() == ".parquet":
        return _open_parquet(file, column)
    if file.suffix.lower() == ".npy":
        return _open_npy(file, None if metadata is None else Path(metadata))
    raise InputError(f"{file.name} is neither .parquet nor .npy: convert it to one of these")


def import_vectors(
    source: VectorFile,
    store: Store,
    *,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> EmbedSummary:
    """Put every vector that the store does not hold yet into it, scaled to unit length.

    A row whose vector is missing, has another length or no direction stands in `failures` with its reason. Memory:
    `COMMIT_ROWS` rows with their vectors in float32, and 16 bytes a row for ids.

    Raises InputError where the store's vectors have another length or the table's columns contradict the store's.
    """
    if source.dim != store.card.dim:
        raise InputError(
            f"{source.path} has vectors of {source.dim} numbers, the store of {store.card.dim}: use another store"
        )
    summary, began = EmbedSummary(renamed=renamed_columns(source.plan.extra_fields)), time.monotonic()
    with store.writing():
        store.add_fields(source.plan.extra_fields)
        known = KnownPictures(store.keys())
        records: list[Record] = []
        vectors: list[np.ndarray] = []
        failures: list[Failure] = []

        def commit() -> None:
            stacked = np.stack(vectors) if vectors else np.empty((0, source.dim), np.float32)
            table = images_table(records, stacked.astype(np.float16), source.plan.extra_fields, {})
            store.write(table, failures_table(failures))
            for waiting in (records, vectors, failures):
                waiting.clear()

        for batch, batch_vectors in source.batches():
            if stop is not None and stop.is_set():
                summary.stopped = True
                break
            good = _usable(batch_vectors, source.dim)
            for row, vector, reason in zip(read_rows(batch, source.plan), batch_vectors, good, strict=True):
                record = _record(source.path, summary.records, row)
                summary.records += 1
                refused = known.refuse(record.image_id, record.uri, summary.records)
                if refused is None and known.is_stored(record.image_id):
                    summary.already_stored += 1
                elif refused is not None or reason is not None:
                    stage = "identity" if refused is not None else "import"
                    why = refused or reason or ""
                    failures.append(Failure(record, stage, why))
                    summary.failed += 1
                    summary.failures_by_reason[f"{stage}: {gist(why, record.uri)}"] += 1
                else:
                    assert vector is not None
                    records.append(record)
                    summary.respelt += record.respelt
                    vectors.append(normalise(np.asarray(vector)[None])[0].astype(np.float32))
                    summary.embedded += 1
            if len(records) + len(failures) >= COMMIT_ROWS:
                commit()
            summary.seconds = time.monotonic() - began
            if progress is not None:
                progress(Progress(summary.records, source.n_rows, summary.embedded, summary.failed, summary.seconds))
        commit()
    summary.seconds = time.monotonic() - began
    return summary


def _record(path: Path, number: int, row: Row) -> Record:
    place = f"{path}#row={number}"
    uri = row.path or place
    return Record(
        image_id=row.image_id or id_of_uri(uri),
        uri=uri,
        source=row.source or path.stem,
        labels=row.labels,
        respelt=row.respelt,
        extra=row.extra,
    )


def _usable(vectors: Float[np.ndarray, "b d"] | Sequence[np.ndarray | None], dim: int) -> list[str | None]:
    """For each vector why it cannot be stored, or None."""
    if isinstance(vectors, np.ndarray):
        return [None if good else f"vector has no direction: {NO_DIRECTION}" for good in has_direction(vectors)]
    reasons: list[str | None] = []
    for vector in vectors:
        if vector is None:
            reasons.append("no vector: the row's is null")
        elif len(vector) != dim:
            reasons.append(f"vector of another length: {len(vector)} numbers, others have {dim}")
        else:
            reasons.extend(_usable(np.asarray(vector)[None], dim))
    return reasons


def _open_parquet(file: Path, column: str | None) -> VectorFile:
    table = _parquet(file)
    schema = table.schema_arrow
    name = _vector_column(file, schema, column)
    first = next(table.iter_batches(batch_size=BATCH_ROWS, columns=[name]), None)
    lengths = [] if first is None else pa.compute.list_value_length(first.column(0)).drop_null().to_pylist()
    if not lengths:
        raise InputError(f"column {name!r} of {file} holds no vectors")
    dim = max(set(lengths), key=lengths.count)
    text = [field.name for field in schema if pa.types.is_string(field.type)]
    head = next(table.iter_batches(batch_size=BATCH_ROWS, columns=text)).to_pydict() if text else {}
    plan = plan_columns(schema, head, apart=[name], needs_picture=False)

    def batches() -> Iterator[tuple[pa.RecordBatch, Any]]:
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(batch_size=BATCH_ROWS):
                yield batch, _matrix(batch.column(name), dim)

    return VectorFile(path=file.resolve(), dim=dim, n_rows=table.metadata.num_rows, plan=plan, batches=batches)


def _vector_column(file: Path, schema: pa.Schema, wanted: str | None) -> str:
    lists: list[str] = [
        field.name
        for field in schema
        if (
            pa.types.is_list(field.type)
            or pa.types.is_large_list(field.type)
            or pa.types.is_fixed_size_list(field.type)
        )
        and pa.types.is_floating(field.type.value_type)
    ]
    if wanted is not None:
        if wanted not in lists:
            raise InputError(
                f"column {wanted!r} of {file} holds no lists of floats: those that do: {', '.join(lists) or 'none'}"
            )
        return wanted
    usual: list[str] = [name for name in VECTOR_NAMES if name in lists]
    if usual:
        return usual[0]
    if len(lists) == 1:
        return lists[0]
    if lists:
        raise InputError(f"{file} has several columns of vectors ({', '.join(lists)}): name one with --column")
    raise InputError(
        f"{file} has no column of vectors among {', '.join(schema.names[:12])}: expected lists of floats, named for instance emb"
    )


def _matrix(column: pa.Array, dim: int) -> Float[np.ndarray, "b d"] | list[np.ndarray | None]:
    lengths = pa.compute.list_value_length(column)
    if lengths.null_count == 0 and pa.compute.all(pa.compute.equal(lengths, dim)).as_py():
        flat = column.flatten()
        if flat.null_count == 0:
            matrix: Float[np.ndarray, "b d"] = flat.to_numpy(zero_copy_only=False).reshape(-1, dim)
            return matrix
    return [None if value is None else np.asarray(value, np.float64) for value in column.to_pylist()]


def _open_npy(file: Path, metadata: Path | None) -> VectorFile:
    try:
        vectors = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} is no .npy array of numbers: write one with numpy.save") from error
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating) or not vectors.size:
        raise InputError(
            f"{file} holds {vectors.dtype} of shape {vectors.shape}: expected floats of shape (pictures, numbers)"
        )
    table = metadata or next((other for s in TABLE_SUFFIXES if (other := file.with_suffix(s)).exists()), None)
    if table is None:
        raise InputError(
            f"{file} says nothing of its rows: put a table beside it, {file.stem}.csv, or name one with --metadata"
        )
    n_rows, schema, read = _table(table)
    if n_rows != len(vectors):
        raise InputError(
            f"{file} has {len(vectors)} vectors and {table} {n_rows} rows: they must be as many, in the same order"
        )
    plan = plan_columns(schema, {}, needs_picture=False)

    def batches() -> Iterator[tuple[pa.RecordBatch, Any]]:
        start = 0
        for batch in read():
            for low, high in blocks(batch.num_rows, size=BATCH_ROWS):
                yield batch.slice(low, high - low), np.asarray(vectors[start + low : start + high])
            start += batch.num_rows

    return VectorFile(path=file.resolve(), dim=vectors.shape[1], n_rows=n_rows, plan=plan, batches=batches)


def _table(path: Path) -> tuple[int, pa.Schema, Callable[[], Iterator[pa.RecordBatch]]]:
    if path.suffix.lower() == ".parquet":
        table = _parquet(path)
        return table.metadata.num_rows, table.schema_arrow, lambda: table.iter_batches(BATCH_ROWS)
    survey = delimited.survey(str(path))
    types: Mapping[str, pa.DataType] = dict(zip(survey.schema.names, survey.schema.types, strict=True))
    return survey.n_rows, survey.schema, lambda: delimited.read_batches(str(path), types)


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is no Parquet table ({' '.join(str(error).split())[:100]})") from error
