"""Exact search over a store that is larger than memory and has no index: every query reads all its vectors from the disk."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float32

from cladescope.index import exact as blocks
from cladescope.index.block import Block, Filter
from cladescope.index.found import Found
from cladescope.index.lineages import count_lineages
from cladescope.index.narrowing import condition_of
from cladescope.index.resident.flat import Flat
from cladescope.index.resident.snapshot import rows_of
from cladescope.index.store_reader import StoreReader
from cladescope.taxonomy import RANKS

ROW_BYTES = 400
"""What the metadata of a row takes in memory, about."""
SHARE = 2
"""A store of more than one part in so many of the memory that is free is not held in it."""
NOTE = "{path} has no index and is larger than the free memory: every query reads it from the disk; build an index"


def is_too_large(store: StoreReader) -> bool:
    """Whether vectors and metadata of a store take more memory than is there for them."""
    n, d = store.count(), store.card.dim
    return n * (2 * d + ROW_BYTES) * SHARE > free_bytes()


def free_bytes() -> int:
    """Memory that a process may take without others being moved to the disk."""
    try:
        with Path("/proc/meminfo").open() as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


class StreamedGallery:
    """Answers as `LiveGallery` does. Memory: a block of vectors and 24 q k bytes."""

    def __init__(self, store: StoreReader) -> None:
        self.store = store
        self.notes = (NOTE.format(path=store.path), *store.notes())

    def __len__(self) -> int:
        return self.store.count()

    def catch_up(self) -> bool:
        """Nothing is kept: what was written is read at the next query."""
        return True

    def search(
        self,
        queries: Float32[np.ndarray, "q d"],
        k: int,
        *,
        narrowed: Filter | None = None,
        exact: bool = False,
        composed: bool = False,
    ) -> Found:
        """The k best rows for each query, best first; exactly, whatever is asked."""
        condition = condition_of(self.store, narrowed)
        scores, row_ids = blocks.search(self.store.vectors(condition=condition), queries, k)
        ids = np.unique(row_ids)
        rows = rows_of(self.store, ids)
        positions = np.searchsorted(rows.row_ids, row_ids)
        short = ((0, 0), (0, k - scores.shape[1]))
        return Found(
            np.pad(scores, short, constant_values=-np.inf),
            np.pad(positions, short, constant_values=-1),
            "exact",
            (Block(rows, Flat.empty(len(rows), 0)),),
        )

    def count_lineages(self, narrowed: Filter | None = None) -> pa.Table:
        """Each lineage of the rows, or of those that a filter leaves, and their number, `n_images`."""
        return count_lineages(self.store.scan(list(RANKS), condition=condition_of(self.store, narrowed)))
