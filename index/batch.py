"""Answers to many queries at once, as arrays and as one table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int64

from cladescope.index.found import Found
from cladescope.taxonomy import RANKS

COLUMNS = ("image_id", "uri", *RANKS, "common_name")
"""What the table says of every hit, beside `query`, `position` and `score`."""


@dataclass(frozen=True, eq=False)
class BatchResult:
    """The hits of q queries; 12 q k bytes."""

    found: Found
    notes: tuple[str, ...] = ()
    """What a user should know of the answer, one line each."""

    @property
    def scores(self) -> Float32[np.ndarray, "q k"]:
        """Cosines, best first; -inf where fewer were found."""
        return self.found.scores

    @property
    def row_ids(self) -> Int64[np.ndarray, "q k"]:
        """The store's names of the rows; -1 where fewer were found."""
        ids = np.full(self.found.positions.shape, -1, np.int64)
        there = self.found.positions >= 0
        ids[there] = self.found.row_ids(self.found.positions[there])
        return ids

    @property
    def method(self) -> str:
        """`exact`, or the kind of the index that answered."""
        return self.found.method

    def __len__(self) -> int:
        return len(self.found.scores)

    def to_arrow(self, columns: Sequence[str] = COLUMNS, *, first: int = 0) -> pa.Table:
        """One row a hit: `query` (its number, the first being `first`), `position` from 1, `score`, and columns of the store."""
        there = self.found.positions >= 0
        queries, places = np.nonzero(there)
        said = self.found.table(self.found.positions[there], columns)
        own = {
            "query": pa.array(queries + first, pa.int64()),
            "position": pa.array(places + 1, pa.int64()),
            "score": pa.array(self.found.scores[there]),
        }
        return pa.table({**own, **{name: said.column(name) for name in columns}})
