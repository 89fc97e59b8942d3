"""NeWT as it is published: `newt2021_labels.csv` and the pictures in `newt2021_images/`.

Van Horn et al. 2021, Benchmarking Representation Learning for Natural World Image Collections, https://arxiv.org/abs/2103.16483;
columns as github.com/visipedia/newt describes them: id, task_cluster, task_subcluster, task, label, text_label, split, height, width.
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
from cladescope.analysis.benchmark.questions import Subtasks
from cladescope.analysis.benchmark.tasks import TEST, TRAIN, Task

LABELS, IMAGES = "newt2021_labels.csv", "newt2021_images"


def read_newt(path: Path, *, images: Path | None = None) -> Task:
    """The tasks of NeWT's folder (or of its table), in the table's order; each picture belongs to one task of two classes.

    Rows whose label is not 0 or 1, or whose split is neither train nor test, are left out and counted. No picture is opened.

    Raises InputError for what is not NeWT as it is published.
    """
    table = published_file(path, (LABELS,), of="NeWT")
    folder = picture_folder(table.parent, (IMAGES,), images=images, of="NeWT")
    rows = published_table(table, ("id", "task", "label", "split"), ("task_cluster", "text_label")).to_pylist()
    reasons: Counter[str] = Counter()
    kept = []
    for row in rows:
        if not row["id"] or not row["task"]:
            reasons[f"rows of {table.name} have no id or task"] += 1
        elif row["label"] not in ("0", "1"):
            reasons[f"rows of {table.name} have a label other than 0 and 1"] += 1
        elif row["split"] not in (TRAIN, TEST):
            reasons[f"rows of {table.name} are neither of train nor of test"] += 1
        else:
            kept.append(row)
    clusters = {row["task"]: row["task_cluster"] or "no cluster" for row in reversed(kept)}
    names = tuple(dict.fromkeys(row["task"] for row in kept))
    number = {name: place for place, name in enumerate(names)}
    return file_task(
        [str(folder / f"{row['id']}.jpg") for row in kept],
        pa.array([f"{row['task']}: {row['text_label'] or row['label']}" for row in kept], pa.string()),
        name=table.parent.resolve().name,
        address=str(table.resolve()),
        parts=[row["split"] for row in kept],
        left_out=counted_reasons(reasons),
        question=Subtasks(
            names=names,
            clusters=tuple(clusters[name] for name in names),
            number=np.array([number[row["task"]] for row in kept], np.int64),
            positive=np.array([int(row["label"]) for row in kept], np.int64),
        ),
        root=str(folder),
    )
