"""Files of vectors that were made elsewhere: Parquet tables with a column of lists, or .npy arrays with a table beside them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Float

from cladescope.arrays import blocks
from cladescope.embedding.columns import ColumnPlan, plan_columns
from cladescope.embedding.labels import MISSING
from cladescope.embedding.sources.delimited import open_delimited
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError

BATCH_ROWS = 4096
VECTOR_NAMES = ("emb", "embedding", "vector", "embeddings", "image_embedding", "image_emb")
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True, kw_only=True)
class VectorFile:
    """Vectors on disk and what is said of each."""

    path: Path
    dim: int
    n_rows: int
    plan: ColumnPlan
    missing: frozenset[str] = MISSING
    """Words that say that a label is not known."""
    batches: Callable[[], Iterator[tuple[pa.RecordBatch, pa.Array]]] = field(repr=False)
    """Rows of the table and their vectors, block by block; a list of floats each, of any length or null."""


def open_vectors(
    path: str | Path,
    *,
    metadata: str | Path | None = None,
    column: str | None = None,
    rules: TableRules | None = None,
) -> VectorFile:
    """Vectors in a Parquet table (a list column `emb`, `embedding` or `vector`, or the one named by `column`), or in a
    two-dimensional .npy array with a table (CSV, TSV, Parquet) of as many rows beside it: `metadata`, else the file of
    the same name.

    Raises InputError for a file of another kind, without vectors, or whose table has another number of rows.
    """
    file = Path(path)
    if not file.exists():
        raise InputError(f"no such file: {file}: give a .parquet table with vectors, or a .npy array")
    if file.suffix.lower() == ".parquet":
        return _open_parquet(file, column, rules or TableRules())
    if file.suffix.lower() == ".npy":
        return _open_npy(file, None if metadata is None else Path(metadata), rules or TableRules())
    raise InputError(f"{file.name} is neither .parquet nor .npy: convert it to one of these")


def _open_parquet(file: Path, column: str | None, rules: TableRules) -> VectorFile:
    table = open_parquet(file)
    schema = table.schema_arrow
    name = vector_column(file, schema, column)
    if (dim := usual_length(table, name)) is None:
        raise InputError(f"column {name!r} of {file} holds no vectors")
    text = [field.name for field in schema if pa.types.is_string(field.type)]
    head = next(table.iter_batches(batch_size=BATCH_ROWS, columns=text)).to_pydict() if text else {}
    plan = plan_columns(schema, head, apart=[name], needs_picture=False)

    def batches() -> Iterator[tuple[pa.RecordBatch, pa.Array]]:
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(batch_size=BATCH_ROWS):
                yield batch, batch.column(name)

    return VectorFile(
        path=file.resolve(), dim=dim, n_rows=table.metadata.num_rows, plan=plan, batches=batches, missing=rules.missing
    )


def list_columns(schema: pa.Schema) -> list[str]:
    """Columns that hold lists of floats.

    >>> list_columns(pa.schema({"emb": pa.list_(pa.float32(), 4), "tags": pa.list_(pa.string())}))
    ['emb']
    """
    return [
        field.name
        for field in schema
        if (
            pa.types.is_list(field.type)
            or pa.types.is_large_list(field.type)
            or pa.types.is_fixed_size_list(field.type)
        )
        and pa.types.is_floating(field.type.value_type)
    ]


def vector_column(file: Path, schema: pa.Schema, wanted: str | None) -> str:
    """The column `wanted`, else one of `VECTOR_NAMES`, else the only one of lists of floats. Raises InputError where there is none."""
    lists = list_columns(schema)
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
        raise InputError(f"{file} has several columns of vectors ({', '.join(lists)}): name one of them as the column")
    raise InputError(
        f"{file} has no column of vectors among {', '.join(schema.names[:12])}: expected lists of floats, named for instance emb"
    )


def usual_length(table: pq.ParquetFile, name: str) -> int | None:
    """The most frequent length of the first lists of a column; None where there are none."""
    first = next(table.iter_batches(batch_size=BATCH_ROWS, columns=[name]), None)
    lengths = [] if first is None else pc.list_value_length(first.column(0)).drop_null().to_pylist()
    return max(set(lengths), key=lengths.count, default=None)


def open_array(file: Path) -> Float[np.ndarray, "n d"]:
    """A two-dimensional .npy array of floats, mapped from the disk. Raises InputError for a file that is none, or holds no number."""
    try:
        vectors = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file} is no .npy array of numbers: write one with numpy.save") from error
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.floating) or not vectors.size:
        raise InputError(
            f"{file} holds {vectors.dtype} of shape {vectors.shape}: expected floats of shape (pictures, numbers)"
        )
    found: Float[np.ndarray, "n d"] = vectors
    return found


def _open_npy(file: Path, metadata: Path | None, rules: TableRules) -> VectorFile:
    vectors = open_array(file)
    table = metadata or next((other for s in TABLE_SUFFIXES if (other := file.with_suffix(s)).exists()), None)
    if table is None:
        raise InputError(
            f"{file} says nothing of its rows: put a table beside it, {file.stem}.csv, or name one as the metadata"
        )
    n_rows, schema, read = _table(table, rules)
    if n_rows != len(vectors):
        raise InputError(
            f"{file} has {len(vectors)} vectors and {table} {n_rows} rows: they must be as many, in the same order"
        )
    plan = plan_columns(schema, {}, needs_picture=False)
    dim = vectors.shape[1]

    def batches() -> Iterator[tuple[pa.RecordBatch, pa.Array]]:
        start = 0
        for batch in read():
            for low, high in blocks(batch.num_rows, size=BATCH_ROWS):
                part = np.ascontiguousarray(vectors[start + low : start + high]).ravel()
                native = part.astype(part.dtype.newbyteorder("="), copy=False)
                yield batch.slice(low, high - low), pa.FixedSizeListArray.from_arrays(pa.array(native), dim)
            start += batch.num_rows

    return VectorFile(path=file.resolve(), dim=dim, n_rows=n_rows, plan=plan, batches=batches, missing=rules.missing)


def _table(path: Path, rules: TableRules) -> tuple[int, pa.Schema, Callable[[], Iterator[pa.RecordBatch]]]:
    if path.suffix.lower() == ".parquet":
        table = open_parquet(path)
        return table.metadata.num_rows, table.schema_arrow, lambda: table.iter_batches(BATCH_ROWS)
    text = open_delimited(str(path), rules, needs_picture=False)
    return text.n_rows, text.schema, text.batches


def open_parquet(path: Path) -> pq.ParquetFile:
    """A Parquet table. Raises InputError for a file that is none."""
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is no Parquet table ({' '.join(str(error).split())[:100]})") from error
