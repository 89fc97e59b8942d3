"""What a store and its indexes take at any size: formulas, each beside what a smaller size measures here.

python benchmarks/scale.py
python benchmarks/scale.py --sizes 20000 60000 --d 256
python benchmarks/scale.py --sums

Bytes: every formula is set beside the files' own size (`measured / formula`; 1.00 is exact). Core-seconds (seconds of one core, summed over
all): the law of growth (n log n for graphs, distances to
centres for lists) is fitted to the smaller sizes and foretells the largest, set beside what that takes. Vectors are
random about random centres: bytes do not depend on them. `--sums` prints the tables of docs/scale.md from the formulas and from the
rates that were measured (`Rates`); it measures nothing.

nlist is 4 sqrt(n), trained on 64 vectors a list. RaBitQ4 is RaBitQ of 4 bits a number.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from side_by_side import BLOCK_ROWS, clustered_vectors, machine, print_table, seconds

if TYPE_CHECKING:
    import numpy as np

SIZES = (20_000, 60_000, 200_000)
D = 512
M = 32
"""Links a node of the graphs."""
EF_CONSTRUCTION = 128
"""Width of the search for links, as `cladescope index` has it."""
TRAIN, ROUNDS = 64, 25
"""Vectors a list that k-means learns from, and its rounds (FAISS's own number)."""
AHEAD = (10_000_000, 200_000_000, 1_000_000_000)
DIMS = {"ViT-B/16": 512, "ViT-L/14": 768}


def lists(n: int) -> int:
    """Number of inverted lists."""
    return round(4 * math.sqrt(n))


def graph(n: int, d: int, code: float) -> float:
    """Bytes of HNSW: code, 2 M links of 4 bytes below, M links in each of 1/(M-1) levels above, offset and level."""
    return n * (code * d + 8 * M + 4 * M / (M - 1) + 12)


def inverted(n: int, d: int, code: float, fixed: float) -> float:
    """Bytes of IVF: code, what else a vector has, its id, and the centres in float32."""
    return n * (code * d + fixed + 8) + 4 * d * lists(n)


def fast_scan(n: int, d: int) -> float:
    """Bytes of IVF with d/8 codes of 4 bits: its lists are filled up to 32 vectors, by half of that each; 16 words a code."""
    return inverted(n, d, 1 / 16, 0) + lists(n) * 16 * d / 16 + 64 * d


@dataclass(frozen=True)
class Kind:
    """A kind of index."""

    name: str
    factory: Callable[[int, int], str]
    """FAISS's own description for n vectors of d numbers."""
    n_bytes: Callable[[int, int], float]
    work: Callable[[int], float] | None = None
    """What the seconds of a build grow with, where the largest size is built too."""


def _k_means(n: int) -> float:
    """Distances that are computed: 25 rounds over the vectors that k-means learns from, then each vector once."""
    return (ROUNDS * min(n, TRAIN * lists(n)) + n) * lists(n)


def _n_log_n(n: int) -> float:
    return n * math.log2(n)


KINDS = (
    Kind("flat, float16", lambda n, d: "SQfp16", lambda n, d: 2 * n * d),
    Kind("HNSW32, float16", lambda n, d: f"HNSW{M},SQfp16", lambda n, d: graph(n, d, 2), _n_log_n),
    Kind("HNSW32, 8 bits", lambda n, d: f"HNSW{M},SQ8", lambda n, d: graph(n, d, 1)),
    Kind("IVF, float16", lambda n, d: f"IVF{lists(n)},SQfp16", lambda n, d: inverted(n, d, 2, 0)),
    Kind("IVF-RaBitQ4", lambda n, d: f"IVF{lists(n)},RaBitQ4", lambda n, d: inverted(n, d, 4 / 8, 20), _k_means),
    Kind("IVF-RaBitQ", lambda n, d: f"IVF{lists(n)},RaBitQ", lambda n, d: inverted(n, d, 1 / 8, 8)),
    Kind("IVF-PQ, d/8 x 4 bits", lambda n, d: f"IVF{lists(n)},PQ{d // 8}x4fs", fast_scan),
)  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """What was measured, and on what (docs/scale.md): the rest of a row in a store, and how fast things go."""

    row_bytes: float = 79.0
    """Bytes of a row of a store beside its vector, with a lineage and an address of 60 letters."""
    store_rows: float = 40_000
    """Rows written a second."""
    graph_work: float = 21_300
    """n log2 n of HNSW32 in float16 a core-second, efConstruction 128, d = 512."""
    list_work: float = 160e6
    """Distances to centres a core-second while IVF-RaBitQ4 is built, its coding included, d = 512."""
    pictures: tuple[tuple[str, float], ...] = (("ViT-B/16", 10_501), ("ViT-L/14", 2_709))
    """Pictures encoded a second on an H200: forward pass, bf16, batches of 256, 224 px."""
    gpu_bytes: float = 80e9
    """Memory of a common large GPU."""


RATES = Rates()


def build(kind: Kind, vectors: np.ndarray) -> tuple[float, int]:
    """Core-seconds and bytes of an index."""
    import faiss

    n, d = vectors.shape
    index = faiss.index_factory(d, kind.factory(n, d), faiss.METRIC_INNER_PRODUCT)
    if kind.factory(n, d).startswith("HNSW"):
        index.hnsw.efConstruction = EF_CONSTRUCTION

    def fill() -> None:
        index.train(vectors[: TRAIN * lists(n)])
        index.add(vectors)

    began = time.process_time()
    fill()
    took = time.process_time() - began
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        faiss.write_index(index, str(path))
        return took, path.stat().st_size


def fill(path: Path, vectors: np.ndarray) -> None:
    """A store with lineages, addresses and hashes as photographs have them."""
    import hashlib

    import numpy as np

    from cladescope.embedding.encoder import UNKNOWN_ENCODER, EncoderCard
    from cladescope.embedding.records import Record
    from cladescope.embedding.tables import failures_table, images_table
    from cladescope.index.store import Store
    from cladescope.taxonomy import RANKS

    card = EncoderCard(name=UNKNOWN_ENCODER, dim=vectors.shape[1], weight_hash=None, transform=None, has_text=False)
    store = Store.create(path, card)
    species = np.random.default_rng(0).integers(5000, size=len(vectors))
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS].astype(np.float16)
        known = [hashlib.sha256(str(row).encode()).hexdigest() for row in range(start, start + len(block))]
        records = [
            Record(
                image_id=name[:32],
                uri=f"https://example.org/observations/photos/{name[:12]}/large.jpg",
                source="photos",
                labels={rank: f"{rank}{depth // 5 ** (6 - place)}" for place, rank in enumerate(RANKS)},
            )
            for name, depth in zip(known, species[start : start + len(block)], strict=True)
        ]
        found = {
            "content_hash": [name[32:] for name in known],
            "width": [2048] * len(block),
            "height": [1536] * len(block),
        }
        store.write(images_table(records, block, (), found), failures_table([]))


