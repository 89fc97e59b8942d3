"""Tasks from a store: its rows are the pictures, their taxa at one rank the classes."""

from collections.abc import Sequence

import pyarrow as pa

from cladescope.analysis.benchmark.tasks import Task, TaskClass, TaskPicture
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS, Taxon


def read_store(store: Store, *, rank: str = "species") -> Task:
    """The task of telling apart the taxa of a rank, by full path. Pictures without the rank are left out and counted.

    Rows come in the order of their insertion. Memory: some 2 KB a picture.

    Raises InputError for an unknown rank, and where fewer than two taxa have it.
    """
    if rank not in RANK_INDEX:
        raise InputError(f"found the rank {rank!r}, expected one of {', '.join(RANKS)}")
    numbers: dict[tuple[str | None, ...], int] = {}
    classes: list[TaskClass] = []
    pictures = []
    columns = ["image_id", "uri", *RANKS, "common_name"]
    rows = (row for batch in store.scan(columns) for row in pa.RecordBatch.to_pylist(batch))
    without = 0
    present: set[str] = set()
    for row in rows:
        labels = {name: row[name] for name in (*RANKS, "common_name") if row[name]}
        present |= labels.keys()
        if rank not in labels:
            without += 1
            continue
        path = tuple(row[above] or None for above in RANKS[: RANK_INDEX[rank] + 1])
        if path not in numbers:
            numbers[path] = len(classes)
            common = labels.get("common_name") if rank == RANKS[-1] else None
            classes.append(TaskClass(label=labels[rank], taxon=Taxon(path), common_name=common))
        pictures.append(
            TaskPicture(image_id=row["image_id"], uri=row["uri"], class_number=numbers[path], labels=labels)
        )
    if not pictures:
        raise InputError(f"no picture of {store.path} has a {rank}: {_advice(present)}")
    left_out = (f"{without} pictures of {store.path} have no {rank}",) if without else ()
    address = str(store.path.resolve())
    return Task(
        name=f"{store.path.resolve().name} by {rank}",
        address=address,
        pictures=tuple(pictures),
        classes=tuple(classes),
        left_out=left_out,
    )


def _advice(present: Sequence[str] | set[str]) -> str:
    ranks = [rank for rank in RANKS if rank in present]
    if ranks:
        return f"give --rank, one of {', '.join(ranks)}"
    return "it has no ranks at all, so evaluate the folder or CSV that its pictures came from"
