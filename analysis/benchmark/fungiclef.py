"""FungiCLEF 2023 as biobench reads it: fungi of Denmark, observations of several pictures, species that are not taught, and poison.

`src/biobench/fungiclef` of github.com/samuelstevens/biobench (Stevens 2025, https://arxiv.org/abs/2511.16315); the files are those of the
challenge (Picek et al. 2023, Overview of FungiCLEF 2023, https://ceur-ws.org/Vol-3497/) and of Danish Fungi 2020 and 2021.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from cladescope.analysis.benchmark.file_task import file_task
from cladescope.analysis.benchmark.published_table import (
    counted_reasons,
    picture_folder,
    published_file,
    published_table,
)
from cladescope.analysis.benchmark.questions import Observations
from cladescope.analysis.benchmark.tasks import TEST, TRAIN, Task
from cladescope.errors import InputError

_TABLE = "FungiCLEF2023_{}_metadata_PRODUCTION.csv"
_FOLDERS = {TRAIN: ("train", "DF20_300"), TEST: ("val", "DF21_300")}
_POISON = "poison_status_list.csv"
_COLUMNS = ("image_path", "class_id", "observationID")
_UNKNOWN = "unknown"


def read_fungiclef(path: Path, *, images: Path | None = None) -> Task:
    """Fungi by species: the tables of train and val beside `DF20_300/`, which is learnt from, and `DF21_300/`, whose observations are asked.

    A class is a `class_id`; -1 is a species that is not taught, and so is one that the training part lacks. What is poisonous is read from
    `poison_status_list.csv` (class_id, poisonous) where that lies beside the tables. A picture's name is tried as it is written and in
    small letters. Rows without a picture, a number of a class or an observation are left out and counted. No picture is opened.

    Raises InputError for what is not FungiCLEF 2023 as it is published.
    """
    if path.is_file():
        raise InputError(f"{path} is a file: name the folder of FungiCLEF 2023, with {_TABLE.format('train')}")
    root = picture_folder(path, (), images=images, of="FungiCLEF")
    reasons: Counter[str] = Counter()
    uris: list[str] = []
    labels: list[str] = []
    parts: list[str] = []
    numbers: list[int] = []
    found: dict[str, tuple[int, str]] = {}
    for part, (stem, folder) in _FOLDERS.items():
        table = published_file(path, (_TABLE.format(stem),), of="FungiCLEF 2023")
        for row in published_table(table, _COLUMNS).to_pylist():
            label = _class_of(row["class_id"])
            if not row["image_path"]:
                reasons[f"rows of {table.name} have no image_path"] += 1
            elif label is None or (part == TRAIN and label == _UNKNOWN):
                what = "no number of a class" if part == TRAIN else "neither a number of a class nor -1"
                reasons[f"rows of {table.name} have a class_id that is {what}"] += 1
            elif part == TEST and not row["observationID"]:
                reasons[f"rows of {table.name} have no observationID"] += 1
            else:
                number, first = -1, label
                if part == TEST:
                    number, first = found.setdefault(row["observationID"], (len(found), label))
                if label != first:
                    reasons[
                        f"rows of {table.name} have another class than their observation: they are kept in its own"
                    ] += 1
                uris.append(str(_as_it_lies(root / folder, row["image_path"])))
                labels.append(first)
                parts.append(part)
                numbers.append(number)
    taught = {label for label, part in zip(labels, parts, strict=True) if part == TRAIN}
    classes = tuple(dict.fromkeys(labels))
    return file_task(
        uris,
        pa.array(labels, pa.string()),
        name=path.resolve().name,
        address=str(path.resolve()),
        parts=parts,
        left_out=counted_reasons(reasons),
        question=Observations(
            number=np.array(numbers, np.int64),
            n_observations=len(found),
            taught=tuple(label in taught for label in classes),
            poisonous=_poisonous(path / _POISON, classes),
        ),
        root=str(root),
    )


def _class_of(text: str) -> str | None:
    """The label of a written class_id; None where it is no number.

    >>> [_class_of(text) for text in ("12", "12.0", "-1", "", "x")]
    ['12', '12', 'unknown', None, None]
    """
    number = text.removesuffix(".0")
    if number == "-1":
        return _UNKNOWN
    return str(int(number)) if number.isdecimal() else None


def _as_it_lies(folder: Path, name: str) -> Path:
    """A picture's path; in small letters where only that is there."""
    small = folder / name.lower()
    return small if not (folder / name).exists() and small.exists() else folder / name


def _poisonous(file: Path, classes: tuple[str, ...]) -> tuple[bool, ...] | None:
    """For each class whether it is poisonous; None where there is no list."""
    if not file.is_file():
        return None
    rows = published_table(file, ("class_id", "poisonous")).to_pylist()
    if odd := next((row for row in rows if row["poisonous"].removesuffix(".0") not in ("0", "1")), None):
        raise InputError(
            f"{file} has {odd['poisonous']!r} as poisonous of the class {odd['class_id']}: expected 0 or 1, as it is published"
        )
    those = {_class_of(row["class_id"]) for row in rows if row["poisonous"].startswith("1")}
    return tuple(label in those for label in classes)
