"""Near-duplicates of a whole store: time, peak memory and the share of exact pairs found, as the vectors grow to millions.

python benchmarks/near_duplicates.py organisms.store
python benchmarks/near_duplicates.py organisms.store --sizes 20000 100000 --threshold 0.9

Vectors are made from the real ones of a store with families: each is a real vector moved by 0.7 times the difference of two
pictures of its family, so that it stays among its kind and is the near-duplicate of hardly any other; one in twenty is then
replaced by a near-duplicate of another, 0.02 to 0.25 away, half along such a difference and half at random. So they are
synthetic, with the spread of real ones. They lie in a file of float16 that is mapped, and its pages count as memory.

`cells` is ours: the search, the groups, and a representative of each. `found` is the share of the pairs of 1,000 rows, drawn at
random, that it found, with bounds at 95 %; `cut` the rows that should have been compared with more cells. `one matrix` is the
way of imagededup (the cosine of all pairs in one n x n matrix of float32, then those above the threshold). `radius` is
scikit-learn's NearestNeighbors by brute force. Those run up to --others-up-to rows. Each runs in a process of its own, whose
peak is `ru_maxrss`; the process and its libraries alone take the first line's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from side_by_side import machine, print_table

if TYPE_CHECKING:
    import numpy as np

# Whatever is imported in this process would count towards its children: see `memory.py`.

SPREAD = 0.7
COPIES = 0.05


def make(store: str, path: str, n: str) -> dict[str, Any]:
    """Write vectors in blocks of 2^16."""
    import numpy as np

    from cladescope.analysis.pictures import Pictures
    from cladescope.arrays import blocks
    from cladescope.index.store import Store

    pictures = Pictures.of_store(Store.open(Path(store)))
    family, real = pictures.labels("family"), pictures.vectors
    sizes = np.bincount(family[family >= 0])
    kept = (family >= 0) & (sizes[family] >= 3)
    real, family = real[kept], family[kept]
    order = np.argsort(family, kind="stable")
    start, size = np.searchsorted(family[order], family), np.bincount(family)[family]
    generator = np.random.default_rng(0)
    made = np.lib.format.open_memmap(path, "w+", np.float16, (int(n), real.shape[1]))
    for first, stop in blocks(int(n), size=1 << 16):
        row = generator.integers(len(real), size=stop - first)
        place, further = (generator.random((2, len(row))) * [size[row], size[row] - 1]).astype(int)
        one, other = (order[start[row] + at % size[row]] for at in (place, place + 1 + further))
        moves = real[one] - real[other]
        block = unit(real[row] + SPREAD * moves)
        copied = int(COPIES * len(block))
        noise = unit(generator.standard_normal((copied, real.shape[1]), dtype=np.float32))
        along = unit(moves[:copied] + 1e-9 * noise)
        far = generator.uniform(0.02, 0.25, (copied, 1)).astype(np.float32)
        block[:copied] = unit(block[copied : 2 * copied] + far * unit(noise + along))
        made[first:stop] = block
    return {"real": len(real)}


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of unit length."""
    return rows / ((rows**2).sum(axis=1, keepdims=True) ** 0.5)


def cells(path: str, threshold: str) -> dict[str, Any]:
    import numpy as np

    from cladescope.index.clusters import cluster, groups
    from cladescope.index.near_duplicates import near_duplicates

    start = time.perf_counter()
    vectors = np.load(path, mmap_mode="r")
    found = near_duplicates(vectors, float(threshold))
    searched = time.perf_counter() - start
    clusters = [cluster(vectors, rows) for rows in groups(len(vectors), found.links)]
    return {
        "pairs": found.n_pairs,
        "groups": len(clusters),
        "cut": found.n_cut,
        "seconds": time.perf_counter() - start,
        "search": searched,
        "check": None if found.check is None else [found.check.pairs, found.check.share, found.check.interval],
    }


def one_matrix(path: str, threshold: str) -> dict[str, Any]:
    import numpy as np

    start = time.perf_counter()
    vectors = unit(np.load(path).astype(np.float32))
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, 0)
    pairs = len(np.argwhere(scores >= np.float32(threshold))) // 2
    return {"pairs": pairs, "seconds": time.perf_counter() - start}


def radius(path: str, threshold: str) -> dict[str, Any]:
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    start = time.perf_counter()
    vectors = unit(np.load(path).astype(np.float32))
    search = NearestNeighbors(radius=1 - float(threshold), metric="cosine", algorithm="brute").fit(vectors)
    pairs = sum(map(len, search.radius_neighbors(return_distance=False))) // 2
    return {"pairs": pairs, "seconds": time.perf_counter() - start}


def nothing() -> dict[str, Any]:
    """The libraries alone."""
    from cladescope.index import clusters, near_duplicates  # noqa: F401

    return {}


TASKS = {task.__name__: task for task in (make, cells, one_matrix, radius, nothing)}


def in_child(name: str, *arguments: str) -> dict[str, Any]:
    """What a task returns, with its peak in bytes, from a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--task", name, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    print(name, arguments, found, file=sys.stderr)
    return found


def run_task(name: str, arguments: list[str]) -> None:
    """What `in_child` starts."""
    found = TASKS[name](*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({**found, "peak": peak}, default=int))


def line(name: str, n: int, found: dict[str, Any]) -> list[str]:
    share = "all compared" if found.get("check") is None else "{1:.4f} of {0}, from {2[0]:.3f}".format(*found["check"])
    told = ("pairs", "groups", "cut")
    return [
        name, f"{n:,}", f"{found['seconds']:.1f}", f"{found['peak'] / 1e6:,.0f}",
        *(f"{found[key]:,}" if key in found else "" for key in told), share,
    ]  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["--task"]:
        return run_task(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="a store of pictures with families")
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 40_000, 200_000, 2_000_000])
    parser.add_argument("--others-up-to", type=int, default=40_000, help="default: %(default)s")
    parser.add_argument("--threshold", default="0.965", help="default: %(default)s")
    options = parser.parse_args()
    print(f"{machine()}; cosine from {options.threshold}\n", flush=True)
    rows = [["libraries alone", "", "", f"{in_child('nothing')['peak'] / 1e6:,.0f}", "", "", "", ""]]
    with tempfile.TemporaryDirectory() as folder:
        for n in options.sizes:
            path = str(Path(folder) / f"{n}.npy")
            in_child("make", options.store, path, str(n))
            names = ["cells", *(["one_matrix", "radius"] if n <= options.others_up_to else [])]
            rows += [line(name.replace("_", " "), n, in_child(name, path, options.threshold)) for name in names]
            Path(path).unlink()
    print_table(["", "vectors", "s", "peak, MB", "pairs", "groups", "cut", "found"], rows)


if __name__ == "__main__":
    main()
