"""Contents that were encoded before, so that none is encoded twice: those of the store by the row that has them.

Nothing is read of a store but its content hashes, once; a known content then costs the reading of one row.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float, UInt64

from cladescope.embedding.sorted_rows import BLOCK_ROWS, UNKNOWN_ROW, are_merged, hashed

ROW_BITS = np.uint64(32)
MOST_ALIKE = 1024
"""So many rows of one fingerprint in a run are looked into."""


@runtime_checkable
class ContentStore(Protocol):
    """What `KnownContents` asks of a store."""

    def contents(self) -> Iterator[pa.RecordBatch]:
        """`content_hash` and `_rowid` of every stored picture."""

    def scan(self, columns: Sequence[str], *, condition: str | None = None) -> Iterator[pa.RecordBatch]:
        """Some columns of the stored pictures under a condition."""

    def vectors_by_content(
        self, hashes: Iterable[str], *, row_ids: Sequence[int] | None = None
    ) -> dict[str, Float[np.ndarray, " d"]]:
        """Stored vectors of pictures of the same content, among some rows or all."""


class KnownContents:
    """Vectors of contents that were encoded before, so that none is encoded twice. One thread may encode while another commits.

    Contents are sought by bisection, a batch at a time: microseconds, however many are stored, and the reading of one row for each that
    is known. Memory: 8 bytes a stored picture (32 bits of a fingerprint and 32 of a row id), and the vectors that wait for a commit.
    """

    def __init__(self, store: ContentStore) -> None:
        """Reads the content hashes of `store`."""
        self._store, self._next = store, 0
        self._runs: list[UInt64[np.ndarray, " n"]] = []
        self._waiting: dict[str, Float[np.ndarray, " d"]] = {}
        self._lock = threading.Lock()
        self._take_in(store.contents())

    def vectors(self, contents: Set[str]) -> Mapping[str, Float[np.ndarray, " d"]]:
        """The vectors of those contents that have one: at hand where they wait for a commit, else from the store."""
        with self._lock:
            found = {content: self._waiting[content] for content in contents & self._waiting.keys()}
        rows = self._rows(sorted(contents - found.keys()))
        # One row of each first: others of the same fingerprint are copies of it, nearly always.
        found |= self._read({content: alike[:1] for content, alike in rows.items()})
        found |= self._read({content: alike[1:] for content, alike in rows.items() if content not in found})
        return found

    def encoded(self, contents: Iterable[str], vectors: Iterable[Float[np.ndarray, " d"]]) -> None:
        """Note what was encoded and is not stored yet."""
        with self._lock:
            self._waiting |= dict(zip(contents, vectors, strict=True))

    def committed(self, contents: Iterable[str]) -> None:
        """Of what was noted, these are stored now."""
        self._take_in(self._store.scan(["content_hash", "_rowid"], condition=f"_rowid >= {self._next}"))
        with self._lock:
            for content in contents:
                self._waiting.pop(content, None)

    def _take_in(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Note the rows of some contents."""
        blocks: list[UInt64[np.ndarray, " b"]] = []
        large: list[UInt64[np.ndarray, " b"]] = []
        for batch in batches:
            rows = batch.column("_rowid").to_numpy()
            if len(rows):
                self._next = max(self._next, int(rows.max()) + 1)
            hashes = batch.column("content_hash")
            there = hashes.is_valid().to_numpy(zero_copy_only=False)
            kept = np.minimum(rows[there], np.uint64(UNKNOWN_ROW))
            blocks.append((_key(hashes.drop_null()) << ROW_BITS) | kept)
            if sum(map(len, blocks)) >= BLOCK_ROWS:
                large.append(np.concatenate(blocks))
                blocks = []
        run = np.concatenate([np.empty(0, np.uint64), *large, *blocks])
        del large, blocks
        run.sort()
        runs = [*self._runs, run]
        while len(runs) > 2 and are_merged(len(runs[-2]), len(runs[-1])):
            runs[-2:] = [np.sort(np.concatenate(runs[-2:]))]
        self._runs = runs  # a thread may look into those that were

    def _rows(self, contents: Sequence[str]) -> dict[str, list[int]]:
        """The rows that may have each content, by its fingerprint; contents without any are left out."""
        least = _key(pa.array(contents, pa.string())) << ROW_BITS
        found: dict[str, list[int]] = {}
        for run in self._runs:
            starts, ends = np.searchsorted(run, least), np.searchsorted(run, least | np.uint64(UNKNOWN_ROW), "right")
            for place in np.flatnonzero(ends > starts).tolist():
                alike = run[starts[place] : ends[place]][:MOST_ALIKE] & np.uint64(UNKNOWN_ROW)
                found.setdefault(contents[place], []).extend(alike.tolist())
        return found

    def _read(self, rows: Mapping[str, Sequence[int]]) -> dict[str, Float[np.ndarray, " d"]]:
        """The vectors of those contents that some of these rows have."""
        named = sorted({row for alike in rows.values() for row in alike})
        found: dict[str, Float[np.ndarray, " d"]] = {}
        if named and named[-1] == UNKNOWN_ROW:
            found |= self._store.vectors_by_content(
                [content for content, alike in rows.items() if UNKNOWN_ROW in alike]
            )
            named.pop()
        if named:
            found |= self._store.vectors_by_content(rows.keys(), row_ids=named)
        return found


def _key(contents: pa.Array) -> UInt64[np.ndarray, " n"]:
    return hashed(contents) >> ROW_BITS
