"""Seconds to read a table of delimited text: `pyarrow.csv` alone, our reader, and the door of `embed`, over a made-up table.

    python benchmarks/delimited.py [ROWS]

`pyarrow.csv` is `read_csv` as it comes, which finds types and holds the table whole; it is told the delimiter, and checks neither
quotes nor types. The reader finds delimiter, encoding and quoting, checks every quote and every row's length, and gives all columns
as text in batches. The door is the reader with the number of rows and numbers where nothing is lost, as `embed` opens a table.
The three take turns; medians of three rounds. "Cold" is the first round behind a request to drop the file from the page cache, its
order reversed. `Record` objects, a Python object a row, come on top: the last column is the rate of `ManifestSource.records`.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import pyarrow.csv as pv

from cladescope.delimited import DelimitedText, local_opener
from cladescope.embedding.sources.delimited import open_delimited
from cladescope.embedding.sources.manifest import ManifestSource
from cladescope.embedding.table_rules import TableRules

NARROW = ("file", "id", "family", "species", "decimalLatitude", "locality")
ROUNDS = 3
RECORDS = 100_000


def values_of(n: int, n_columns: int) -> list[str]:
    """The values of a made-up row: a path, an id, names, a number, a place with an accent, and notes, some of them empty."""
    first = [f"site{n % 97}/{n}.jpg", f"id{n}", f"Family{n % 50}", f"Genus{n % 900} name{n % 7}"]
    first += [f"{n % 90}.{n % 1000:03}", f"Forêt {n % 13}"]
    return first + [f"note {n % (k + 50)}" if k % 3 else "" for k in range(n_columns - len(first))]


def write(path: Path, n_rows: int, n_columns: int, delimiter: str, *, quoted: bool) -> None:
    """A table of made-up pictures; with `quoted` all values stand in quotes, as R writes text."""
    mark = '"' if quoted else ""
    names = [*NARROW, *(f"note{k}" for k in range(n_columns - len(NARROW)))]
    with path.open("w", encoding="utf-8") as file:
        for values in (names, *(values_of(n, n_columns) for n in range(n_rows))):
            file.write(delimiter.join(f"{mark}{value}{mark}" for value in values) + "\n")


def seconds(read: Callable[[], Iterable[object]]) -> float:
    """Time to read a table to its end."""
    start = time.perf_counter()
    for _ in read():
        pass
    return time.perf_counter() - start


def drop_from_cache(path: Path) -> None:
    """Ask the system to forget a file's pages; it may not."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(path: Path, delimiter: str) -> str:
    """A line of the table."""
    parse = pv.ParseOptions(delimiter=delimiter)
    ways: dict[str, Callable[[], Iterable[object]]] = {
        "pyarrow.csv": lambda: [pv.read_csv(path, parse_options=parse)],
        "reader": lambda: DelimitedText(str(path), local_opener(path)).batches(),
        "door": lambda: open_delimited(str(path), TableRules()).batches(),
    }
    cold = {}
    for way in reversed(ways):
        drop_from_cache(path)
        cold[way] = seconds(ways[way])
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, read in ways.items():
            times[way].append(seconds(read))
    warm = {way: statistics.median(found) for way, found in times.items()}
    records = RECORDS / seconds(lambda: islice(ManifestSource(str(path), name="t").records(), RECORDS))
    cells = [f"{warm[way]:.2f}" for way in ways]
    cells += [f"{warm['pyarrow.csv'] / warm['door']:.2f}", f"{cold['pyarrow.csv'] / cold['door']:.2f}"]
    return " | ".join([*cells, f"{records / 1000:.0f}"])


def main() -> None:
    """Print a line for each kind of table."""
    n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print("| table | MB | pyarrow.csv, s | reader, s | door, s | pyarrow/door | cold | thousand records/s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for n_columns in (len(NARROW), 50):
            for name, delimiter, quoted in (("commas", ",", False), ("quoted", ",", True), ("tabs", "\t", False)):
                path = Path(folder) / "table.csv"
                write(path, n_rows, n_columns, delimiter, quoted=quoted)
                size = path.stat().st_size / 1e6
                print(f"| {n_columns} columns, {name} | {size:.0f} | {measure(path, delimiter)} |", flush=True)


if __name__ == "__main__":
    main()
