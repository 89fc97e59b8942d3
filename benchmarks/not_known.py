"""How many pictures of each folder get a species, and how many any name, at several risks: known taxa should, strangers and empty frames should not.

    python benchmarks/not_known.py known/ strangers/ empties/ documents/ [--classifier FILE] [--by-photograph]

Each folder is encoded by the classifier's encoder, else by `tiny`, whose own list of taxa is then asked. The pictures of known taxa
must not be among those that encoder or classifier learnt from, and none may have served to choose a threshold. The intervals, 95 %, are
Wilson's; where several pictures are cut from one photograph (`lake__0.jpg`, `lake__1.jpg`) `--by-photograph` draws photographs anew
instead (bootstrap). A species is not asked whether it is right: of strangers and empty frames none can be.
"""

import argparse
from pathlib import Path

import numpy as np

import cladescope
from cladescope.analysis.classify.back_off import RISK
from cladescope.analysis.classify.said import is_named
from cladescope.analysis.measures.bootstrap import bootstrap_interval
from cladescope.index.intervals import wilson

RISKS = (0.01, RISK, 0.05, 0.1, 0.2)


def main() -> None:
    """Print a table, a row a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--classifier")
    parser.add_argument("--by-photograph", action="store_true")
    given = parser.parse_args()
    ways = [*(f"risk {risk:g}" for risk in RISKS), "closed set"]
    print("| to species (any name), % | pictures |", " | ".join(ways), "|")
    print("| --- |" + " ---: |" * (1 + len(ways)))
    for folder in given.folders:
        cells = []
        for risk in (*RISKS, None):
            found = cladescope.predict(folder, classifier=given.classifier, risk=risk, closed_set=risk is None, k=1)
            rows = [(name, answers[0]) for name, answers in found]
            to_species = np.array([bool(row.get("species") or row.get("classification")) for _, row in rows])
            photographs = [Path(name).stem.rpartition("__")[0] or name for name, _ in rows]
            cells.append(
                cell(
                    to_species,
                    photographs if given.by_photograph else None,
                    np.mean([is_named(row) for _, row in rows]),
                )
            )
        print(f"| {folder} | {len(rows):,} |", " | ".join(cells), "|", flush=True)


def cell(hit: np.ndarray, photographs: list[str] | None, any_name: float) -> str:
    """A share in percent with its interval, and that of pictures with any name."""
    if photographs is None:
        low, high = wilson(float(hit.mean()), len(hit))
    else:
        _, group = np.unique(photographs, return_inverse=True)
        low, high = bootstrap_interval(hit, groups=group)
        if low == high:  # none, or all: photographs are counted instead
            low, high = wilson(float(hit.mean()), int(group.max()) + 1)
    return f"{100 * hit.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}] ({100 * any_name:.0f})"


if __name__ == "__main__":
    main()
