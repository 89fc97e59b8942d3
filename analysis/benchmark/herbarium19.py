"""Herbarium19 as BioCLIP 2 asks it: half of the species are known, four fifths of whose pictures are labelled, the others are to be discovered.

Tan et al. 2019, The Herbarium Challenge 2019 Dataset, https://arxiv.org/abs/1906.05372: a folder `small-train` with a folder for each of 683
species. Which are known is in `herbarium_19_class_splits.pkl` (`class_splits`); which pictures are labelled is drawn as Vaze et al. 2022
(https://arxiv.org/abs/2201.02609, `data/herbarium_19.py`) and BioCLIP 2 (`src/evaluation/herbarium19.py`) draw it.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int64

from cladescope.analysis.benchmark.class_splits import read_class_splits
from cladescope.analysis.benchmark.file_task import file_task
from cladescope.analysis.benchmark.published_table import picture_folder
from cladescope.analysis.benchmark.questions import Discovery
from cladescope.analysis.benchmark.tasks import TEST, TRAIN, Task
from cladescope.embedding.sources.folder import FolderSource
from cladescope.errors import InputError

SPLITS = "herbarium_19_class_splits.pkl"
LABELLED_SHARE, SEED = 0.8, 0


def read_herbarium19(path: Path, *, images: Path | None = None) -> Task:
    """Pictures of `small-train/CLASS/`, or of `images/CLASS/`, the labelled ones first: they are the training part, all others the test part.

    Classes are numbered in the order of their folders' names, as texts (`10` before `2`). Pictures that lie in no class folder are left out and counted. No picture is opened.

    Raises InputError for a folder without the list of known classes, and where its folders are not the classes that this list numbers.
    """
    splits = path if path.is_file() else path / SPLITS
    if not splits.is_file():
        raise InputError(
            f"{path} holds no {SPLITS}, the list of known classes: copy it there from generalized-category-discovery (data/ssb_splits) or "
            "bioclip-2 (src/evaluation), beside small-train"
        )
    root = picture_folder(splits.parent, ("small-train", "train"), images=images, of="Herbarium19")
    old, new = read_class_splits(splits)
    folders = sorted(one.name for one in root.iterdir() if one.is_dir() and not one.name.startswith((".", "__")))
    if len(folders) != len(old) + len(new):
        raise InputError(
            f"{root} has {len(folders):,} folders of classes, {splits.name} numbers {len(old) + len(new):,}: expected the same, "
            "so unpack all of small-train, or name its folder (images)"
        )
    inside: list[tuple[str, str, str, str]] = []
    n_outside = 0
    for record in FolderSource(str(root), name=root.name).records():
        names = record.uri.removeprefix(f"{root}/").split("/")
        if len(names) < 2:
            n_outside += 1
        else:
            inside.append((names[0], "/".join(names[:-1]), names[-1], record.uri))
    inside.sort()
    number = np.searchsorted(folders, [one[0] for one in inside])
    if len(empty := np.setdiff1d(np.arange(len(folders)), number)):
        raise InputError(f"the class {folders[empty[0]]!r} has no pictures in {root}: unpack all of small-train")
    is_old = np.isin(np.arange(len(folders)), old)
    labelled = drawn_labels(number, is_old)
    order = np.argsort(~labelled, kind="stable").tolist()
    labels = [inside[place][0] for place in order]
    known = dict(zip(folders, is_old.tolist(), strict=True))
    return file_task(
        [inside[place][3] for place in order],
        pa.array(labels, pa.string()),
        name=splits.parent.resolve().name,
        address=str(path.resolve()),
        parts=[TRAIN if labelled[place] else TEST for place in order],
        left_out=(f"{n_outside:,} pictures of {root.name} lie in no folder of a class",) if n_outside else (),
        question=Discovery(old=tuple(known[label] for label in dict.fromkeys(labels)), n_groups=len(folders)),
        root=str(root),
    )


def drawn_labels(number: Int64[np.ndarray, " n"], is_old: Bool[np.ndarray, " c"]) -> Bool[np.ndarray, " n"]:
    """Which pictures are labelled: four fifths of those of known classes, rounded down, drawn without regard to their class.

    numpy's `random.choice` without replacement after `random.seed(0)`, as the published code calls it.

    >>> drawn_labels(np.array([0, 0, 0, 1, 1, 1]), np.array([True, False])).sum()
    np.int64(2)
    """
    of_old = np.flatnonzero(is_old[number])
    found = np.zeros(len(number), bool)
    found[of_old[np.random.RandomState(SEED).permutation(len(of_old))[: int(LABELLED_SHARE * len(of_old))]]] = True
    return found
