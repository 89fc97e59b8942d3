"""A task without the pictures that an encoder was trained on: its folder anew, as links, less what looks like a picture of the training data.

python benchmarks/without_seen.py TASK MANIFEST.csv OUT

TASK is a folder with train/ and test/, MANIFEST a table whose column `file` or `filepath` has the training pictures, from its own folder.
Two pictures are one where their greys, at 16 x 16 pixels and each stretched to a mean of 0 and a deviation of 1, differ by less than 0.2 in the mean: the
same photograph at another size or in another compression. Classes that then lack a part are left out. Prints the counts.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 16
SAME = 0.2


def small(path: Path) -> np.ndarray:
    """Greys of a picture at 16 x 16 pixels, with a mean of 0 and a deviation of 1."""
    with Image.open(path) as picture:
        picture.draft("L", (8 * SIDE, 8 * SIDE))
        grey = np.asarray(picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float32).ravel()
    return (grey - grey.mean()) / max(float(grey.std()), 1e-3)


def seen(pictures: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Whether each picture (n x 256) is one of the training pictures (m x 256)."""
    found = np.zeros(len(pictures), bool)
    for place, one in enumerate(pictures):
        found[place] = np.abs(training - one).mean(axis=1).min() < SAME
    return found


def main() -> None:
    """Write the links and print what was left out."""
    task, manifest, out = map(Path, sys.argv[1:])
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    column = "file" if "file" in rows[0] else "filepath"
    training = np.stack([small(manifest.parent / row[column]) for row in rows])
    kept: dict[str, dict[str, list[Path]]] = {}
    for part in ("train", "test"):
        paths = sorted(path for path in (task / part).glob("*/*") if path.is_file())
        was_seen = seen(np.stack([small(path) for path in paths]), training)
        print(f"{part}: {was_seen.sum():,} of {len(paths):,} pictures are training pictures")
        for path, known in zip(paths, was_seen, strict=True):
            if not known:
                kept.setdefault(path.parent.name, {}).setdefault(part, []).append(path)
    whole = {label: parts for label, parts in kept.items() if len(parts) == 2}
    for parts in whole.values():
        for part, paths in parts.items():
            for path in paths:
                link = out / part / path.parent.name / path.name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.resolve())
    if (task / "labels.csv").is_file():
        (out / "labels.csv").symlink_to((task / "labels.csv").resolve())
    n = {part: sum(len(parts[part]) for parts in whole.values()) for part in ("train", "test")}
    print(f"{out}: {len(whole):,} classes, {n['train']:,} training and {n['test']:,} test pictures")


if __name__ == "__main__":
    main()
