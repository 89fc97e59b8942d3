"""What a store says of the rows that are searched, in their order: row ids, lineages, metadata; in memory or mapped from files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int32, Int64

from cladescope.errors import StoreError
from cladescope.index.resident.lineages import Lineages
from cladescope.taxonomy import Taxon

ROW_IDS, CODES, TABLE, LINEAGES = "row_ids.npy", "codes.npy", "rows.arrow", "lineages.arrow"
FILES = (ROW_IDS, CODES, TABLE, LINEAGES)
"""What `write_rows` writes."""


@dataclass(frozen=True, eq=False)
class Rows:
    """n rows; a row's position is its place here. Some 12 bytes a row beside `table`."""

    row_ids: Int64[np.ndarray, " n"]
    codes: Int32[np.ndarray, " n"]
    """Number of each row's lineage in `lineages`."""
    lineages: Lineages
    table: pa.RecordBatch
    """Every column but `vector` and the seven ranks; texts are `large_string`."""

    def __len__(self) -> int:
        return len(self.row_ids)

    def taxon(self, position: int) -> Taxon | None:
        """The taxon of a row, or None."""
        return self.lineages.taxon(int(self.codes[position]))

    def values(self, positions: Int64[np.ndarray, " m"], columns: list[str]) -> dict[str, list[Any]]:
        """Some columns of some rows, as Python values."""
        there = self.table.schema.names
        taken = self.table.select([name for name in columns if name in there]).take(pa.array(positions))
        found: dict[str, list[Any]] = taken.to_pydict()
        return {name: found.get(name, [None] * len(positions)) for name in columns}

    def taken(self, positions: Int64[np.ndarray, " m"]) -> "Rows":
        """Some of the rows, in the order of `positions`."""
        return Rows(self.row_ids[positions], self.codes[positions], self.lineages, self.table.take(pa.array(positions)))


def write_rows(paths: Mapping[str, Path], rows: Rows) -> None:
    """Write the four files of `FILES` to the places named."""
    np.save(paths[ROW_IDS], rows.row_ids)
    np.save(paths[CODES], rows.codes)
    lineages = rows.lineages.table.combine_chunks()
    batch = (lineages.to_batches() or [pa.RecordBatch.from_pylist([], schema=lineages.schema)])[0]
    for name, written in ((TABLE, rows.table), (LINEAGES, batch)):
        with pa.OSFile(str(paths[name]), "wb") as file, pa.ipc.new_file(file, written.schema) as writer:
            writer.write_batch(written)


def read_rows(paths: Mapping[str, Path]) -> Rows:
    """The rows that `write_rows` wrote, mapped into memory: nothing is read before it is asked for.

    Raises StoreError where the files do not belong together, OSError or ValueError where one cannot be read.
    """
    row_ids = np.load(paths[ROW_IDS], mmap_mode="r", allow_pickle=False)
    codes = np.load(paths[CODES], mmap_mode="r", allow_pickle=False)
    table, lineages = (_mapped(paths[name]) for name in (TABLE, LINEAGES))
    if (row_ids.dtype, codes.dtype) != (np.int64, np.int32) or not len(row_ids) == len(codes) == table.num_rows:
        raise StoreError(f"the files in {paths[TABLE].parent} differ in length: build the index again")
    return Rows(np.asarray(row_ids), np.asarray(codes), Lineages(pa.Table.from_batches([lineages])), table)


def _mapped(path: Path) -> pa.RecordBatch:
    return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
