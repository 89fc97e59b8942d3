"""What hashes cost: writing and opening a store and its index, and verifying the whole.

Usage: python benchmarks/integrity.py [--rows 100000] [--dim 512]

Prints seconds, of them those that go to hashes, for unit vectors drawn at random in commits of 4,096 rows.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cladescope.arrays import normalise
from cladescope.embedding.encoder import EncoderCard
from cladescope.files import hash_file
from cladescope.index import ledger
from cladescope.index.ann import files
from cladescope.index.ann.build import build
from cladescope.index.store import Store
from cladescope.index.verify import verify
from cladescope.schema import FAILURE_SCHEMA, images_schema

COMMIT_ROWS = 4096


def main() -> None:
    """Time each step on a store of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        card = EncoderCard(name="made-up", dim=arguments.dim, weight_hash=None, transform=None, has_text=False)
        store = Store.create(Path(folder) / "s", card)
        rng = np.random.default_rng(0)
        began = time.perf_counter()
        with store.writing():
            for first in range(0, arguments.rows, COMMIT_ROWS):
                n = min(COMMIT_ROWS, arguments.rows - first)
                store.write(rows(rng, first, n, arguments.dim), FAILURE_SCHEMA.empty_table())
            wrote = time.perf_counter()
        print(f"write rows: {wrote - began:.2f} s, and the ledger: {time.perf_counter() - wrote:.2f} s")
        table("open the store", lambda: Store.open(store.path), lambda: checked(store))
        card_of_index = build(store, kind="flat")
        names = [files.folder(store.path) / name for name in card_of_index.files]
        print(f"index: {sum(path.stat().st_size for path in names) / 1e6:.0f} MB")

        def opened() -> object:
            files._read.cache_clear()
            (files.folder(store.path) / files.CHECKED).unlink(missing_ok=True)
            return files.AnnIndex.find(store.path)

        table("open the index", opened, lambda: [hash_file(path) for path in names])
        written = list(ledger.database_files(store.path))
        table("verify", lambda: verify(store.path), lambda: [hash_file(path) for path in written])


def rows(rng: np.random.Generator, first: int, n: int, dim: int) -> pa.Table:
    """Rows of pictures with vectors at random."""
    schema = images_schema(dim)
    vectors = normalise(rng.standard_normal((n, dim)).astype(np.float32)).astype(np.float16)
    paths = pa.array([f"/pictures/species-{row % 900:04d}/{row:08d}.jpg" for row in range(first, first + n)])
    columns: dict[str, Any] = {field.name: pa.nulls(n, field.type) for field in schema}
    columns |= {"image_id": paths, "uri": paths, "source": pa.array(["s"] * n)}
    columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim)
    return pa.table(columns, schema=schema)


def checked(store: Store) -> None:
    """What opening a store checks."""
    ledger.check_manifests(store.path)
    ledger.warn_of_losses(store.path, store.tables)


def table(name: str, whole: Callable[[], object], part: Callable[[], object]) -> None:
    """Print the least of five times of a step and of what of it is for hashes."""
    times = []
    for step in (whole, part):
        tries = []
        for _ in range(5):
            began = time.perf_counter()
            step()
            tries.append(time.perf_counter() - began)
        times.append(min(tries))
    print(f"{name}: {times[0]:.3f} s, of them {times[1]:.3f} s for hashes")


if __name__ == "__main__":
    main()
