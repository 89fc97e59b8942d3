"""A gallery: vectors in memory and the keys that they answer to, for many queries against the same rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64, Integer

from cladescope.arrays import blocks
from cladescope.index import exact
from cladescope.index.store import Store

BLOCK_BYTES = 1 << 26


@dataclass(frozen=True, eq=False)
class Gallery:
    """Vectors to be searched; 2 n d bytes in float16, 4 n d in float32."""

    keys: Integer[np.ndarray, " n"]
    """What a hit is known by: row ids of a store, or class numbers."""
    vectors: Float[np.ndarray, "n d"]

    @classmethod
    def of_store(
        cls, store: Store, *, within: str | Sequence[str] | None = None, where: str | None = None
    ) -> "Gallery":
        """The vectors of a store, or of one clade and condition, in float32 for speed: 4 n d bytes.

        Raises TaxonError, InputError as `Store.condition` does.
        """
        return cls.of_blocks(store.vectors(condition=store.condition(within=within, where=where)))

    @classmethod
    def of_blocks(cls, parts: Iterable[tuple[Integer[np.ndarray, " _"], Float[np.ndarray, "_ d"]]]) -> "Gallery":
        """Blocks joined, in float32."""
        keys, vectors = [np.empty(0, np.int64)], []
        for part_keys, part_vectors in parts:
            keys.append(part_keys.astype(np.int64))
            vectors.append(part_vectors.astype(np.float32))
        return cls(np.concatenate(keys), np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32))

    def __len__(self) -> int:
        return len(self.keys)

    def search(
        self, queries: Float[np.ndarray, "q d"], k: int
    ) -> tuple[Float32[np.ndarray, "q m"], Int64[np.ndarray, "q m"]]:
        """Scores and keys of the k best for each query, exactly; see `exact.search`.

        A float32 gallery is searched where it lies; a float16 one is copied block by block (64 MiB).

        >>> gallery = Gallery(np.array([4, 5]), np.eye(2, dtype=np.float32))
        >>> gallery.search(np.array([[0.0, 1.0]], np.float32), 1)[1]
        array([[5]])
        """
        n, d = self.vectors.shape
        size = max(1, n) if self.vectors.dtype == np.float32 else max(1, BLOCK_BYTES // (4 * d))
        parts = ((self.keys[start:stop], self.vectors[start:stop]) for start, stop in blocks(n, size=size))
        return exact.search(parts, queries, k)
