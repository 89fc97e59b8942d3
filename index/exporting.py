"""A store's rows as files that other programs read: Parquet, CSV, or vectors in NumPy's format with a table beside them.

Rows come in the store's order; nothing is held but a block of them. Each has its licence and its `attribution`.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cladescope.errors import InputError
from cladescope.files import is_new_folder, replacing
from cladescope.index.darwin_core import write_archive
from cladescope.index.store import Store
from cladescope.index.vector_block import vector_block

Format = Literal["parquet", "csv", "npy", "dwca"]
FORMATS: tuple[Format, ...] = get_args(Format)
ATTRIBUTION = "attribution"
BLOCK_ROWS = 1 << 12


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written."""

    out: Path
    files: tuple[str, ...]
    rows: int
    without_licence: int
    """Rows of which the store knows no licence: whether they may be passed on must be asked elsewhere."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "out": str(self.out)}


def export_store(
    store: Store,
    out: Path,
    *,
    format: Format = "parquet",
    within: str | Sequence[str] | None = None,
    where: str | None = None,
) -> Exported:
    """Write rows of a store to the new folder `out`, whole or not at all.

    `parquet` is `pictures.parquet` with all columns and `vector` as float32; `csv` is `pictures.csv` without vectors; `npy` is
    that and `vectors.npy`, float32 of shape (n, d), of which row i is line i of the table; `dwca` is a Darwin Core archive of
    occurrences and pictures (`darwin_core`), without vectors. A list in a cell of CSV is JSON.
    `attribution` is added: the rights holder and the licence.

    Raises InputError for another format, a folder that holds something, or a condition that cannot be used.
    """
    if format not in FORMATS:
        raise InputError(f"found format {format!r}, expected one of {', '.join(FORMATS)}")
    if not is_new_folder(out):
        raise InputError(f"{out} is there already: name a new folder")
    pinned = Store.open(store.path, version=store.version)
    condition = pinned.condition(within=within, where=where)
    n_rows = pinned.count(within=within, where=where)
    if not n_rows:
        raise InputError(f"no row of {store.path} meets the conditions: nothing to export")
    blocks = _blocks(pinned, condition, with_vectors=format in ("parquet", "npy"))
    with replacing(out) as draft:
        draft.mkdir()
        writers = {"parquet": _write_parquet, "csv": _write_csv, "npy": _write_npy, "dwca": write_archive}
        without = writers[format](draft, blocks, n_rows, pinned.card.dim)
        files = tuple(sorted(path.name for path in draft.iterdir()))
    return Exported(out=out, files=files, rows=n_rows, without_licence=without)


def attribution(rights_holder: str | None, licence: str | None) -> str | None:
    """Whom to name with a picture, and its licence; None where neither is known.

    >>> attribution("Jane Roe", "CC BY 4.0"), attribution(None, "CC0"), attribution(None, None)
    ('Jane Roe, CC BY 4.0', 'CC0', None)
    """
    return ", ".join(filter(None, (rights_holder, licence))) or None


def _blocks(store: Store, condition: str | None, *, with_vectors: bool) -> Iterator[pa.RecordBatch]:
    """Rows in the store's order, with their attribution; `vector` is the last column."""
    names = [name for name in store.schema.names if name != "vector"]
    for batch in store.scan([*names, "vector"] if with_vectors else names, condition=condition, block_rows=BLOCK_ROWS):
        table = batch.select(names)
        if ATTRIBUTION not in names:
            pairs = zip(batch.column("rights_holder").to_pylist(), batch.column("licence").to_pylist(), strict=True)
            table = table.append_column(ATTRIBUTION, pa.array([attribution(*pair) for pair in pairs], pa.string()))
        if with_vectors:
            table = table.append_column("vector", batch.column("vector"))
        yield table


def _write_parquet(draft: Path, blocks: Iterator[pa.RecordBatch], n_rows: int, dim: int) -> int:
    without, writer = 0, None
    try:
        for batch in blocks:
            vectors = pa.array(vector_block(batch).astype(np.float32).ravel())
            column = pa.FixedSizeListArray.from_arrays(vectors, dim)
            whole = batch.drop_columns(["vector"]).append_column("vector", column)
            writer = writer or pq.ParquetWriter(draft / "pictures.parquet", whole.schema)
            writer.write_batch(whole)
            without += batch.column("licence").null_count
    finally:
        if writer is not None:
            writer.close()
    return without


def _write_csv(draft: Path, blocks: Iterator[pa.RecordBatch], n_rows: int, dim: int) -> int:
    without, started = 0, False
    with (draft / "pictures.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for batch in blocks:
            names = [name for name in batch.schema.names if name != "vector"]
            if not started:
                writer.writerow(names)
                started = True
            columns = [[_cell(value) for value in batch.column(name).to_pylist()] for name in names]
            writer.writerows(zip(*columns, strict=True))
            without += batch.column("licence").null_count
    return without


def _write_npy(draft: Path, blocks: Iterator[pa.RecordBatch], n_rows: int, dim: int) -> int:
    vectors = np.lib.format.open_memmap(draft / "vectors.npy", "w+", np.dtype(np.float32), (n_rows, dim))

    def filling() -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in blocks:
            vectors[start : start + batch.num_rows] = vector_block(batch)
            start += batch.num_rows
            yield batch

    without = _write_csv(draft, filling(), n_rows, dim)
    vectors.flush()
    return without


def _cell(value: object) -> object:
    return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, list | dict) else value
