"""A task from whatever holds it: an annotation CSV, a folder with a folder for each class, or a store."""

from pathlib import Path

from cladescope.analysis.benchmark.annotations import read_annotations
from cladescope.analysis.benchmark.class_folders import read_class_folders
from cladescope.analysis.benchmark.store_task import read_store
from cladescope.analysis.benchmark.tasks import Task
from cladescope.errors import InputError
from cladescope.index.store import Store


def is_store(path: Path) -> bool:
    """Whether a path is a store's folder."""
    return (path / "store.json").is_file()


def open_task(
    path: Path,
    *,
    rank: str | None = None,
    images: Path | None = None,
    vectors: str | None = None,
    labels_from: str | None = None,
) -> tuple[Task, Store | None]:
    """The task at a path, and the store of its vectors where it is one: its taxa at `rank`, or its labels, are the classes then.

    `vectors` names those of a further encoder of the store. Paths in a CSV start at `images`, by default at the CSV's folder. `labels_from` is
    of folders (`read_class_folders`).

    Raises InputError for what is no task.
    """
    if is_store(path):
        store = Store.open(path, vectors=vectors)
        return read_store(store, rank=rank), store
    if path.is_dir():
        return read_class_folders(path, labels_from=labels_from), None
    if path.is_file() and path.suffix.lower() == ".csv":
        return read_annotations(path, images=images), None
    found = "is no CSV" if path.exists() else "does not exist"
    raise InputError(
        f"{path} {found}: expected an annotation CSV (filepath, class), a folder with a folder a class, or a store"
    )
