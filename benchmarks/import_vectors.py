"""Import of vectors made elsewhere: rows a second and peak memory, for a Parquet table of ids, ranks and vectors.

    python benchmarks/import_vectors.py --rows 200000 --dim 64

Each import runs in a process of its own, into a new store; then once more, when every row is there already.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cladescope.embedding.encoder import EncoderCard
from cladescope.taxonomy import RANKS

TAXA = 2000


def write_table(path: str, n_rows: int, dim: int, seed: int) -> None:
    """A table such as emb-explorer writes: uuid, path, seven ranks, one more column, and a list of floats."""
    rng = np.random.default_rng(seed)
    taxa = rng.integers(0, TAXA, n_rows)
    columns = {
        "uuid": [f"{number:032x}" for number in range(n_rows)],
        "path": [f"/photos/{number % 1000}/{number}.jpg" for number in range(n_rows)],
        **{rank: [f"{rank.title()}{taxon // 4 ** (6 - depth)}" for taxon in taxa] for depth, rank in enumerate(RANKS)},
        "img_type": ["Citizen Science"] * n_rows,
    }
    vectors = rng.standard_normal((n_rows, dim), np.float32)
    columns["emb"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim).cast(pa.list_(pa.float32()))
    pq.write_table(pa.table(columns), path, row_group_size=50_000)


def run_import(table: str, store: str) -> None:
    """One import in this process; prints rows embedded, rows there already, seconds and peak MB."""
    from cladescope.index.importing import import_vectors, open_vectors
    from cladescope.index.store import Store

    source = open_vectors(table)
    card = EncoderCard(name="x", dim=source.dim, weight_hash=None, transform=None, has_text=False)
    opened = Store.open_or_create(store, card)
    began = time.perf_counter()
    summary = import_vectors(source, opened)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(summary.embedded, summary.already_stored, f"{seconds:.2f} {peak:.0f}")


def main() -> None:
    """Write the table, import it in processes of their own, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", metavar="TABLE", help=argparse.SUPPRESS)
    parser.add_argument("--import-into", nargs=2, metavar=("TABLE", "STORE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_table(options.write, options.rows, options.dim, seed=0)
        return
    if options.import_into:
        run_import(*options.import_into)
        return
    print("| import | rows | seconds | rows a second | peak MB |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        table = f"{folder}/vectors.parquet"
        # In a process of its own too: on Linux a process inherits its parent's peak.
        sizes = ["--rows", str(options.rows), "--dim", str(options.dim)]
        subprocess.run([sys.executable, __file__, "--write", table, *sizes], check=True)
        found: dict[str, list[tuple[float, float]]] = {"new": [], "there already": []}
        for number in range(options.rounds):
            for results in found.values():
                command = [sys.executable, __file__, "--import-into", table, f"{folder}/store{number}"]
                printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
                assert int(printed[0]) + int(printed[1]) == options.rows
                results.append((float(printed[2]), float(printed[3])))
        for name, results in found.items():
            seconds, peak = np.median(results, axis=0)
            print(f"| {name} | {options.rows:,} | {seconds:.1f} | {options.rows / seconds:,.0f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
