"""Cladescope for ann-benchmarks (https://github.com/erikbern/ann-benchmarks): a store, its index, and its own tuner.

The store is what users have, on disk, with a row of labels for each vector. There is no search parameter to turn: an index is built
for a target recall, which `Cladescope` measures itself with vectors that it keeps out of the build, so each point of the curve is
one index with its own build time. Vectors are kept as float16 of unit length; only the angular distance is offered.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from ann_benchmarks.algorithms.base.module import BaseANN

BLOCK_ROWS = 65536


class Cladescope(BaseANN):
    """One index: `kind` is what `cladescope index --kind` takes, `target_recall` what it is built for."""

    def __init__(self, metric: str, kind: str, target_recall: float) -> None:
        if metric != "angular":
            raise NotImplementedError(
                f"found the distance {metric!r}, expected angular: a store compares by the cosine"
            )
        self.kind, self.target_recall = kind, target_recall
        self.name = f"Cladescope ({kind}, target {target_recall})"
        self._folder = Path(tempfile.mkdtemp())

    def fit(self, X: np.ndarray) -> None:
        """Write a store of the vectors and build its index; both count as building."""
        import cladescope
        from cladescope.arrays import blocks, has_direction, normalise
        from cladescope.embedding.encoder import UNKNOWN_ENCODER, EncoderCard
        from cladescope.embedding.tables import failures_table, table_of_columns
        from cladescope.index.searcher import Searcher
        from cladescope.index.store import Store

        card = EncoderCard(name=UNKNOWN_ENCODER, dim=X.shape[1], weight_hash=None, transform=None, has_text=False)
        store = Store.create(self._folder / "store", card)
        # A vector without direction has no angle to any other: it is never found.
        kept = np.flatnonzero(has_direction(np.asarray(X, np.float32)))
        for start, stop in blocks(len(kept), size=BLOCK_ROWS):
            rows = kept[start:stop]
            names = pa.array(rows).cast(pa.string())
            columns = {"image_id": names, "uri": names, "source": pa.array(["ann-benchmarks"] * len(rows))}
            vectors = normalise(np.asarray(X[rows], np.float32)).astype(np.float16)
            store.write(table_of_columns(columns, vectors, []), failures_table([]))
        cladescope.build_index(store, kind=self.kind, target_recall=self.target_recall)
        ids = pa.Table.from_batches(store.scan(["_rowid", "image_id"])).sort_by("_rowid")
        self._ids = ids["_rowid"].to_numpy().astype(np.int64)
        self._rows = ids["image_id"].cast(pa.int64()).to_numpy()
        self._searcher = Searcher(Store.open(store.path))

    def query(self, q: np.ndarray, n: int) -> np.ndarray:
        """Rows of the n nearest, best first."""
        return self._found(q[None], n)[0]

    def batch_query(self, X: np.ndarray, n: int) -> None:
        """All queries in one call, with all cores."""
        self._results = self._found(X, n)

    def get_batch_results(self) -> list[np.ndarray]:
        """What the last `batch_query` found."""
        return self._results

    def _found(self, queries: np.ndarray, n: int) -> list[np.ndarray]:
        ids = self._searcher.search_batch(queries, k=n).row_ids
        rows = self._rows[np.searchsorted(self._ids, np.maximum(ids, self._ids[0]))]
        return [row[one >= 0] for row, one in zip(rows, ids, strict=True)]

    def done(self) -> None:
        """Remove the store."""
        shutil.rmtree(self._folder, ignore_errors=True)
