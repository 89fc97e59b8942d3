"""Rows a second of the reader of delimited text, beside pyarrow.csv alone, over a made-up table of a million rows.

    python benchmarks/delimited.py [ROWS]

Each way reads all columns of all rows as text, in a process that has read the file before. `pyarrow.csv` knows the delimiter, the
encoding and the quoting beforehand; the reader finds them, and checks every row's length and every quote. The door is the reader
with the types of columns and the number of rows, as `embed` opens a table.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pv

from cladescope.delimited import DelimitedText, local_opener
from cladescope.embedding.sources.delimited import open_delimited
from cladescope.embedding.table_rules import TableRules

HEADER = ["file", "id", "family", "genus", "species", "year", "latitude", "locality"]
RUNS = 3


def write(path: Path, n_rows: int, delimiter: str, *, quoted: bool) -> None:
    """A table of made-up pictures; with `quoted` all text stands in quotes, as R writes it."""
    mark = '"' if quoted else ""
    with path.open("w", encoding="utf-8") as file:
        file.write(delimiter.join(f"{mark}{name}{mark}" for name in HEADER) + "\n")
        for n in range(n_rows):
            text = [
                f"site{n % 97}/{n}.jpg",
                f"id{n}",
                f"Family{n % 50}",
                f"Genus{n % 900}",
                f"Genus{n % 900} name{n % 7}",
            ]
            numbers = [str(1950 + n % 70), f"{n % 90}.{n % 1000:03}"]
            values = [f"{mark}{value}{mark}" for value in text] + numbers + [f"{mark}Forêt {n % 13}{mark}"]
            file.write(delimiter.join(values) + "\n")


def alone(path: Path, delimiter: str) -> Iterator[pa.RecordBatch]:
    """The rows as pyarrow.csv reads them."""
    convert = pv.ConvertOptions(column_types=dict.fromkeys(HEADER, pa.string()), strings_can_be_null=True)
    yield from pv.open_csv(path, parse_options=pv.ParseOptions(delimiter=delimiter), convert_options=convert)


def rate(read: Callable[[], Iterator[pa.RecordBatch]]) -> float:
    """Rows a second, the best of some runs."""
    best = 0.0
    for _ in range(RUNS):
        start = time.perf_counter()
        n_rows = sum(batch.num_rows for batch in read())
        best = max(best, n_rows / (time.perf_counter() - start))
    return best


def main() -> None:
    """Print a line for each kind of table."""
    n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        for name, delimiter, quoted in (
            ("plain.csv", ",", False),
            ("quoted.csv", ",", True),
            ("plain.tsv", "\t", False),
        ):
            path = Path(folder) / name
            write(path, n_rows, delimiter, quoted=quoted)
            ways = {
                "pyarrow.csv": lambda path=path, delimiter=delimiter: alone(path, delimiter),
                "reader": lambda path=path: DelimitedText(str(path), local_opener(path)).batches(),
                "door": lambda path=path: open_delimited(str(path), TableRules()).batches(),
            }
            rates = {way: rate(read) for way, read in ways.items()}
            share = rates["reader"] / rates["pyarrow.csv"]
            words = ", ".join(f"{way} {found / 1e6:.2f}" for way, found in rates.items())
            print(f"{name}: million rows a second: {words}; the reader has {share:.2f} of pyarrow's")


if __name__ == "__main__":
    main()
