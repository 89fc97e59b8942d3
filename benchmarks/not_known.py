"""How many pictures of each folder get a name at several doubts: known taxa should, strangers, empty frames and documents should not.

    python benchmarks/not_known.py known/ strangers/ empties/ documents/ [--classifier FILE]

Each folder is encoded once by the classifier's encoder, else by `tiny`, whose own list of taxa is then asked. The intervals are
Wilson's, 95 %. The pictures of known taxa must not be among those that encoder or classifier learnt from.
"""

import argparse

import cladescope
from cladescope.analysis.classify.known import DOUBT
from cladescope.analysis.classify.said import NAMED
from cladescope.index.intervals import wilson

DOUBTS = (0.01, DOUBT, 0.1, 0.2, 0.3)


def main() -> None:
    """Print a table, a row a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--classifier")
    given = parser.parse_args()
    print("| named, % | pictures |", " | ".join(f"doubt {doubt:g}" for doubt in DOUBTS), "|")
    print("| --- |" + " ---: |" * (1 + len(DOUBTS)))
    for folder in given.folders:
        cells = []
        for doubt in DOUBTS:
            found = cladescope.predict(folder, classifier=given.classifier, doubt=doubt, k=1)
            n = sum(1 for _ in found)
            named = found.verdicts[NAMED]
            low, high = wilson(named / n, n)
            cells.append(f"{100 * named / n:.1f} [{100 * low:.1f}, {100 * high:.1f}]")
        print(f"| {folder} | {n:,} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
