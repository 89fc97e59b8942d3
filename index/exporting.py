"""A store's rows as files that other programs read: Parquet, CSV, or vectors in NumPy's format with a table beside them.

Rows come in the store's order; nothing is held but a block of them. Each has its licence and its `attribution`, a region of a
picture also the picture and the box. Beside a table stands what it holds, as Croissant (`croissant`).
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cladescope.embedding.regions import split_region, written
from cladescope.errors import InputError
from cladescope.files import replacing, write_json
from cladescope.index import croissant
from cladescope.index.croissant import Rights
from cladescope.index.darwin_core import Archive, write_archive
from cladescope.index.store import Store
from cladescope.index.vector_block import vector_block
from cladescope.outputs import check_new_folder
from cladescope.shown import formula_safe
from cladescope.steps import counted_rows

Format = Literal["parquet", "csv", "npy", "croissant", "dwca"]
FORMATS: tuple[Format, ...] = get_args(Format)
ATTRIBUTION, PARENT, BOX = "attribution", "parent_uri", "box"
"""Columns that are added: whom to name; of a region the picture, and `x,y,width,height` in pixels or shares of its sides."""
FILES = (
    *("pictures.parquet", "pictures.csv", "vectors.npy", croissant.NAME),
    *("occurrence.txt", "multimedia.txt", "meta.xml"),
)
"""What an export may consist of."""
BLOCK_ROWS = 1 << 12
OWN_VECTORS = "those of the store's own encoder"
_REGIONS = "uri LIKE '%#box=%'"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written."""

    out: Path
    files: tuple[str, ...]
    rows: int
    without_licence: int
    """Rows of which the store knows no licence: whether they may be passed on must be asked elsewhere."""
    guarded_cells: int = 0
    """Cells before whose text an apostrophe was put, so that no spreadsheet runs it."""
    split_occurrences: int = 0
    """Occurrences of an archive that were made since pictures of one observation are labelled or described otherwise."""
    flattened_texts: int = 0
    """Texts of an archive in which a tab or line break became a blank."""
    left_out_columns: tuple[str, ...] = ()
    """Columns for which Darwin Core has no term that an archive writes."""
    vectors: str | None = None
    """Name of the vectors that were written, where they are not the store's own."""
    notes: tuple[str, ...] = ()
    """Pictures without such a vector, and vectors that were not written."""
    not_said: tuple[str, ...] = ()
    """What Croissant asks of a data set and neither the store nor the caller says."""

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
    safe_csv: bool = False,
    about: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write rows of a store to the new folder `out`, whole or not at all.

    `parquet` is `pictures.parquet` with all columns and `vector` as float32; `csv` is `pictures.csv` without vectors; `npy` is
    that and `vectors.npy`, float32 of shape (n, d), of which row i is line i of the table; `dwca` is a Darwin Core archive of
    occurrences and pictures (`darwin_core`), without vectors. A list in a cell of CSV is JSON. `croissant.json` describes the
    files of all but the last; `croissant` is `parquet` by another name. `about` are properties of the data set for it.
    `attribution` is added: the rights holder and the licence. So are `parent_uri` and `box` where a row is a region.

    A store that is open for vectors of a name has them as `vector`. `safe_csv` puts an apostrophe before each text that a spreadsheet could run (`shown.formula_safe`).

    Raises InputError for another format, a folder that holds something, or a condition that cannot be used; TakenError where an
    earlier export is there and `overwrite` is not set.
    """
    if format not in FORMATS:
        raise InputError(f"found format {format!r}, expected one of {', '.join(FORMATS)}")
    if safe_csv and format not in ("csv", "npy"):
        raise InputError(f"safe_csv is of the formats csv and npy: {format} is opened by no spreadsheet")
    if about and format == "dwca":
        raise InputError("about is for croissant.json, which an archive of Darwin Core does not have: leave it out")
    with_vectors = format in ("parquet", "npy", "croissant")
    if store.vectors_name is not None and not with_vectors:
        raise InputError(f"vectors are of the formats parquet and npy: {format} has none")
    check_new_folder(out, what="export", names=FILES, overwrite=overwrite)
    pinned = Store.open(store.path, version=store.version, vectors=store.vectors_name)
    condition = pinned.condition(within=within, where=where)
    n_rows = pinned.count(within=within, where=where)
    if not n_rows:
        raise InputError(f"no row of {store.path} meets the conditions: nothing to export")
    rights, missing = Rights(), tuple[str, ...]()
    blocks = _blocks(pinned, condition, rights, with_vectors=with_vectors)
    guarded, archive = Counter[str](), Archive(0, 0, ())
    with replacing(out, over=overwrite) as draft:
        draft.mkdir()
        if format == "dwca":
            archive = write_archive(draft, blocks)
        else:
            schema = _write_table(draft, blocks, format, (n_rows, pinned.card.dim), guarded if safe_csv else None)
            document, missing = croissant.describe(
                draft, schema, n_rows=n_rows, rights=rights, card=pinned.card, store=store.path.stem,
                version=pinned.version, vectors=pinned.vectors_name, about=about or {},
            )  # fmt: skip
            write_json(draft / croissant.NAME, document)
        files = tuple(sorted(path.name for path in draft.iterdir()))
    return Exported(
        out=out,
        files=files,
        rows=n_rows,
        without_licence=rights.without_licence,
        guarded_cells=guarded.total(),
        split_occurrences=archive.split,
        flattened_texts=archive.flattened,
        left_out_columns=archive.left_out,
        vectors=pinned.vectors_name,
        notes=_vector_notes(pinned, condition) if with_vectors else (),
        not_said=missing,
    )


def attribution(rights_holder: str | None, licence: str | None) -> str | None:
    """Whom to name with a picture, and its licence; None where neither is known.

    >>> attribution("Jane Roe", "CC BY 4.0"), attribution(None, "CC0"), attribution(None, None)
    ('Jane Roe, CC BY 4.0', 'CC0', None)
    """
    return ", ".join(filter(None, (rights_holder, licence))) or None


def _vector_notes(store: Store, condition: str | None) -> tuple[str, ...]:
    """What of the store's vectors is not among those that are written."""
    own = [] if store.vectors_name is None else [OWN_VECTORS]
    others = [*own, *(name for name in store.named if name != store.vectors_name)]
    left = (f"vectors left out: {', '.join(others)} (vectors=NAME writes others)",) if others else ()
    return (*store.notes(condition), *left)


