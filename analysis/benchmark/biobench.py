"""Two tasks of biobench that are no folders of classes, read as it reads them: Ecdysis' insects and beluga whales.

Stevens 2025, BioBench, https://arxiv.org/abs/2511.16315; `src/biobench/ecdysis` (metadata.csv: id, image_thumbnail_large, visit_date, gbif_class
... gbif_species) and `src/biobench/beluga` (a COCO file whose annotations name an individual) of github.com/samuelstevens/biobench.
"""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa

from cladescope.analysis.benchmark.annotations import cleaned
from cladescope.analysis.benchmark.file_task import file_task
from cladescope.analysis.benchmark.published_table import (
    counted_reasons,
    picture_folder,
    published_file,
    published_table,
)
from cladescope.analysis.benchmark.tasks import TEST, TRAIN, Task
from cladescope.errors import InputError

_RANKS = ("class", "order", "family", "genus", "species")
_COCO = Path("annotations/instances_train2022.json")
_SHARE = 0.8


def read_ecdysis(path: Path, *, images: Path | None = None) -> Task:
    """Insects by species, `metadata.csv` and `images/`: of each species the earliest four fifths by visit are the training part.

    A class is known by its five ranks. Rows without a picture are left out and counted. No picture is opened.

    Raises InputError for what is not Ecdysis' table as biobench reads it.
    """
    table = published_file(path, ("metadata.csv",), of="Ecdysis")
    folder = picture_folder(table.parent, ("images",), images=images, of="Ecdysis")
    ranks = [f"gbif_{rank}" for rank in _RANKS]
    rows = published_table(table, ("image_thumbnail_large", "visit_date", *ranks)).to_pylist()
    pictured = [row for row in rows if row["image_thumbnail_large"]]
    reasons = Counter({f"rows of {table.name} have no picture": len(rows) - len(pictured)})
    of_class: dict[str, list[dict[str, str]]] = {}
    for row in pictured:
        of_class.setdefault("|".join(row[rank] for rank in ranks), []).append(row)
    kept, labels, parts = [], [], []
    for label, members in of_class.items():
        members.sort(key=lambda row: row["visit_date"])
        n_train = int(_SHARE * len(members))
        kept += members
        labels += [label] * len(members)
        parts += [TRAIN] * n_train + [TEST] * (len(members) - n_train)
    order = sorted(range(len(kept)), key=lambda place: parts[place] != TRAIN)
    return file_task(
        [str(folder / kept[place]["image_thumbnail_large"].rpartition("/")[2]) for place in order],
        pa.array([labels[place] for place in order], pa.string()),
        cleaned(pa.table({rank: [kept[place][rank] for place in order] for rank in ranks}), list(_RANKS)),
        name=table.parent.resolve().name,
        address=str(table.resolve()),
        parts=[parts[place] for place in order],
        left_out=counted_reasons(reasons),
        root=str(folder),
    )


def read_beluga(path: Path, *, images: Path | None = None) -> Task:
    """Individuals of beluga whales, a COCO file and `images/train2022/`: a class is an individual, the `name` of a picture's annotation.

    Pictures without an annotation, or with several, are left out and counted. No picture is opened.

    Raises InputError for what is no such file.
    """
    file = (
        path
        if path.is_file()
        else next((one for one in (path / _COCO, path / "beluga.coco" / _COCO) if one.is_file()), None)
    )
    if file is None:
        raise InputError(f"{path} holds no {_COCO}: expected the folder beluga.coco as it is published")
    root = file.parent.parent
    folder = picture_folder(root, ("images/train2022", "images"), images=images, of="beluga")
    try:
        told = json.loads(file.read_text())
        names = {one["id"]: str(one["file_name"]) for one in told["images"]}
        called: dict[object, list[str]] = {}
        for one in told["annotations"]:
            called.setdefault(one["image_id"], []).append(str(one.get("name") or ""))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file} is no COCO file: expected images with id and file_name, annotations with image_id and name"
        ) from error
    kept = [
        (names[number], called[number][0])
        for number in names
        if called.get(number, ["", ""])[1:] == [] and called[number][0]
    ]
    reasons = Counter({f"pictures of {file.name} have no annotation with a name, or several": len(names) - len(kept)})
    kept.sort(key=lambda one: one[1])
    return file_task(
        [str(folder / name) for name, _ in kept],
        pa.array([individual for _, individual in kept], pa.string()),
        name=path.resolve().name if path.is_dir() else file.stem,
        address=str(file.resolve()),
        left_out=counted_reasons(reasons),
        root=str(folder),
    )
