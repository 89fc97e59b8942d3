"""SimpleShot beside scikit-learn's NearestCentroid at equal predictions: fit and predict of many classes, in one run.

python benchmarks/few_shot.py --classes 10000 --vectors 1000000 --dim 64 --queries 20000 --rounds 3

Vectors are drawn around class means. scikit-learn is given vectors that are centred and of unit length already, which
SimpleShot does itself; its own share of that work is not counted. Both predict the same queries; a figure for more queries
is that of these by their number.
"""

import argparse
import time

import numpy as np
from side_by_side import print_table
from sklearn.neighbors import NearestCentroid

from cladescope.analysis.classify.few_shot import SimpleShot
from cladescope.analysis.measures.simple_shot import centred
from cladescope.arrays import normalise


def draw(n: int, c: int, d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors, their labels and the class means."""
    means = rng.standard_normal((c, d), np.float32)
    labels = np.concatenate([np.arange(c), rng.integers(c, size=n - c)])
    vectors = rng.standard_normal((n, d), np.float32)
    vectors += means[labels]
    return vectors, labels, means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=10_000)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    vectors, labels, means = draw(options.vectors, options.classes, options.dim, rng)
    queries = means[rng.integers(options.classes, size=options.queries)]
    queries = queries + rng.standard_normal(queries.shape, np.float32)
    centre = normalise(vectors).mean(axis=0, dtype=np.float64).astype(np.float32)
    ready, ready_queries = (centred(normalise(part), centre) for part in (vectors, queries))
    seconds: dict[str, list[list[float]]] = {"SimpleShot": [], "NearestCentroid": []}
    answers = {}
    for _ in range(options.rounds):
        for name, method, given, asked in (
            ("SimpleShot", SimpleShot(), vectors, queries),
            ("NearestCentroid", NearestCentroid(), ready, ready_queries),
        ):
            began = time.perf_counter()
            method.fit(given, labels)
            fitted = time.perf_counter()
            answers[name] = method.predict(asked)
            seconds[name].append([fitted - began, time.perf_counter() - fitted])
    different = (answers["SimpleShot"] != answers["NearestCentroid"]).sum()
    print(f"{options.classes:,} classes, {options.vectors:,} x {options.dim}, {options.queries:,} queries; ", end="")
    print(f"median of {options.rounds} rounds; {different} predictions differ\n")
    ours, theirs = (np.median(seconds[name], axis=0) for name in seconds)
    rows = [
        [what, f"{ours[place]:.2f}", f"{theirs[place]:.2f}", f"{theirs[place] / ours[place]:.1f}"]
        for place, what in enumerate(("fit, s", "predict, s"))
    ]
    rows.append(["both, s", f"{ours.sum():.2f}", f"{theirs.sum():.2f}", f"{theirs.sum() / ours.sum():.1f}"])
    print_table(["", "SimpleShot", "NearestCentroid", "ratio"], rows)


if __name__ == "__main__":
    main()
