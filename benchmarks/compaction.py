"""What compaction costs, and what it saves: peak memory, seconds, and reads before and after, beside LanceDB's own `optimize()`.

Usage: python benchmarks/compaction.py [--fragments 300] [--rows 4096] [--dim 512] [--wide-bytes 0] [--deleted 0]

Each compaction runs in a process of its own on a copy of the same table. Memory is what the process allocated (anonymous pages, read
every 10 ms) above what it had when the table was open. `--wide-bytes` gives each row a text that does not compress; with
`--deleted 100` every hundredth row is deleted, so that files cannot be copied as they are. `--reads` measures reads alone, of a
table of 96,000 x 128 in 1 to 3,000 fragments.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

FRAGMENTS = (1, 30, 100, 600, 3000)


def main() -> None:
    """Print the table that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fragments", type=int, default=300)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--wide-bytes", type=int, default=0)
    parser.add_argument("--deleted", type=int, default=0)
    parser.add_argument("--reads", action="store_true")
    parser.add_argument("--compact", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.compact:
        compact(*arguments.compact)
        return
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"
        if arguments.reads:
            for n in FRAGMENTS:
                fill(made, n, 96_000 // n, 128, 0)
                print(f"{n:5,} fragments  {reads(made)}", flush=True)
            return
        table = fill(made, arguments.fragments, arguments.rows, arguments.dim, arguments.wide_bytes)
        if arguments.deleted:
            table.delete(f"number % {arguments.deleted} = 0")
        print(
            f"{arguments.fragments} fragments, {table.stats()['total_bytes'] / 1e6:,.0f} MB\nbefore      {reads(made)}"
        )
        for how in ("optimize", "cladescope"):
            copy = Path(folder) / how
            shutil.copytree(made, copy)
            subprocess.run([sys.executable, __file__, "--compact", how, str(copy)], check=True)
            print(f"{how:11} {reads(copy)}", flush=True)
            shutil.rmtree(copy)


def fill(path: Path, fragments: int, rows: int, dim: int, wide_bytes: int) -> Any:
    """A table of so many commits."""
    import lancedb

    shutil.rmtree(path, ignore_errors=True)
    types = [pa.field("image_id", pa.string()), pa.field("number", pa.int64()), pa.field("species", pa.string())]
    types += [pa.field("vector", pa.list_(pa.float16(), dim)), pa.field("note", pa.string())]
    options = {"new_table_enable_stable_row_ids": "true"}
    table = lancedb.connect(path / "lance").create_table("images", schema=pa.schema(types), storage_options=options)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((rows, dim), dtype=np.float32).astype(np.float16)
    for fragment in range(fragments):
        numbers = range(fragment * rows, (fragment + 1) * rows)
        vectors[:, 0] = fragment
        notes = [rng.bytes(wide_bytes // 2).hex() for _ in numbers] if wide_bytes else pa.nulls(rows, pa.string())
        columns = [[f"{number:09}" for number in numbers], numbers, [f"Aus bus{number % 97}" for number in numbers]]
        vector = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim)
        table.add(pa.table([*(pa.array(column) for column in columns), vector, pa.array(notes)], schema=table.schema))
    return table


def compact(how: str, path: str) -> None:
    """Compact in this process, and print what it took."""
    import lance
    import lancedb

    from cladescope.index import compaction

    table = lancedb.connect(Path(path) / "lance").open_table("images")
    lance.dataset(Path(path) / "lance" / "images.lance").count_rows()
    with measured() as taken:
        if how == "optimize":
            table.optimize(cleanup_older_than=timedelta(days=36_500))
        else:
            compaction.compact(Path(path), {"images": table})
    fragments = table.stats()["fragment_stats"]["num_fragments"]
    print(f"{how:11} {fragments} fragments, {taken['seconds']:.1f} s, peak {taken['bytes'] / 1e6:,.0f} MB", flush=True)


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Seconds, and the most memory above that at the beginning."""
    began, base, ended = time.perf_counter(), anonymous(), threading.Event()
    taken = {"seconds": 0.0, "bytes": 0.0}

    def watch() -> None:
        while not ended.wait(0.01):
            taken["bytes"] = max(taken["bytes"], anonymous() - base)

    watching = threading.Thread(target=watch)
    watching.start()
    yield taken
    ended.set()
    watching.join()
    taken["seconds"] = time.perf_counter() - began


def anonymous() -> int:
    """Bytes of this process that no file holds."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) * 1024


def reads(path: Path) -> str:
    """Milliseconds of the usual reads of a table, in the median of five."""
    import lancedb

    def opened() -> Any:
        return lancedb.connect(path / "lance").open_table("images")

    table = opened()
    n = table.count_rows()
    some = [int(row) for row in np.random.default_rng(1).integers(0, n, 10)]
    tasks: dict[str, Callable[[], object]] = {
        "open, count": lambda: opened().count_rows(),
        "one row by id": lambda: table.search().where("image_id = '000000005'").select(["species"]).to_arrow(),
        "newer rows": lambda: table.count_rows(f"_row_created_at_version > {table.version - 1}"),
        "10 rows by row id": lambda: table.take_row_ids(some).select(["image_id", "species"]).to_arrow(),
        "all vectors": lambda: sum(map(len, table.search().select(["_rowid", "vector"]).to_batches(1 << 12))),
    }
    return "  ".join(f"{name} {milliseconds(task):,.1f} ms" for name, task in tasks.items())


def milliseconds(task: Callable[[], object]) -> float:
    """The median of five."""
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        task()
        taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken)


if __name__ == "__main__":
    main()
