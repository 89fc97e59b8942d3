"""How long a job takes to begin over a store of many rows, and its peak memory.

    python benchmarks/start.py --rows 20000000

The store is filled with random vectors (`--dim` numbers, few, since a job reads none of them at its beginning), ids, contents, and what
one source listed, as 4,096 rows a commit would have left it after compaction. Then in a process of its own a job of
`embed` opens it over the same source's address, looks up a chunk of ids (half of them stored), known contents, and ends.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from cladescope.embedding.encoder import Encoder
from cladescope.embedding.in_step import InStep
from cladescope.embedding.job import StoredJob
from cladescope.embedding.known_contents import KnownContents
from cladescope.index.store import Store
from cladescope.schema import FAILURE_SCHEMA, ORIGIN_SCHEMA, images_schema

ADDRESS = "/photos"
AT_ONCE = 1 << 19
LOOKED_UP = 8192
CONTENTS = 64


def texts(start: int, n: int, salt: int, before: str = "", after: str = "") -> pa.Array:
    """Texts of 32 hexadecimal digits that follow from their number."""
    words = np.random.default_rng([salt, start]).bytes(16 * n).hex()
    digits = np.frombuffer(words.encode(), np.uint8).reshape(n, 32)
    rows = np.concatenate(
        [
            np.tile(np.frombuffer(before.encode(), np.uint8), (n, 1)),
            digits,
            np.tile(np.frombuffer(after.encode(), np.uint8), (n, 1)),
        ],
        axis=1,
    )
    offsets = np.arange(n + 1, dtype=np.int32) * rows.shape[1]
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(rows)))


def uris(start: int, n: int) -> pa.Array:
    """Addresses of the pictures."""
    return texts(start, n, 0, "/photos/class0001/", ".jpg")


def plant(path: Path, n_rows: int, dim: int) -> None:
    """A store of so many pictures."""
    store = Store.create(path, replace(Encoder.load("pixels").card, dim=dim))
    fields = images_schema(dim)
    rng = np.random.default_rng(0)
    with store.writing():
        for start in range(0, n_rows, AT_ONCE):
            n = min(AT_ONCE, n_rows - start)
            vectors = rng.standard_normal((n, dim)).astype(np.float16)
            known = {
                "image_id": texts(start, n, 1),
                "uri": uris(start, n),
                "source": pa.array(["photos"] * n),
                "content_hash": texts(start, n, 2),
                "width": pa.array(np.full(n, 640, np.int32)),
                "height": pa.array(np.full(n, 480, np.int32)),
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim),
            }
            columns = [known.get(field.name, pa.nulls(n, field.type)) for field in fields]
            store.write(pa.Table.from_arrays(columns, schema=fields), FAILURE_SCHEMA.empty_table())
            listed = [
                pa.array([ADDRESS] * n), known["image_id"], pa.array(np.full(n, 50_000)), pa.array(np.arange(start, start + n)),
                pa.array(['{"genus": "Parus", "source": "photos"}'] * n), pa.nulls(n, pa.string()),
            ]  # fmt: skip
            store.note_origins(pa.Table.from_arrays(listed, schema=ORIGIN_SCHEMA), new=True)


def begin(path: Path) -> dict[str, float]:
    """Begin a job, as `pipeline.embed` does, and look up what it asks for a chunk and a batch."""
    base, began = peak(), time.perf_counter()
    took = {}

    def lap(name: str) -> None:
        nonlocal began
        took[name] = round(time.perf_counter() - began, 4)
        took[f"{name} peak MB"] = round(peak() - base)
        began = time.perf_counter()

    store = Store.open(path)
    lap("open")
    n = int(store.count())
    with store.writing():
        lap("hold")
        job = StoredJob(store, extra_fields=(), total=None, commit_rows=4096, commit_seconds=30.0, progress=None)
        lap("ids")
        contents = KnownContents(store)
        lap("contents")
        InStep(store, ADDRESS, job.summary, job.pictures, prune=False, workers=2)
        lap("origins")
        half = min(LOOKED_UP // 2, n)
        start = (n - 1) // AT_ONCE * AT_ONCE
        size = n - start
        ids = pa.concat_arrays([texts(start, size, 1)[:half], texts(n + AT_ONCE, half, 1)])
        places = pa.concat_arrays([uris(start, size)[:half], uris(n + AT_ONCE, half)])
        began = time.perf_counter()
        found = job.check(ids, places, np.arange(len(ids)))
        lap(f"look up {LOOKED_UP} ids")
        assert int(found.is_stored.sum()) == half, found.is_stored.sum()
        wanted = set(texts(start, size, 2)[: size : max(1, size // CONTENTS)].to_pylist())
        began = time.perf_counter()
        assert len(contents.vectors(wanted)) == len(wanted)
        lap(f"vectors of {len(wanted)} known contents")
        assert not contents.vectors(set(texts(n + AT_ONCE, CONTENTS, 2).to_pylist()))
        lap(f"{CONTENTS} new contents")
    lap("let go")
    took["base MB"] = round(base)
    return took


def peak() -> float:
    """Peak memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Fill a store, begin jobs over it, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", type=Path, help="fill this, or take it where it is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        path = options.store or Path(temporary) / "store"
        if not path.exists():
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, __file__, "--plant", str(path), str(options.rows), str(options.dim)], check=True
            )
            print(f"filled in {time.perf_counter() - began:.0f} s")
        for _ in range(options.rounds):
            found = subprocess.run([sys.executable, __file__, "--begin", str(path)], check=True, stdout=subprocess.PIPE)
            print(json.dumps(json.loads(found.stdout), indent=1), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plant"]:
        plant(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1:2] == ["--begin"]:
        print(json.dumps(begin(Path(sys.argv[2]))))
    else:
        main()