def measure(sizes: Sequence[int], d: int) -> None:
    """Formulas beside measured bytes, and laws of growth beside measured seconds."""
    vectors = clustered_vectors(max(sizes), d)
    took: dict[str, list[float]] = {kind.name: [] for kind in KINDS}
    rows = []
    stored = []
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "s.store"
            wrote = seconds(lambda path=path, n=n: fill(path, vectors[:n]))
            n_bytes = sum(file.stat().st_size for file in (path / "lance").rglob("*") if file.is_file())
        stored.append((n, n_bytes / n - 2 * d, wrote))
        for kind in KINDS:
            if kind.work is None and n == sizes[-1]:
                continue
            spent, measured = build(kind, vectors[:n])
            took[kind.name].append(spent)
            said = kind.n_bytes(n, d)
            rows.append([kind.name, f"{n:,}", f"{said / n:.1f}", f"{measured / n:.1f}", f"{measured / said:.3f}"])
    rows.sort(key=lambda row: [kind.name for kind in KINDS].index(row[0]))
    print_table(["index", "vectors", "formula, bytes a vector", "measured", "measured / formula"], rows)
    print()
    first = stored[0][1]
    told = [
        [f"{n:,}", f"{2 * d + first:.1f}", f"{2 * d + rest:.1f}", f"{(2 * d + rest) / (2 * d + first):.3f}", f"{n / wrote:,.0f}"]
        for n, rest, wrote in stored
    ]  # fmt: skip
    head = ["rows of a store", "foretold, bytes a row", "measured", "measured / foretold", "rows written a second"]
    print_table(head, told)
    print()
    laws = []
    for kind in (kind for kind in KINDS if kind.work is not None):
        *smaller, last = took[kind.name]
        pace = sum(smaller) / sum(kind.work(n) for n in sizes[:-1])
        foretold = pace * kind.work(sizes[-1])
        laws.append([kind.name, *(f"{spent:.1f}" for spent in smaller), f"{foretold:.1f}", f"{last:.1f}", f"{kind.work(sizes[-1]) / last:.3g}"])  # fmt: skip
    head = [*(f"{n:,}" for n in sizes[:-1]), f"{sizes[-1]:,} foretold", "measured", "work a core-second"]
    print_table(["build, core-seconds", *head], laws)


