"""`embed` over a source that has not changed since: seconds and peak memory of the whole process.

    python benchmarks/unchanged.py --pictures 1000000

The pictures are hard links to a few small files, a thousand a folder. The store is filled through its own writing with what a first
`embed` would have written, with the vectors of `pixels`, so that nothing need be decoded: 2.2 KB a picture on the disk. Then
`cladescope embed` runs over the folder, and over a CSV of the same files, in processes of their own.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.locations import canonical
from cladescope.embedding.origins import said_of
from cladescope.embedding.records import Record
from cladescope.embedding.sources import open_source
from cladescope.embedding.stamps import stamp
from cladescope.embedding.tables import images_table
from cladescope.index.store import Store
from cladescope.schema import ORIGIN_SCHEMA

A_FOLDER = 1000
LINKS = 50_000
"""Of one file; a file system allows some 65,000."""
AT_ONCE = 65_536


def write_pictures(folder: Path, n: int) -> None:
    """A folder of `n` pictures, and a CSV of them beside it."""
    for start in range(0, n, LINKS):
        original = folder.parent / f"original-{start}.png"
        Image.new("RGB", (16, 16), (start % 251, 7, 9)).save(original)
        os.utime(original, (1.6e9, 1.6e9))
        for number in range(start, min(start + LINKS, n)):
            inner = folder / f"class{number // A_FOLDER:04}"
            if not number % A_FOLDER:
                inner.mkdir(parents=True)
            os.link(original, inner / f"{number:07}.png")
    with (folder.parent / "pictures.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "genus", "species"))
        for number in range(n):
            writer.writerow((folder / f"class{number // A_FOLDER:04}" / f"{number:07}.png", "Parus", "Parus major"))


def plant(source: str, path: Path) -> None:
    """A store as a first `embed` of the source would have left it, but for the vectors, which are drawn."""
    opened = open_source(source)
    store = Store.create(path, Encoder.load("pixels").card)
    rng = np.random.default_rng(0)
    with store.writing():
        store.add_fields(opened.extra_fields)
        for records in _chunks(opened.records()):
            vectors = rng.standard_normal((len(records), store.card.dim), np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            found = {"content_hash": [record.image_id for record in records], "width": [16] * len(records)}
            rows = images_table(records, vectors.astype(np.float16), opened.extra_fields, found)
            store.write(
                rows, pa.table({name: pa.array([], pa.string()) for name in ("uri", "image_id", "stage", "reason")})
            )
            store.note_origins(_origins(canonical(source), records), new=True)


def _chunks(records: Iterator[Record]) -> Iterator[list[Record]]:
    while chunk := list(islice(records, AT_ONCE)):
        yield chunk


def _origins(address: str, records: list[Record]) -> pa.Table:
    sizes, times = zip(*(stamp(record.uri) for record in records), strict=True)
    n = len(records)
    columns = [
        [address] * n,
        [record.image_id for record in records],
        sizes,
        times,
        list(map(said_of, records)),
        [None] * n,
    ]
    return pa.Table.from_arrays(
        [pa.array(c, f.type) for c, f in zip(columns, ORIGIN_SCHEMA, strict=True)], schema=ORIGIN_SCHEMA
    )


def main() -> None:
    """Make pictures and stores, embed them again, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--source", choices=("folder", "csv"), action="append")
    parser.add_argument("--folder", type=Path, help="work here, and leave the pictures and stores for another time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        pictures = folder / "pictures"
        if not pictures.exists():
            write_pictures(pictures, options.pictures)
        print(
            "| source | pictures | seconds | of the CPU | pictures a second | peak MB |\n| --- | ---: | ---: | ---: | ---: | ---: |",
            flush=True,
        )
        for name in options.source or ("folder", "csv"):
            source, store = str(pictures if name == "folder" else folder / "pictures.csv"), folder / f"{name}.store"
            if not store.exists():
                subprocess.run([sys.executable, __file__, "--plant", source, str(store)], check=True)
            found = [embed_again(source, store, options.pictures) for _ in range(options.rounds)]
            seconds, cpu, peak = np.median(found, axis=0)
            n = options.pictures
            print(f"| {name} | {n:,} | {seconds:.1f} | {cpu:.1f} | {n / seconds:,.0f} | {peak:.0f} |", flush=True)


def embed_again(source: str, store: Path, n: int) -> tuple[float, float, float]:
    """Seconds, seconds of the CPU and peak MB of one `cladescope embed`, in which every picture must be as it was."""
    command = [sys.executable, "-m", "cladescope.app.cli", "embed", source, "--store", str(store), "--json"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        counts = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    differing = {name: counts[name] for name in ("embedded", "changed", "relabelled", "gone", "failed") if counts[name]}
    assert counts["already_stored"] == n, counts
    assert not differing, differing
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plant"]:
        plant(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
