"""Our seeded UMAP beside umap-learn's, defaults and seeded, on the same vectors in one run: seconds by step, trustworthiness.

python benchmarks/maps.py --vectors 200000 --dim 512

The vectors are drawn around means that drift along a made-up taxonomy of 2,000 species, and brought to unit length. Each
layout is a process of its own; they run in turn. Seconds are of the layout alone, without imports and after a small map that
compiles what numba compiles. Trustworthiness over 15 neighbours of 1,000 sampled points, with its standard error.
"""

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from side_by_side import machine, print_table

METHODS = ("cladescope, seeded", "umap-learn", "umap-learn, seeded")


def draw(n: int, d: int) -> Any:
    """Unit vectors (n x d, float32)."""
    import numpy as np

    rng = np.random.default_rng(0)
    species, means = np.arange(2000), np.zeros((2000, d), np.float32)
    for size in (1000, 200, 40, 8, 1):
        means += rng.standard_normal((2000 // size, d), np.float32)[species // size]
    vectors = np.empty((n, d), np.float32)
    for start in range(0, n, 10_000):
        stop = min(n, start + 10_000)
        noise = rng.standard_normal((stop - start, d), np.float32)
        vectors[start:stop] = means[rng.integers(2000, size=stop - start)] + 2 * noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def measure(method: str, n: int, d: int) -> None:
    """What a child does: draw, warm up, lay out, print."""
    import warnings

    from cladescope.analysis.maps.quality import trustworthiness

    warnings.simplefilter("ignore")
    vectors = draw(n, d)
    steps: dict[str, float] = {}
    if method.startswith("cladescope"):
        from cladescope.analysis.maps.layout import fit_map

        fit_map(vectors[:500])
        began = time.perf_counter()
        fitted = fit_map(vectors, seed=1)
        seconds, points, steps = time.perf_counter() - began, fitted.points, fitted.seconds
    else:
        import umap

        seed = 1 if method.endswith("seeded") else None
        umap.UMAP(random_state=seed, n_jobs=1 if seed else -1).fit_transform(vectors[:5000])
        began = time.perf_counter()
        points = umap.UMAP(random_state=seed, n_jobs=1 if seed else -1).fit_transform(vectors)
        seconds = time.perf_counter() - began
    value, error = trustworthiness(vectors, points)
    print(json.dumps({"seconds": seconds, "steps": steps, "trustworthiness": [value, error]}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=200_000, help="default: %(default)s")
    parser.add_argument("--dim", type=int, default=512, help="default: %(default)s")
    parser.add_argument("--method", choices=METHODS, action="append", help="default: all")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measure(options.child, options.vectors, options.dim)
        return
    print(f"{machine()}; {options.vectors:,} vectors of {options.dim}\n")
    rows, times = [], {}
    for method in options.method or METHODS:
        sizes = ["--vectors", str(options.vectors), "--dim", str(options.dim)]
        command = [sys.executable, __file__, *sizes, "--child", method]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        times[method] = found["seconds"]
        value, error = found["trustworthiness"]
        steps = ", ".join(f"{name} {seconds:.0f}" for name, seconds in found["steps"].items())
        rows.append([method, f"{found['seconds']:.0f}", f"{value:.4f} ±{error:.4f}", steps or "-"])
        print(f"{method}: {found['seconds']:.0f} s", file=sys.stderr)
    header = ["layout", "seconds", "trustworthiness", "of these, seconds"]
    print_table(header, rows)
    if "umap-learn" in times and METHODS[0] in times:
        print(f"\numap-learn's defaults take {times['umap-learn'] / times[METHODS[0]]:.2f} times as long")


if __name__ == "__main__":
    main()
