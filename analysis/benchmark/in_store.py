"""A task's pictures found in a store that the user has, by the ends of their addresses: its vectors are scored, nothing is embedded."""

from collections import Counter
from dataclasses import replace

import pyarrow as pa

from cladescope.analysis.benchmark.tasks import Task
from cladescope.errors import InputError
from cladescope.index.store import Store

_NOT_THERE, _SEVERAL = (
    "no picture of the store has an address that ends in {}",
    "{} pictures of the store have addresses that end in {}",
)


def found_in_store(task: Task, store: Store) -> Task:
    """The task with the ids that its pictures have in a store; those that are not there keep theirs, and say why they cannot be used.

    A picture is the one of the store with its address, else the only one whose address ends in its path below the task's folder of
    pictures. Memory: some 300 bytes a picture of the store.

    Raises InputError where the store has none of the task's pictures.
    """
    table = store.table(["image_id", "uri"])
    uris, ids = (table[name].cast(pa.string()).to_pylist() for name in ("uri", "image_id"))
    own = task.table["uri"].to_pylist()
    paths = [uri.removeprefix(task.root).lstrip("/") for uri in own]
    depths = {path.count("/") + 1 for path in paths}
    wanted = {*paths}
    by_uri = dict(zip(uris, ids, strict=True))
    by_tail: dict[str, str] = {}
    n_of: Counter[str] = Counter()
    for uri, image_id in zip(uris, ids, strict=True):
        parts = uri.split("/")
        for depth in depths:
            if (tail := "/".join(parts[-depth:])) in wanted:
                by_tail[tail] = image_id
                n_of[tail] += 1
    found, problems = [], []
    for row, (uri, path) in enumerate(zip(own, paths, strict=True)):
        image_id = by_uri.get(uri) or (by_tail[path] if n_of[path] == 1 else None)
        found.append(image_id or f"not in the store: {row}")
        problems.append(
            None if image_id else _SEVERAL.format(n_of[path], path) if n_of[path] else _NOT_THERE.format(path)
        )
    if all(problems):
        raise InputError(
            f"{store.path} has none of the {len(task):,} pictures of {task.address}: {problems[0]}; embed the task's pictures into it, or "
            "leave the store out"
        )
    columns = {"image_id": found, "problem": problems}
    changed = task.table
    for name, values in columns.items():
        place = changed.column_names.index(name)
        changed = changed.set_column(place, changed.schema.field(name), pa.array(values, pa.string()))
    return replace(task, table=changed)