def _blocks(store: Store, condition: str | None, rights: Rights, *, with_vectors: bool) -> Iterator[pa.RecordBatch]:
    """Rows in the store's order, with what is added to them; `vector` is the last column. Whose they are is counted."""
    names = [name for name in store.schema.names if name != "vector"]
    has_regions = store.count(where=_REGIONS) > 0
    columns = [*names, "vector"] if with_vectors else names
    batches = store.scan(columns, condition=condition, block_rows=BLOCK_ROWS)
    for batch in counted_rows(batches, "writing rows", store.count_rows(condition)):
        rights.add(batch)
        pairs = zip(batch.column("rights_holder").to_pylist(), batch.column("licence").to_pylist(), strict=True)
        added = {ATTRIBUTION: [attribution(*pair) for pair in pairs]}
        if has_regions:
            places = [split_region(uri) for uri in batch.column("uri").to_pylist()]
            added[PARENT] = [parent for parent, _ in places]
            added[BOX] = [None if box is None else written(box) for _, box in places]
        table = batch.select(names)
        for name, values in added.items():
            if name not in names:
                table = table.append_column(name, pa.array(values, pa.string()))
        if with_vectors:
            table = table.append_column("vector", batch.column("vector"))
        yield table


def _write_table(
    draft: Path,
    blocks: Iterator[pa.RecordBatch],
    format: Format,
    shape: tuple[int, int],
    guarded: "Counter[str] | None",
) -> pa.Schema:
    """Write the files of a format; the columns of its table. With `guarded` cells are made safe, and counted by column."""
    if format == "csv":
        return _write_csv(draft, blocks, guarded)
    return _write_npy(draft, blocks, shape, guarded) if format == "npy" else _write_parquet(draft, blocks, shape[1])


def _write_parquet(draft: Path, blocks: Iterator[pa.RecordBatch], dim: int) -> pa.Schema:
    writer = None
    try:
        for batch in blocks:
            vectors = pa.array(vector_block(batch).astype(np.float32).ravel())
            column = pa.FixedSizeListArray.from_arrays(vectors, dim)
            whole = batch.drop_columns(["vector"]).append_column("vector", column)
            writer = writer or pq.ParquetWriter(draft / "pictures.parquet", whole.schema)
            writer.write_batch(whole)
    finally:
        if writer is not None:
            writer.close()
    assert writer is not None  # there is at least one row
    return writer.schema


def _write_csv(draft: Path, blocks: Iterator[pa.RecordBatch], guarded: "Counter[str] | None") -> pa.Schema:
    schema = pa.schema([])
    with (draft / "pictures.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for batch in blocks:
            names = [name for name in batch.schema.names if name != "vector"]
            if not schema.names:
                schema = pa.schema([batch.schema.field(name) for name in names])
                writer.writerow(names if guarded is None else [_guarded(name, "header", guarded) for name in names])
            columns = [[_cell(value) for value in batch.column(name).to_pylist()] for name in names]
            if guarded is not None:
                pairs = zip(names, columns, strict=True)
                columns = [[_guarded(cell, name, guarded) for cell in column] for name, column in pairs]
            writer.writerows(zip(*columns, strict=True))
    return schema


def _write_npy(
    draft: Path, blocks: Iterator[pa.RecordBatch], shape: tuple[int, int], guarded: "Counter[str] | None"
) -> pa.Schema:
    vectors = np.lib.format.open_memmap(draft / "vectors.npy", "w+", np.dtype(np.float32), shape)

    def filling() -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in blocks:
            vectors[start : start + batch.num_rows] = vector_block(batch)
            start += batch.num_rows
            yield batch

    schema = _write_csv(draft, filling(), guarded)
    vectors.flush()
    return schema


def _cell(value: object) -> object:
    return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, list | dict) else value


def _guarded(cell: object, column: str, guarded: "Counter[str]") -> object:
    safe = formula_safe(cell)
    guarded[column] += safe != cell
    return safe
