"""Exact search over vectors of 16 bits that lie in memory, or in a file mapped into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32, Int64

from cladescope.arrays import blocks, merge_top_k
from cladescope.index.late_faiss import faiss
from cladescope.index.resident.selection import Selection

BLOCK_BYTES = 1 << 24
"""Vectors that are float32 at a time."""
FEW_NUMBERS = 1 << 22
"""Up to so many numbers (8,000 vectors of 512) NumPy compares with a few queries sooner than FAISS is loaded."""
FEW_QUERIES = 4
SCAN, ASK, COPY, PRODUCT = 0.2, 1.5, 5.0, 0.05
"""Nanoseconds, measured: to compare a 16-bit number where it lies, to ask of a row whether it is selected, to make a number
float32, and to multiply one that is."""


class Flat:
    """Vectors that are compared one by one; 2 n d bytes, in memory or mapped."""

    def __init__(self, vectors: Float16[np.ndarray, "n d"], quantizer: Any = None) -> None:
        """Over vectors, and the `faiss.IndexScalarQuantizer` in which they lie, if they do."""
        self.vectors = vectors
        """The vectors where they lie, not a copy."""
        self._quantizer = quantizer

    @classmethod
    def over(cls, quantizer: Any) -> "Flat":
        """Over a `faiss.IndexScalarQuantizer` of float16: a graph's own storage, a re-ranker's, or one of its own."""
        d = quantizer.d
        codes = (
            faiss.rev_swig_ptr(quantizer.codes.data(), quantizer.codes.size())
            if quantizer.ntotal
            else np.empty(0, "u1")
        )
        return cls(codes.view(np.float16).reshape(quantizer.ntotal, d), quantizer)

    @classmethod
    def empty(cls, n: int, d: int) -> "Flat":
        """Room for n vectors of d numbers, to be filled through `vectors`."""
        if n * d <= FEW_NUMBERS:
            return cls(np.empty((n, d), np.float16))
        quantizer = faiss.IndexScalarQuantizer(d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        quantizer.codes.resize(n * d * 2)
        quantizer.ntotal = n
        return cls.over(quantizer)

    @classmethod
    def of(cls, vectors: Float16[np.ndarray, "n d"]) -> "Flat":
        """A copy of some vectors."""
        flat = cls.empty(*vectors.shape)
        flat.vectors[:] = vectors
        return flat

    def __len__(self) -> int:
        return len(self.vectors)

    def search(
        self, queries: Float32[np.ndarray, "q d"], k: int, selection: Selection | None = None
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        """Scores and positions of the k best for each query among those selected, best first; -inf and -1 where there are fewer.

        Equal scores come in the order of positions. Memory: `BLOCK_BYTES` and 24 q k bytes.

        >>> flat = Flat.of(np.eye(3, dtype=np.float16))
        >>> flat.search(np.array([[0.6, 0.8, 0.0]], np.float32), 2, Selection(3, ranges=[(1, 3)]))[1]
        array([[1, 2]])
        """
        queries = np.ascontiguousarray(queries, np.float32)
        scores, found = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        n = len(self) if selection is None else selection.n
        if n and len(queries):
            asked = 0 if selection is None else ASK * len(self)
            numbers = n * self.vectors.shape[1]
            if len(queries) <= FEW_QUERIES and numbers <= FEW_NUMBERS:
                scores, found = self._by_numpy(queries, k, selection)
            # One query reads the 16-bit numbers where they lie; for many, or for few rows, a float32 copy is faster.
            elif len(queries) * (asked + SCAN * numbers) < numbers * (COPY + PRODUCT * len(queries)):
                scores, found = self._as_they_lie(queries, k, selection)
            else:
                scores, found = self._by_blocks(queries, k, selection)
        return filled(scores, found, k)

    def _as_they_lie(
        self, queries: Float32[np.ndarray, "q d"], k: int, selection: Selection | None
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        parameters = None if selection is None else faiss.SearchParameters(sel=selection.faiss())
        with threads(1 if len(queries) == 1 else None):
            scores, found = self._as_faiss().search(queries, min(k, len(self)), params=parameters)
        return merge_top_k(scores, found, k)

    def _as_faiss(self) -> Any:
        """The vectors as FAISS's; those that do not lie in such an index are copied into one, once: 2 n d bytes more."""
        if self._quantizer is None:
            n, d = self.vectors.shape
            self._quantizer = faiss.IndexScalarQuantizer(d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
            if n:
                self._quantizer.add_sa_codes(self.vectors.view(np.uint8))
        return self._quantizer

    @cached_property
    def _wide(self) -> Float32[np.ndarray, "n d"]:
        """The vectors as float32, of which one query after another is compared; to make it takes twenty times as long as a comparison."""
        return self.vectors.astype(np.float32)

    def _by_numpy(
        self, queries: Float32[np.ndarray, "q d"], k: int, selection: Selection | None
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        """A sum for each pair, row by row, so that equal vectors have equal scores; memory: 4 n d bytes, which a search of all keeps."""
        if selection is None:
            positions, rows = np.arange(len(self)), self._wide
        else:
            positions = selection.positions
            rows = self._wide[positions] if "_wide" in vars(self) else self.vectors[positions].astype(np.float32)
        scores = np.einsum("qd,nd->qn", queries, rows)
        return merge_top_k(scores, np.broadcast_to(positions, scores.shape), k)

    def _by_blocks(
        self, queries: Float32[np.ndarray, "q d"], k: int, selection: Selection | None
    ) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
        n = len(self) if selection is None else selection.n
        best = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
        for start, stop in blocks(n, size=max(1, BLOCK_BYTES // (4 * self.vectors.shape[1]))):
            if selection is None:
                base, rows = start, self.vectors[start:stop]
                positions = None
            elif selection.is_range:
                assert selection.ranges is not None
                base = selection.ranges[0][0] + start
                rows, positions = self.vectors[base : base + stop - start], None
            else:
                positions = selection.positions[start:stop]
                base, rows = 0, self.vectors[positions]
            block = rows.astype(np.float32)
            scores, places = faiss.knn(queries, block, min(k, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
            found = places + base if positions is None else positions[places]
            best = merge_top_k(np.concatenate([best[0], scores], axis=1), np.concatenate([best[1], found], axis=1), k)
        return best


@contextmanager
def threads(n: int | None) -> Iterator[None]:
    """Have FAISS use so many threads, or as many as before: for one query others only wait, and cost more than they give."""
    before = faiss.omp_get_max_threads()
    if n is None or n == before:
        yield
        return
    faiss.omp_set_num_threads(n)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def filled(
    scores: Float32[np.ndarray, "q m"], found: Int64[np.ndarray, "q m"], k: int
) -> tuple[Float32[np.ndarray, "q k"], Int64[np.ndarray, "q k"]]:
    short = k - scores.shape[1]
    scores = np.where(found < 0, -np.inf, scores).astype(np.float32)
    if short > 0:
        scores = np.pad(scores, ((0, 0), (0, short)), constant_values=-np.inf)
        found = np.pad(found, ((0, 0), (0, short)), constant_values=-1)
    return scores, found
