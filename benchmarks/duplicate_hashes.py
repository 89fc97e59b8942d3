"""Near pairs among millions of perceptual hashes: time, peak memory and the share of planted pairs found, beside FAISS.

python benchmarks/duplicate_hashes.py
python benchmarks/duplicate_hashes.py --sizes 100000 1000000 10000000 --flat-up-to 100000

Hashes are made up: 256 random bits, as those of unrelated photographs are about; one in fifty is then an earlier one with so many bits changed, each number from
0 to 31 as often as any other, and one in five hundred one with 32 to 40, which must not be found. `ours` finds all pairs of at most 31 bits
(`training/curation/hash_join.py`), with the mirror images of all hashes beside them in `ours, mirrored too`. `flat` is FAISS's IndexBinaryFlat, which compares all
with all (range search), `multi` its IndexBinaryMultiHash of 16 tables of 16 bits with one bit changed, the same cells as ours. Each runs in a process of its own, on as many
threads as it is given; `peak` is that process's `ru_maxrss`. Times are beside those of `ours`, as ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from side_by_side import machine, print_table

if TYPE_CHECKING:
    import numpy as np

BITS = 31


def made(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hashes, the pairs that were planted, and the bits in which each pair differs."""
    import numpy as np

    rng = np.random.default_rng(n)
    hashes = rng.integers(0, 256, (n, 32), dtype=np.uint8)
    copies = np.arange(n - n // 50 - n // 500, n)
    originals = rng.permutation(n // 2)[: len(copies)]
    bits = np.where(
        np.arange(len(copies)) < n // 50, np.arange(len(copies)) % (BITS + 1), 32 + np.arange(len(copies)) % 9
    )
    for start in range(0, len(copies), 1 << 14):
        some = slice(start, start + (1 << 14))
        changed = rng.random((len(copies[some]), 256)).argsort(axis=1).argsort(axis=1) < bits[some, None]
        hashes[copies[some]] = hashes[originals[some]] ^ np.packbits(changed, axis=1)
    return hashes, np.stack([originals, copies], axis=1), bits


def ours(hashes: np.ndarray, threads: int) -> np.ndarray:
    from cladescope.training.curation.hash_join import near_hashes

    return near_hashes(hashes, BITS, workers=threads).pairs


def ours_mirrored(hashes: np.ndarray, threads: int) -> np.ndarray:
    import numpy as np

    from cladescope.training.curation.hash_join import near_hashes

    mirrored = np.random.default_rng(1).integers(0, 256, hashes.shape, dtype=np.uint8)
    return near_hashes(hashes, BITS, mirrored=mirrored, workers=threads).pairs


def flat(hashes: np.ndarray, threads: int) -> np.ndarray:
    import faiss

    index = faiss.IndexBinaryFlat(256)
    return searched(index, hashes, threads)


def multi(hashes: np.ndarray, threads: int) -> np.ndarray:
    import faiss

    index = faiss.IndexBinaryMultiHash(256, 16, 16)
    index.nflip = 1
    return searched(index, hashes, threads)


def searched(index: Any, hashes: np.ndarray, threads: int) -> np.ndarray:
    """Pairs by a range search of all hashes in blocks."""
    import faiss
    import numpy as np

    faiss.omp_set_num_threads(threads)
    index.add(hashes)
    found = []
    for start in range(0, len(hashes), 1 << 14):
        block = hashes[start : start + (1 << 14)]
        limits, _, rows = index.range_search(block, BITS + 1)
        asked = start + np.repeat(np.arange(len(block)), np.diff(limits.astype(np.int64)))
        found.append(np.stack([asked, rows], axis=1)[asked < rows])
    return np.unique(np.concatenate(found), axis=0)


WAYS = {"ours": ours, "ours, mirrored too": ours_mirrored, "flat": flat, "multi": multi}


def measured(way: str, n: int, threads: int) -> dict[str, Any]:
    """One way in this process; it runs on few hashes first, so that compiling does not count."""
    import numpy as np

    hashes, planted, bits = made(n)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    WAYS[way](hashes[:2_000], threads)
    start = time.perf_counter()
    pairs = WAYS[way](hashes, threads)
    taken = time.perf_counter() - start
    keys, found = planted[:, 0] * n + planted[:, 1], pairs[:, 0] * n + pairs[:, 1]
    is_found = np.isin(keys, found)
    return {
        "seconds": taken,
        "pairs": len(pairs),
        "recall": float(is_found[bits <= BITS].mean()),
        "too_far": int(is_found[bits > BITS].sum()),
        "before": before / 2**20,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--flat-up-to", type=int, default=100_000)
    parser.add_argument("--multi-up-to", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measured(arguments.one[0], int(arguments.one[1]), arguments.threads)))
        return
    print(machine())
    most = {"flat": arguments.flat_up_to, "multi": arguments.multi_up_to}
    rows = []
    for n in arguments.sizes:
        base = 0.0
        for way in WAYS:
            if n > most.get(way, n):
                continue
            command = [sys.executable, __file__, "--one", way, str(n), "--threads", str(arguments.threads)]
            answer = subprocess.run(
                command,
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": str(arguments.threads)},
            )
            told = json.loads(answer.stdout.splitlines()[-1])
            base = told["seconds"] if way == "ours" else base
            rows.append(
                [
                    f"{n:,} {way}", f"{told['seconds']:.1f}", f"{told['seconds'] / base:.1f}", f"{told['peak']:.2f}", f"{told['before']:.2f}",
                    f"{told['pairs']:,}", f"{told['recall']:.4f}", str(told["too_far"]),
                ]
            )  # fmt: skip
            print(rows[-1], file=sys.stderr)
    header = [
        "hashes",
        "seconds",
        "times ours",
        "peak GiB",
        "GiB before",
        "pairs",
        "recall of planted",
        "too far, found",
    ]
    print_table(header, rows)


if __name__ == "__main__":
    main()
