"""Files of vectors to search with: a Parquet table with a column of them, or an .npy array; nothing is said of the rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Real

from cladescope.arrays import blocks
from cladescope.embedding.columns import plan_columns
from cladescope.embedding.sources.vector_file import (
    VECTOR_NAMES,
    list_columns,
    open_array,
    open_parquet,
    usual_length,
    vector_column,
)
from cladescope.errors import InputError


@dataclass(frozen=True, kw_only=True)
class QueryVectors:
    """Vectors in a file or in memory, row by row."""

    name: str
    """What they are called in messages."""
    n_rows: int
    dim: int
    batches: Callable[[int], Iterator[pa.Array]] = field(repr=False)
    """All rows in blocks of so many, as lists of numbers."""


def open_query_vectors(path: Path, *, dim: int, column: str | None = None) -> QueryVectors | None:
    """The vectors in a file; None where it is a table of pictures, or of another kind.

    Of a Parquet table the `column`, else one of the usual names (`emb`, `vector`, ...), else the only one of lists of floats.
    A table that has pictures, too, is one of vectors where such a column has a usual name or lists of `dim` numbers.

    Raises InputError for a file without rows, and where the vectors have another length than `dim`.
    """
    is_table = path.suffix.lower() == ".parquet" and path.is_file()
    if column is not None and not is_table:
        raise InputError(f"{path} has no column {column!r} of vectors: a column is named of a .parquet table")
    if path.suffix.lower() == ".npy":
        return of_array(open_array(path), dim=dim, name=str(path))
    if not is_table:
        return None
    table = open_parquet(path)
    schema = table.schema_arrow
    lists = list_columns(schema)
    if column is None and not _has_vectors(table, schema, lists, dim):
        return None
    name = vector_column(path, schema, column)
    if not table.metadata.num_rows:
        raise InputError(f"{path} has no rows: expected a query in each")
    length = usual_length(table, name)
    if length != dim:
        raise InputError(_another_length(f"column {name!r} of {path}", length, dim))

    def batches(size: int) -> Iterator[pa.Array]:
        with pq.ParquetFile(path) as opened:
            for batch in opened.iter_batches(batch_size=size, columns=[name]):
                yield batch.column(0)

    return QueryVectors(name=str(path), n_rows=table.metadata.num_rows, dim=dim, batches=batches)


def of_array(vectors: Real[np.ndarray, "q n"], *, dim: int, name: str = "the array") -> QueryVectors:
    """The rows of an array. Raises InputError for one without rows, and where they have another length than `dim`."""
    if not len(vectors):
        raise InputError(f"{name} has no rows: expected a query in each")
    if vectors.shape[1] != dim:
        raise InputError(_another_length(name, vectors.shape[1], dim))

    def batches(size: int) -> Iterator[pa.Array]:
        for start, stop in blocks(len(vectors), size=size):
            part = np.ascontiguousarray(vectors[start:stop]).ravel()
            native = part.astype(part.dtype.newbyteorder("="), copy=False)
            yield pa.FixedSizeListArray.from_arrays(pa.array(native), dim)

    return QueryVectors(name=name, n_rows=len(vectors), dim=dim, batches=batches)


def _has_vectors(table: pq.ParquetFile, schema: pa.Schema, lists: list[str], dim: int) -> bool:
    if not lists or set(lists) & set(VECTOR_NAMES):
        return bool(lists)
    plan = plan_columns(schema, {}, apart=lists, needs_picture=False)
    if plan.picture is None and plan.path is None:
        return True
    return any(usual_length(table, name) == dim for name in lists)


def _another_length(what: str, length: int | None, dim: int) -> str:
    if length is None:
        return f"{what} holds no vectors: expected lists of {dim} numbers"
    return f"{what} has vectors of {length} numbers, the store of {dim}: encode the queries by the store's encoder"
