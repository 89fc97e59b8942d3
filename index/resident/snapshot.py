"""All rows of a store at one version, in depth-first order of the tree: what is searched, and what an index is built from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float16, Int32, Int64

from cladescope.index.resident.flat import Flat
from cladescope.index.resident.lineages import Lineages, numbered
from cladescope.index.resident.rows import Rows
from cladescope.index.store_reader import StoreReader
from cladescope.steps import step
from cladescope.taxonomy import RANKS


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Rows and their vectors; 2 n d bytes and what `Rows` takes."""

    version: int
    """Version of the store's `images` table."""
    rows: Rows
    flat: Flat

    @property
    def vectors(self) -> Float16[np.ndarray, "n d"]:
        """Unit vectors, as stored."""
        return self.flat.vectors

    @property
    def row_ids(self) -> Int64[np.ndarray, " n"]:
        """The store's name of each row."""
        return self.rows.row_ids

    @property
    def codes(self) -> Int32[np.ndarray, " n"]:
        """Number of each row's lineage."""
        return self.rows.codes

    @property
    def lineages(self) -> Lineages:
        """Distinct lineages."""
        return self.rows.lineages

    @property
    def table(self) -> pa.RecordBatch:
        """Metadata of each row."""
        return self.rows.table

    def __len__(self) -> int:
        return len(self.rows)

    def taken(self, positions: Int64[np.ndarray, " m"]) -> "Snapshot":
        """A copy of some of the rows, in the order of `positions`."""
        return Snapshot(self.version, self.rows.taken(positions), Flat.of(self.vectors[positions]))


def snapshot(
    store: StoreReader,
    *,
    condition: str | None = None,
    last: Callable[[pa.RecordBatch, Int32[np.ndarray, " n"]], Bool[np.ndarray, " n"]] | None = None,
) -> Snapshot:
    """Rows and vectors under a condition, all of one version, in depth-first order of the tree.

    `last` is given the metadata and the lineages' numbers and says which rows stand last, whatever their lineage. Memory: 2 n d
    bytes, and twice what `Rows` takes.
    """
    version = store.version
    reader = store.at(version)
    rows = read_metadata(reader, condition)
    order = np.argsort(rows.codes, kind="stable")
    if last is not None:
        behind = last(rows.table, rows.codes)
        order = np.lexsort((rows.codes, behind))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    flat = Flat.empty(len(rows), store.card.dim)
    done = 0
    with step("reading vectors", len(rows)) as tell:
        for row_ids, vectors in reader.vectors(condition=condition):
            assert np.array_equal(rows.row_ids[done : done + len(row_ids)], row_ids.astype(np.int64))
            flat.vectors[place[done : done + len(row_ids)]] = vectors
            done += len(row_ids)
            tell(done)
    return Snapshot(version, rows.taken(order), flat)


def read_metadata(reader: StoreReader, condition: str | None = None) -> Rows:
    """Everything but the vectors of a store's rows, in the order of insertion."""
    schema = _schema(reader)
    return _rows(pa.Table.from_batches(_cast(reader.scan(schema.names, condition=condition), schema), schema=schema))


def rows_of(reader: StoreReader, row_ids: Int64[np.ndarray, " m"]) -> Rows:
    """Everything but the vectors of some rows, in the order of `row_ids`; rows that are gone are left out."""
    schema = _schema(reader)
    found = reader.rows(row_ids.tolist(), [name for name in schema.names if name != "_rowid"])
    return _rows(pa.Table.from_pylist(found, schema=schema))


def _schema(reader: StoreReader) -> pa.Schema:
    fields = [_wide(field) for field in reader.schema if field.name != "vector"]
    return pa.schema([*fields, pa.field("_rowid", pa.uint64())])


def _rows(table: pa.Table) -> Rows:
    lineages, codes = numbered(table.select(list(RANKS)))
    row_ids = table.column("_rowid").to_numpy().astype(np.int64)
    metadata = table.drop_columns([*RANKS, "_rowid"]).combine_chunks()
    batches = metadata.to_batches() or [pa.RecordBatch.from_pylist([], schema=metadata.schema)]
    return Rows(row_ids, codes, lineages, batches[0])


def _wide(field: pa.Field) -> pa.Field:
    # One array of texts then holds more than 2 GB.
    return field.with_type(pa.large_string()) if pa.types.is_string(field.type) else field


def _cast(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch.select(schema.names).cast(schema)
