"""Many queries searched one after another, and their hits as one table, made as they are asked for."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cladescope.embedding.summary import Progress
from cladescope.errors import InputError
from cladescope.files import replacing
from cladescope.index.batch import COLUMNS
from cladescope.index.queries import Queries
from cladescope.index.searcher import Searcher

BLOCK_QUERIES = 1024
BLOCK_HITS = 1 << 17
"""So many queries are searched together, or fewer where they have so many hits."""
SUFFIXES = (".arrow", ".parquet")
"""What a table of hits may be written to: Arrow's file format (IPC) or Parquet."""


@dataclass(eq=False)
class BatchSearch:
    """The hits of many queries: iterate over it for tables of them, in the order of the queries, best first.

    A row is a hit: `query` (row number from 0, or the picture's address), `position` from 1, `score`, `image_id`, `uri`, the
    seven ranks and `common_name`. Each iteration searches anew. Memory: a block of queries and of hits.
    """

    searcher: Searcher = field(repr=False)
    queries: Queries
    k: int
    within: str | Sequence[str] | None = None
    where: str | None = None
    exact: bool = False
    min_score: float | None = None
    keep_query: bool = True
    """Whether a picture that is stored may be among its own hits."""
    strict: bool = False
    """Whether a query that cannot be used is an error."""
    progress: Callable[[Progress], None] | None = field(default=None, repr=False)
    failures: list[str] = field(default_factory=list)
    """Of each query that cannot be used its row or address, and why; whole after an iteration."""
    notes: tuple[str, ...] = ()
    """What a user should know of queries and answers, in lines; whole after an iteration."""
    method: str = "exact"
    """`exact`, or the kind of the index that answered; known after an iteration."""
    n_queries: int = 0
    """Queries that were searched; and their hits. Whole after an iteration."""
    n_hits: int = 0
    own_left_out: int = 0
    """Rows of the query's own file that would have been among its hits, without `keep_query`."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        kind = pa.string() if self.queries.is_pictures else pa.int64()
        own = [("query", kind), ("position", pa.int64()), ("score", pa.float32())]
        return pa.schema([*own, *((name, pa.string()) for name in COLUMNS)])

    def __iter__(self) -> Iterator[pa.Table]:
        self.failures.clear()
        self.notes, self.n_queries, self.n_hits, self.own_left_out = (), 0, 0, 0
        began, told = time.monotonic(), tuple[str, ...]()
        for block in self.queries.blocks(max(1, min(BLOCK_QUERIES, BLOCK_HITS // self.k))):
            if self.strict and block.failures:
                raise InputError(f"{self.queries.name}: {block.failures[0]}")
            self.failures += block.failures
            if len(block.vectors):
                found = self.searcher.search_batch(
                    block.vectors, k=self.k + self._leaves_out, within=self.within, where=self.where, exact=self.exact
                )
                self.method, told = found.method, found.notes
                table = self._named(found.to_arrow(), block.names)
                self.n_queries += len(block.vectors)
                self.n_hits += table.num_rows
                yield table
            if self.progress is not None:
                done, seconds = self.n_queries + len(self.failures), time.monotonic() - began
                self.progress(Progress(done, self.queries.total, self.n_queries, len(self.failures), seconds))
        self.notes = (*self.queries.notes(), *told)
        if not self.n_queries and not self.failures:
            raise InputError(f"{self.queries.name} has no query: give at least one")
        if not self.n_queries:
            raise InputError(
                f"none of the {len(self.failures):,} queries of {self.queries.name} can be used, the first: {self.failures[0]}"
            )

    def to_arrow(self) -> pa.Table:
        """All hits in one table."""
        return pa.concat_tables(self)

    def write(self, path: Path) -> None:
        """Write all hits to an .arrow or .parquet file, in one step at the end. Raises InputError for another ending."""
        check_suffix(path)
        with replacing(path) as draft:
            if path.suffix.lower() == ".parquet":
                with pq.ParquetWriter(draft, self.schema) as writer:
                    for table in self:
                        writer.write_table(table)
            else:
                with pa.OSFile(str(draft), "wb") as file, pa.ipc.new_file(file, self.schema) as stream:
                    for table in self:
                        stream.write_table(table)

    def _named(self, hits: pa.Table, names: pa.Array) -> pa.Table:
        """Hits of a block under the names of their queries, without those below the score, in the types of `schema`."""
        if self.min_score is not None:
            hits = hits.filter(pc.greater_equal(hits.column("score").cast(pa.float64()), self.min_score))
        if self._leaves_out:
            hits = self._without_own(hits, names)
        return hits.set_column(0, "query", names.take(hits.column("query"))).cast(self.schema)

    @property
    def _leaves_out(self) -> bool:
        """Whether one hit more is asked for, in place of the query itself."""
        return self.queries.is_pictures and not self.keep_query

    def _without_own(self, hits: pa.Table, names: pa.Array) -> pa.Table:
        """The first k hits of each query among those of other addresses than its own; an address that is stored twice leaves k - 1."""
        queries = hits.column("query").to_numpy()
        are_own = pc.equal(names.take(hits.column("query")), hits.column("uri").cast(names.type)).to_numpy(
            zero_copy_only=False
        )
        n_before = np.cumsum(are_own) - are_own
        first = np.searchsorted(queries, queries)
        positions = np.arange(len(queries)) - first + 1 - (n_before - n_before[first])
        kept = ~are_own & (positions <= self.k)
        self.own_left_out += int((are_own & (positions <= self.k)).sum())
        return hits.set_column(1, "position", pa.array(positions, pa.int64())).filter(pa.array(kept))


def check_suffix(path: Path) -> None:
    """Raise InputError where a file's ending is none that hits are written to.

    >>> check_suffix(Path("hits.xlsx"))
    Traceback (most recent call last):
    cladescope.errors.InputError: found the ending of hits.xlsx: expected .arrow or .parquet
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"found the ending of {path.name}: expected {' or '.join(SUFFIXES)}")
