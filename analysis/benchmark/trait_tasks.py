"""Traits as FishNet and AwA2 publish them, for each picture: present or absent.

FishNet: Khan et al. 2023, https://fishnet-2023.github.io, columns of `anns/test.csv` in github.com/faixan-khan/FishNet. AwA2: Xian et al.
2019, Zero-Shot Learning - A Comprehensive Evaluation, https://arxiv.org/abs/1707.00600. Which traits and parts are asked is BioCLIP 2's
choice (`src/evaluation/fishnet.py`, `awa2.py` in github.com/Imageomics/bioclip-2).
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from cladescope.analysis.benchmark.file_task import file_task
from cladescope.analysis.benchmark.published_table import counted_reasons, picture_folder, published_table
from cladescope.analysis.benchmark.questions import Traits
from cladescope.analysis.benchmark.tasks import TEST, TRAIN, Task
from cladescope.embedding.sources.folder import FolderSource
from cladescope.errors import InputError

FISH_TRAITS = (
    "FeedingPath", "Tropical", "Temperate", "Subtropical", "Boreal", "Polar", "freshwater", "saltwater", "brackish"
)  # fmt: skip
_FEEDING = {"pelagic": 1, "benthic": 0}
_PRESENT = {"1": 1, "1.0": 1, "0": 0, "0.0": 0}


def read_fishnet(path: Path, *, images: Path | None = None) -> Task:
    """FishNet's nine traits: `train.csv` and `test.csv` in a folder (or in `anns/` below it), pictures in `Image_Library/FOLDER/`.

    Classes are the combinations of traits. Rows that lack a trait are left out, as the published code does, and counted. No picture is
    opened.

    Raises InputError for what is not FishNet as it is published.
    """
    tables = next((one for one in (path, path / "anns") if (one / "train.csv").is_file()), path)
    for part in (TRAIN, TEST):
        if not (tables / f"{part}.csv").is_file():
            raise InputError(f"{path} holds no {part}.csv: expected FishNet's folder with train.csv and test.csv")
    folder = picture_folder(path, ("Image_Library",), images=images, of="FishNet")
    uris, traits, parts = [], [], []
    reasons: Counter[str] = Counter()
    for part in (TRAIN, TEST):
        for row in published_table(tables / f"{part}.csv", ("image", "Folder", *FISH_TRAITS)).to_pylist():
            said = [(_FEEDING if name == FISH_TRAITS[0] else _PRESENT).get(row[name]) for name in FISH_TRAITS]
            if any(row[name] == "" for name in FISH_TRAITS):
                reasons[f"rows of {part}.csv lack a trait"] += 1
            elif None in said:
                reasons[f"rows of {part}.csv have a trait that is neither 0 nor 1, pelagic nor benthic"] += 1
            elif not row["image"]:
                reasons[f"rows of {part}.csv have no image"] += 1
            else:
                uris.append(str(folder / row["Folder"] / row["image"].rpartition("/")[2]))
                traits.append(said)
                parts.append(part)
    values = np.array(traits, np.int64).reshape(len(traits), len(FISH_TRAITS))
    names = ("pelagic", *FISH_TRAITS[1:])
    return _task(
        path,
        folder,
        uris,
        parts,
        [_combination(names, one) for one in values],
        Traits(names=names, values=values),
        reasons,
    )


def read_awa2(path: Path, *, images: Path | None = None) -> Task:
    """AwA2's attributes: `predicate-matrix-binary.txt`, `classes.txt`, `trainclasses.txt`, `testclasses.txt`, pictures in `JPEGImages/CLASS/`.

    Classes of the test part are none of the training part's. Pictures of a class in neither list are left out and counted. No picture is
    opened.

    Raises InputError for what is not AwA2 as it is published.
    """
    classes, predicates = (_names(path / name) for name in ("classes.txt", "predicates.txt"))
    matrix = _matrix(path / "predicate-matrix-binary.txt", len(classes), len(predicates))
    part_of = {name: part for part in (TRAIN, TEST) for name in _names(path / f"{part}classes.txt")}
    both = set(_names(path / "trainclasses.txt")) & set(_names(path / "testclasses.txt"))
    if both or (unknown := sorted(part_of.keys() - set(classes))):
        found = f"{sorted(both)[0]!r} in both lists" if both else f"{unknown[0]!r}, which classes.txt lacks"
        raise InputError(f"{path} has the class {found}: expected each in one of trainclasses.txt and testclasses.txt")
    folder = picture_folder(path, ("JPEGImages",), images=images, of="AwA2")
    place = {name: row for row, name in enumerate(classes)}
    uris, labels = [], []
    reasons: Counter[str] = Counter()
    for record in FolderSource(str(folder), name=path.name).records():
        name = record.uri.removeprefix(f"{folder}/").split("/")[0]
        if name in part_of:
            uris.append(record.uri)
            labels.append(name)
        else:
            reasons["pictures lie in no folder of a class of train or test"] += 1
    values = matrix[[place[name] for name in labels]].reshape(len(labels), len(predicates))
    parts = [part_of[name] for name in labels]
    return _task(path, folder, uris, parts, labels, Traits(names=predicates, values=values), reasons)


def _task(
    path: Path,
    folder: Path,
    uris: list[str],
    parts: list[str],
    labels: list[str],
    traits: Traits,
    reasons: Counter[str],
) -> Task:
    return file_task(
        uris,
        pa.array(labels, pa.string()),
        name=path.resolve().name,
        address=str(path.resolve()),
        parts=parts,
        left_out=counted_reasons(reasons),
        question=traits,
        root=str(folder),
    )


def _combination(names: tuple[str, ...], values: Int64[np.ndarray, " a"]) -> str:
    return " ".join(name for name, value in zip(names, values.tolist(), strict=True) if value) or "none"


def _names(path: Path) -> tuple[str, ...]:
    """The last word of each line: `classes.txt` numbers its lines, the lists of parts do not."""
    if not path.is_file():
        raise InputError(f"{path} does not exist: expected AwA2's folder as it is published")
    return tuple(line.split()[-1] for line in path.read_text().splitlines() if line.strip())


def _matrix(path: Path, n_classes: int, n_traits: int) -> Int64[np.ndarray, "c a"]:
    if not path.is_file():
        raise InputError(f"{path} does not exist: expected AwA2's folder as it is published")
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if len(rows) != n_classes or any(len(row) != n_traits or not {*row} <= {"0", "1"} for row in rows):
        raise InputError(
            f"{path} is no table of {n_classes} classes by {n_traits} attributes of 0 and 1, as classes.txt and predicates.txt count them"
        )
    return np.array(rows, np.int64).reshape(n_classes, n_traits)
