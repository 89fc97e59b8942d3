"""What to label next, beside random: a simulated user who names the pictures that are proposed, on pictures whose names are known.

python benchmarks/suggest.py plants.store=plants-test.store:label organisms.store:species --seeds 5 --step 25 --most 300

Of each `STORE=TEST:RANK` the pictures of STORE may be labelled and those of TEST are named; of `STORE:RANK` a third of the pictures of each class is held out to be
named (kin, such as copies, stay on one side). The user begins with nothing, names `--step` pictures at a time and fits SimpleShot, which chooses the next. Printed are the
accuracy on the pictures that took no part after so many labels, mean of the seeds; the labels after which the accuracy is reached that random has at the end; and the mean
difference to random over all steps, paired by seed, with its 95 % interval (Student's t).
"""

import argparse
from pathlib import Path

import numpy as np
from side_by_side import machine, print_table

from cladescope.analysis.classify.draws import draw_share
from cladescope.analysis.classify.fit import _labelled
from cladescope.analysis.classify.learning_curve import labels_for, paired_difference, user_accuracy
from cladescope.analysis.classify.next_pictures import STRATEGIES
from cladescope.analysis.pictures import Pictures
from cladescope.arrays import normalise
from cladescope.embedding.kin import kin_of
from cladescope.index.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="+", metavar="STORE[=TEST]:RANK")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--step", type=int, default=25)
    parser.add_argument("--most", type=int, default=300)
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    given = parser.parse_args()
    print(f"{machine()}; {given.seeds} seeds, {given.step} pictures at a time\n")
    for place in given.places:
        curves = {
            strategy: np.array(
                [curve(place, strategy, step=given.step, most=given.most, seed=seed) for seed in range(given.seeds)]
            )
            for strategy in given.strategies
        }
        show(place, curves, given.step)


def pictures_of(path: str, rank: str) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Vectors, names and kin."""
    store = Store.open(path)
    found = _labelled(
        Pictures.of_store(store, columns=["image_id", "uri", "observation_id", "content_hash"]), rank, None
    )
    kin = kin_of(*(found.pictures.texts(name) for name in ("uri", "observation_id", "content_hash")))
    return normalise(found.pictures.vectors).astype(np.float32), [found.labels[one] for one in found.classes], kin


def parts_of(place: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vectors, names and kin of those to label, vectors and names of those that take no part."""
    paths, _, rank = place.rpartition(":")
    path, _, test = paths.partition("=")
    vectors, names, kin = pictures_of(path, rank)
    labels = np.array(names)
    if test:
        other, other_names, _ = pictures_of(test, rank)
        return vectors, labels, kin, other, np.array(other_names)
    held = draw_share(np.unique(labels, return_inverse=True)[1], 1 / 3, kin=kin, seed=seed)
    return vectors[~held], labels[~held], kin[~held], vectors[held], labels[held]


def curve(place: str, strategy: str, *, step: int, most: int, seed: int) -> list[float]:
    """Accuracy after each step."""
    vectors, labels, kin, other, truth = parts_of(place, seed)
    _, codes = np.unique(np.concatenate([labels, truth]), return_inverse=True)
    return user_accuracy(
        vectors, codes[: len(labels)], other, codes[len(labels) :], strategy=strategy, step=step, most=min(most, len(vectors)), kin=kin, seed=seed
    )  # fmt: skip


def show(place: str, curves: dict[str, np.ndarray], step: int) -> None:
    """A row for each strategy."""
    n = min(found.shape[1] for found in curves.values())
    shown = sorted({max(0, round(n * part) - 1) for part in (0, 0.125, 0.25, 0.5, 1)})
    target = curves["random"].mean(axis=0)[n - 1] if "random" in curves else None
    rows = []
    for strategy, found in curves.items():
        mean = found.mean(axis=0)
        row = [strategy, *(f"{mean[one]:.3f}" for one in shown)]
        reached = "" if target is None else _labels_for(mean, float(target), step)
        row += [
            reached,
            "" if strategy == "random" or target is None else against(found[:, :n], curves["random"][:, :n]),
        ]
        rows.append(row)
    print(f"{Path(place.partition('=')[0].rpartition(':')[0] or place).name} ({place.rpartition(':')[2]})\n")
    print_table(
        ["strategy", *(f"{(one + 1) * step}" for one in shown), "labels for the same", "more than random"], rows
    )
    print(flush=True)


def _labels_for(mean: np.ndarray, target: float, step: int) -> str:
    """Labels after which an accuracy is reached."""
    found = labels_for(step * np.arange(1, len(mean) + 1), mean, target)
    return f"over {len(mean) * step}" if found is None else f"{found:.0f}"


def against(found: np.ndarray, random: np.ndarray) -> str:
    """Mean difference over the curve, paired by seed, and its 95 % interval."""
    mean, low, high = paired_difference(found, random)
    return f"{mean:+.3f}" if len(found) < 2 else f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


if __name__ == "__main__":
    main()
