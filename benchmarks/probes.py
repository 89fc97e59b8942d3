"""All probes of many vectors: seconds and peak memory, of a process that does nothing else.

python benchmarks/probes.py --vectors 1000000 --dim 512 --species 10000

The vectors are drawn around means that drift along a made-up taxonomy of seven ranks, in float16 as a store holds them.
`ready` is the process with all vectors read and brought to unit length, before the first probe.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

from side_by_side import machine, print_table

# Whatever is imported in this process would count towards its child: on Linux a process inherits its parent's peak.

CHILDREN = (3, 2, 3, 4, 4, 5)
"""Children of each taxon from the kingdom down; species share out what is left."""


def peak() -> float:
    """The most memory that this process ever held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(n: int, d: int, species: int) -> None:
    """What the child does: draw, probe, print."""
    import numpy as np
    import pyarrow as pa

    from cladescope.analysis.pictures import Pictures
    from cladescope.analysis.probes.run import probe
    from cladescope.taxonomy.taxon import RANKS

    rng = np.random.default_rng(0)
    codes = np.empty((species, len(RANKS)), np.int64)
    codes[:, 6] = np.arange(species)
    many = 1
    for place, children in enumerate(CHILDREN):
        many *= children
        codes[:, place] = np.arange(species) * many // species
    means = np.zeros((species, d), np.float32)
    for place in range(len(RANKS)):
        means += rng.standard_normal((codes[:, place].max() + 1, d), np.float32)[codes[:, place]]
    of = rng.integers(species, size=n)
    vectors = np.empty((n, d), np.float16)
    for start in range(0, n, 10_000):
        some = of[start : start + 10_000]
        vectors[start : start + 10_000] = means[some] + 2 * rng.standard_normal((len(some), d), np.float32)
    names = {rank: [f"{rank}{code}" for code in range(codes[:, place].max() + 1)] for place, rank in enumerate(RANKS)}
    columns = {
        rank: pa.DictionaryArray.from_arrays(pa.array(codes[of, place], pa.int32()), pa.array(names[rank]))
        for place, rank in enumerate(RANKS)
    }
    began = time.perf_counter()
    pictures = Pictures.of_table(vectors, pa.table(columns))
    del vectors
    ready, made = peak(), time.perf_counter()
    report = probe(pictures).report
    assert not report.skipped, report.skipped
    print(json.dumps([len(report.results), made - began, ready, time.perf_counter() - made, peak()]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--dim", type=int, default=512, help="default: %(default)s")
    parser.add_argument("--species", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measure(options.vectors, options.dim, options.species)
        return
    done = subprocess.run([sys.executable, *sys.argv, "--child"], check=True, stdout=subprocess.PIPE, text=True)
    n, reading, ready, seconds, most = json.loads(done.stdout)
    print(f"{machine()}; {options.vectors:,} vectors of {options.dim}, {options.species:,} species, {n} results\n")
    rows = [["ready", f"{reading:.0f}", f"{ready / 1e9:.1f}"], ["all probes", f"{seconds:.0f}", f"{most / 1e9:.1f}"]]
    print_table(["", "seconds", "peak, GB"], rows)


if __name__ == "__main__":
    main()