def gigabytes(n_bytes: float) -> str:
    """A size in GB or TB of 1000.

    >>> gigabytes(10.24e9), gigabytes(1.5e12)
    ('10.2 GB', '1.5 TB')
    """
    return f"{n_bytes / 1e12:.1f} TB" if n_bytes >= 1e12 else f"{n_bytes / 1e9:.1f} GB"


def hours(spent: float) -> str:
    """A time in minutes, hours or days.

    >>> hours(90), hours(7200), hours(864000)
    ('2 min', '2.0 h', '10 d')
    """
    return (
        f"{spent / 60:.0f} min"
        if spent < 3600
        else f"{spent / 3600:.1f} h"
        if spent < 2 * 86400
        else f"{spent / 86400:.0f} d"
    )


def sums(rates: Rates = RATES) -> list[tuple[list[str], list[list[str]]]]:
    """The tables of docs/scale.md: one an encoder, from the formulas."""
    tables = []
    for encoder, d in DIMS.items():
        pace = dict(rates.pictures)[encoder]
        kinds = {kind.name: kind for kind in KINDS}
        rows = [
            ["pictures encoded, one GPU", *(hours(n / pace) for n in AHEAD)],
            ["store on disk", *(gigabytes(n * (2 * d + rates.row_bytes)) for n in AHEAD)],
            ["of it vectors", *(gigabytes(2 * n * d) for n in AHEAD)],
            ["rows written, one writer", *(hours(n / rates.store_rows) for n in AHEAD)],
            *([name, *(gigabytes(kinds[name].n_bytes(n, d)) for n in AHEAD)] for name in kinds if name != "flat, float16"),
            ["HNSW32 built, 64 cores", *(hours(_n_log_n(n) * d / D / rates.graph_work / 64) for n in AHEAD)],
            ["IVF-RaBitQ4 built, 64 cores", *(hours(_k_means(n) * d / D / rates.list_work / 64) for n in AHEAD)],
            ["GPUs of 80 GB that hold the vectors", *(f"{math.ceil(2 * n * d / (0.9 * rates.gpu_bytes)):,}" for n in AHEAD)],
        ]  # fmt: skip
        tables.append(([f"{encoder}, d = {d}", *(f"{n:,}" for n in AHEAD)], rows))
    return tables


def main() -> None:
    """Measure and print, or print the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--d", type=int, default=D)
    parser.add_argument("--sums", action="store_true", help="print the tables of docs/scale.md")
    arguments = parser.parse_args()
    if arguments.sums:
        for head, rows in sums():
            print_table(head, rows)
            print()
        return
    print(machine())
    print()
    measure(sorted(arguments.sizes), arguments.d)


if __name__ == "__main__":
    main()
