"""Near pairs among many perceptual hashes of 256 bits: seconds, peak memory, and whether all that were planted are found.

python benchmarks/duplicate_hashes.py 1000000 10000000 --bits 31
python benchmarks/duplicate_hashes.py 50000 --beside-faiss

Hashes are random; of every hundredth a copy with 1 to 31 flipped bits is planted. Each row is a process of its own, its peak `ru_maxrss`. Beside FAISS the same hashes are asked of
its exact flat index and of its multi-hash index, with the settings in the table; ratios are to the time of `near_hashes`, all on the same threads.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
from side_by_side import machine, print_table


def made(n: int, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Random hashes with planted copies, and the pairs of rows that were planted."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (n, 32), np.uint8)
    n_planted = n // 100
    rows = rng.permutation(n)
    kept, copies = rows[:n_planted], rows[n_planted : 2 * n_planted]
    flips = np.zeros((n_planted, 256), np.uint8)
    for row, number in enumerate(rng.integers(1, bits + 1, n_planted)):
        flips[row, rng.permutation(256)[:number]] = 1
    hashes[copies] = hashes[kept] ^ np.packbits(flips, axis=1)
    return hashes, np.sort(np.stack([kept, copies], axis=1), axis=1)


def ours(n: int, bits: int, threads: int) -> dict[str, float]:
    """What `near_hashes` takes and finds."""
    from cladescope.training.curation.hash_join import near_hashes

    hashes, planted = made(n, bits)
    near_hashes(hashes[:1000], bits, workers=threads)  # compiled before the clock runs
    begun = time.monotonic()
    found = near_hashes(hashes, bits, workers=threads)
    seconds = time.monotonic() - begun
    known = {tuple(pair) for pair in found.pairs.tolist()}
    return {
        "seconds": seconds,
        "recall": sum(tuple(pair) in known for pair in planted.tolist()) / len(planted),
        "pairs": len(known),
    }


def faiss_flat(n: int, bits: int, threads: int) -> dict[str, float]:
    """FAISS's exact index."""
    import faiss

    faiss.omp_set_num_threads(threads)
    hashes, planted = made(n, bits)
    begun = time.monotonic()
    index = faiss.IndexBinaryFlat(256)
    index.add(hashes)
    return _asked(index, hashes, planted, bits, begun)


def faiss_multi(n: int, bits: int, threads: int) -> dict[str, float]:
    """FAISS's multi-hash index: 16 hash tables of 16 bits, one bit flipped at the asking."""
    import faiss

    faiss.omp_set_num_threads(threads)
    hashes, planted = made(n, bits)
    begun = time.monotonic()
    index = faiss.IndexBinaryMultiHash(256, 16, 16)
    index.nflip = 1
    index.add(hashes)
    return _asked(index, hashes, planted, bits, begun)


def _asked(index: object, hashes: np.ndarray, planted: np.ndarray, bits: int, begun: float) -> dict[str, float]:
    known: set[tuple[int, int]] = set()
    for start in range(0, len(hashes), 10_000):
        # FAISS's range search of binary codes is strict: less than the radius.
        limits, _, others = index.range_search(hashes[start : start + 10_000], bits + 1)  # type: ignore[attr-defined]
        rows = np.repeat(np.arange(len(limits) - 1) + start, np.diff(limits).astype(np.int64))
        known |= {(int(a), int(b)) for a, b in zip(rows, others, strict=True) if a < b}
    seconds = time.monotonic() - begun
    return {
        "seconds": seconds,
        "recall": sum(tuple(pair) in known for pair in planted.tolist()) / len(planted),
        "pairs": len(known),
    }


WAYS = {
    "near_hashes": ours,
    "faiss IndexBinaryFlat": faiss_flat,
    "faiss IndexBinaryMultiHash (16 x 16 bits, 1 flip)": faiss_multi,
}


def main() -> int:
    """One row a way and a number of hashes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", type=int, nargs="+")
    parser.add_argument("--bits", type=int, default=31)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--beside-faiss", action="store_true")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        told = WAYS[arguments.way](arguments.numbers[0], arguments.bits, arguments.threads)
        print(json.dumps({**told, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
        return 0
    rows = []
    for n in arguments.numbers:
        first = None
        for way in WAYS if arguments.beside_faiss else ["near_hashes"]:
            command = [
                sys.executable,
                __file__,
                str(n),
                "--bits",
                str(arguments.bits),
                "--threads",
                str(arguments.threads),
                "--way",
                way,
            ]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            first = first or told["seconds"]
            rows.append(
                (
                    way,
                    n,
                    round(told["seconds"], 1),
                    round(told["seconds"] / first, 1),
                    round(told["peak"], 2),
                    told["pairs"],
                    told["recall"],
                )
            )
    print(machine())
    print_table(
        ["way", "hashes", "s", "times", "peak, GiB", "pairs", "recall of planted"],
        [list(map(str, row)) for row in rows],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
