"""A task from whatever holds it: an annotation CSV, a folder with a folder for each class, a store, or published files of the field."""

from pathlib import Path

from cladescope.analysis.benchmark.annotations import read_annotations
from cladescope.analysis.benchmark.class_folders import read_class_folders
from cladescope.analysis.benchmark.field_tasks import FIELD_TASKS, INQUIRE, read_field_task
from cladescope.analysis.benchmark.in_store import found_in_store
from cladescope.analysis.benchmark.inquire import read_inquire
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
    protocol: str | None = None,
    store: Path | None = None,
) -> tuple[Task, Store | None]:
    """The task at a path, and the store of its vectors where it is one: its taxa at `rank`, or its labels, are the classes then.

    Under a `protocol` of the field the path is that of its published files (`field_tasks`). The pictures of a task that is no store may be in
    a `store` that is there already, whose vectors are taken then.

    `vectors` names those of a further encoder of the store. Paths in a CSV start at `images`, by default at the CSV's folder. `labels_from` is
    of folders (`read_class_folders`).

    Raises InputError for what is no task.
    """
    if store is not None:
        if not is_store(store):
            raise InputError(f"{store} is no store: expected one that holds the task's pictures")
        taken = Store.open(store, vectors=vectors)
        if protocol == INQUIRE:
            gallery = taken.table(["uri"])["uri"].to_pylist()
            return found_in_store(read_inquire(path, gallery=gallery), taken), taken
        return found_in_store(
            open_task(path, images=images, labels_from=labels_from, protocol=protocol)[0], taken
        ), taken
    if protocol in FIELD_TASKS:
        return read_field_task(str(protocol), path, images=images), None
    if is_store(path):
        own = Store.open(path, vectors=vectors)
        return read_store(own, rank=rank), own
    if path.is_dir():
        return read_class_folders(path, labels_from=labels_from), None
    if path.is_file() and path.suffix.lower() == ".csv":
        return read_annotations(path, images=images), None
    found = "is no CSV" if path.exists() else "does not exist"
    raise InputError(
        f"{path} {found}: expected an annotation CSV (filepath, class), a folder with a folder a class, or a store"
    )
