"""Outliers that were planted among the pictures of a store: how many each detector of an audit finds, at how many false alarms.

python benchmarks/planted_outliers.py photos.store [MORE.store] --draws 5

Of a tenth of the orders all pictures are taken out; 40 of them stand in for pictures of other species (stranger). 40 pictures become noise that is spread as the
store is (noise), 40 take each other's labels (swapped). Given is the share of each that is found where 2 % of the other pictures are taken for outliers,
and the area under the curve of both, mean over draws; and what is found beyond the fences that an audit has.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from side_by_side import machine, print_table
from sklearn.metrics import roc_auc_score

from cladescope.analysis.audit import label_errors, outliers
from cladescope.analysis.audit.duplicates import FENCE
from cladescope.analysis.audit.local_outliers import local_outlier_factor, sparsest
from cladescope.analysis.pictures import Pictures
from cladescope.arrays import normalise
from cladescope.index.store import Store

KINDS = ("stranger", "noise", "swapped")
EACH = 40
ALARMS = 0.02
ORDER = 3
"""Place of the order among the ranks."""


def main() -> None:
    """Print a table for each store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("--draws", type=int, default=5)
    given = parser.parse_args()
    print(machine())
    for path in given.stores:
        pictures = Pictures.of_store(Store.open(path)).with_taxa()
        found: dict[str, list[list[float]]] = defaultdict(list)
        for draw in range(given.draws):
            for name, cells in measured(*planted(pictures, draw)).items():
                found[name].append(cells)
        print(f"\n{path.stem}: {len(pictures):,} pictures, {given.draws} draws\n")
        rows = [
            [name, *("" if np.isnan(cell) else f"{cell:.3f}" for cell in np.mean(cells, axis=0))]
            for name, cells in found.items()
        ]
        print_table(
            ["detector", *(f"{kind}{what}" for kind in KINDS for what in (", found", ", area")), "false alarms"], rows
        )


def planted(pictures: Pictures, draw: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors, codes of taxa, and of each picture 0 or 1 + the place of its fault."""
    rng = np.random.default_rng(draw)
    codes = label_errors.uneven_codes(pictures.name_codes)
    orders = np.unique(codes[codes[:, ORDER] >= 0, ORDER])
    out = np.isin(codes[:, ORDER], rng.choice(orders, max(1, len(orders) // 10), replace=False))
    vectors, own, pool = pictures.vectors[~out].copy(), codes[~out].copy(), pictures.vectors[out]
    some = rng.permutation(len(own))[: 3 * EACH].reshape(3, EACH)
    fault = np.zeros(len(own), np.int64)
    for place, rows in enumerate(some):
        fault[rows] = place + 1
    spread = np.linalg.cholesky(np.cov(vectors.T) + 1e-6 * np.eye(vectors.shape[1]))
    noise = vectors.mean(axis=0) + rng.normal(size=(EACH, vectors.shape[1])) @ spread.T
    vectors[some[0]] = pool[rng.choice(len(pool), EACH, replace=len(pool) < EACH)]
    vectors[some[1]] = normalise(noise.astype(np.float32))
    own[some[2]] = own[rng.permutation(some[2])]
    return vectors, own, fault


def measured(vectors: np.ndarray, codes: np.ndarray, fault: np.ndarray) -> dict[str, list[float]]:
    """For each detector the share found and the area, a kind after the other, and its share of false alarms."""
    z = np.nan_to_num(outliers.find(vectors, codes).z, nan=-9.0)
    bare = np.nan_to_num(outliers.find(vectors, codes[:, :0]).z, nan=-9.0)
    factor = local_outlier_factor(vectors)
    scores = {"distance in the own taxon": z, "distance, no names": bare, "local outlier factor": factor}
    found = {}
    for name, score in scores.items():
        cells = at(score > np.quantile(score[fault == 0], 1 - ALARMS), fault)
        areas = [roc_auc_score(fault[kept] > 0, score[kept]) for kept in (np.isin(fault, [0, k]) for k in (1, 2, 3))]
        found[name] = [cell for pair in zip(cells[:3], areas, strict=True) for cell in pair] + cells[3:]
    for name, beyond in (
        (f"audit: z > {FENCE}", z > FENCE),
        ("audit --lof 0.01", (z > FENCE) | sparsest(factor, 0.01)),
        ("audit --lof 0.02", (z > FENCE) | sparsest(factor, 0.02)),
    ):
        cells = at(beyond, fault)
        found[name] = [cell for share in cells[:3] for cell in (share, float("nan"))] + cells[3:]
    return found


def at(beyond: np.ndarray, fault: np.ndarray) -> list[float]:
    """The share of each kind of fault, and of the other pictures, that is taken for an outlier."""
    return [float(beyond[fault == kind].mean()) for kind in (1, 2, 3, 0)]


if __name__ == "__main__":
    main()
