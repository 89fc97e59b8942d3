"""Tasks from a store: its rows are the pictures, their taxa at one rank the classes."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int

from cladescope.analysis.benchmark.tasks import LABELS, TASK_SCHEMA, Task, TaskClass
from cladescope.analysis.pictures import Pictures
from cladescope.embedding.kin import are_alone, kin_of
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.schema import LABEL, LEVELS
from cladescope.taxonomy.rank_table import in_order_of_rows
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS, Taxon


def read_store(store: Store, *, rank: str | None = None) -> Task:
    """The task of telling apart the taxa of a rank, by full path, or labels. Pictures without one are left out and counted.

    Without a `rank` that is `Pictures.narrowest`.

    Rows come in the order of their insertion. Memory: some 300 bytes a picture.

    Raises InputError for an unknown rank, and where fewer than two taxa have it.
    """
    if rank not in (None, *LEVELS):
        raise InputError(f"found the rank {rank!r}, expected one of {', '.join(LEVELS)}")
    label = [LABEL] if LABEL in store.schema.names else []
    table = store.table([*RANKS, *label, "common_name", "image_id", "uri", "observation_id"])
    pictures = Pictures(np.empty((table.num_rows, 0), np.float32), table)
    asked, rank = rank, rank or pictures.narrowest
    names = pictures.name_codes
    # Classes are numbered in the order of their first pictures.
    numbers = in_order_of_rows(pictures.labels(rank)[:, None])[:, 0]
    kept = np.flatnonzero(numbers >= 0)
    if not len(kept):
        raise InputError(f"no picture of {store.path} has a {rank}: {_advice(np.asarray((names > 0).any(axis=0)))}")
    table = table.take(kept)
    first = np.unique(numbers[kept], return_index=True)[1]
    if rank == LABEL:
        named = {
            number: path[0] for number, path in zip(numbers.tolist(), pictures.lineages(LABEL), strict=True) if path
        }
        classes = tuple(TaskClass(label=named[number]) for number in range(len(named)))
    else:
        classes = tuple(_class(row, rank) for row in table.take(first).to_pylist())
    kin = kin_of(table["uri"], table["observation_id"])
    without = len(numbers) - len(kept)
    left_out: tuple[str, ...] = (f"{without} pictures of {store.path} have no {rank}",) if without else ()
    if rank == LABEL and asked is None:
        left_out += ("the ranks, as most pictures have a label and no species: the classes are the labels",)
    if not are_alone(kin):
        n_kin = len(kin) - int((np.unique(kin, return_counts=True)[1] == 1).sum())
        left_out += (
            f"{n_kin} pictures share a photograph or observation with others, and are not asked against these",
        )
    left_out += store.notes()
    address = str(store.path.resolve())
    return Task(
        name=f"{store.path.resolve().name} by {rank}",
        address=address,
        table=_pictures(table, numbers[kept]),
        classes=classes,
        kin=None if are_alone(kin) else kin,
        left_out=left_out,
    )


def _pictures(table: pa.Table, numbers: Int[np.ndarray, " n"]) -> pa.Table:
    """The rows of a store as those of a task; an empty text is no name."""
    nothing = pa.nulls(table.num_rows, pa.string())
    columns = {"class_number": pa.array(numbers, pa.int64()), "part": nothing, "problem": nothing}
    columns |= {name: table[name].cast(pa.string()) for name in ("image_id", "uri")}
    for name in LABELS:
        text = table[name].cast(pa.string())
        columns[name] = pc.if_else(pc.equal(text, ""), None, text)
    return pa.table([columns[name] for name in TASK_SCHEMA.names], schema=TASK_SCHEMA)


def _class(row: Mapping[str, str | None], rank: str) -> TaskClass:
    """The class of a picture, its first one."""
    path = tuple(row[above] or None for above in RANKS[: RANK_INDEX[rank] + 1])
    common = (row["common_name"] or None) if rank == RANKS[-1] else None
    return TaskClass(label=path[-1] or "", taxon=Taxon(path), common_name=common)


def _advice(has_names: Bool[np.ndarray, " ranks"]) -> str:
    ranks = [rank for rank, has in zip(RANKS, has_names, strict=True) if has]
    if ranks:
        return f"give a rank, one of {', '.join(ranks)}"
    return "it has no ranks at all, so evaluate the folder or CSV that its pictures came from"
