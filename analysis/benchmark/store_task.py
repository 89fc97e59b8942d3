"""Tasks from a store: its rows are the pictures, their taxa at one rank the classes."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int

from cladescope.analysis.benchmark.tasks import Task, TaskClass, TaskPicture
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.taxonomy.rank_table import in_order_of_rows, rank_codes, taxon_codes
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS, Taxon


def read_store(store: Store, *, rank: str = "species") -> Task:
    """The task of telling apart the taxa of a rank, by full path. Pictures without the rank are left out and counted.

    Rows come in the order of their insertion. Memory: some 2 KB a picture.

    Raises InputError for an unknown rank, and where fewer than two taxa have it.
    """
    if rank not in RANK_INDEX:
        raise InputError(f"found the rank {rank!r}, expected one of {', '.join(RANKS)}")
    table = store.table([*RANKS, "common_name", "image_id", "uri"])
    _, names = rank_codes(table)
    # Classes are numbered in the order of their first pictures.
    numbers = in_order_of_rows(taxon_codes(names)[:, [RANK_INDEX[rank]]])[:, 0]
    kept = np.flatnonzero(numbers >= 0)
    if not len(kept):
        raise InputError(f"no picture of {store.path} has a {rank}: {_advice(np.asarray((names > 0).any(axis=0)))}")
    pictures = tuple(_pictures(table.take(pa.array(kept)), numbers[kept]))
    first = np.unique(numbers[kept], return_index=True)[1].tolist()
    classes = tuple(_class(pictures[row].labels, rank) for row in first)
    without = table.num_rows - len(kept)
    left_out = (f"{without} pictures of {store.path} have no {rank}",) if without else ()
    address = str(store.path.resolve())
    return Task(
        name=f"{store.path.resolve().name} by {rank}",
        address=address,
        pictures=pictures,
        classes=classes,
        left_out=left_out,
    )


def _pictures(table: pa.Table, numbers: Int[np.ndarray, " n"]) -> Iterator[TaskPicture]:
    """A picture a row; a task holds its pictures as objects."""
    for row, number in zip(table.to_pylist(), numbers.tolist(), strict=True):
        image_id, uri = row.pop("image_id"), row.pop("uri")
        labels = {name: text for name, text in row.items() if text}
        yield TaskPicture(image_id=image_id, uri=uri, class_number=number, labels=labels)


def _class(labels: Mapping[str, str], rank: str) -> TaskClass:
    """The class of a picture, its first one."""
    path = tuple(labels.get(above) for above in RANKS[: RANK_INDEX[rank] + 1])
    common = labels.get("common_name") if rank == RANKS[-1] else None
    return TaskClass(label=labels[rank], taxon=Taxon(path), common_name=common)


def _advice(has_names: Bool[np.ndarray, " ranks"]) -> str:
    ranks = [rank for rank, has in zip(RANKS, has_names, strict=True) if has]
    if ranks:
        return f"give --rank, one of {', '.join(ranks)}"
    return "it has no ranks at all, so evaluate the folder or CSV that its pictures came from"
