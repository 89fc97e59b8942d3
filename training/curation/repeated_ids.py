"""Ids that come more than once among the records that were gathered: within a source the first stays, two sources may not claim one."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import UInt64

from cladescope.errors import InputError
from cladescope.taxonomy import RANKS, Taxon
from cladescope.training.curation.columns import GATHERED
from cladescope.training.curation.flow import carried
from cladescope.training.curation.job import Job, Stage
from cladescope.training.curation.single import contradict

_WRITTEN: Final = tuple(f"written_{rank}" for rank in RANKS)
REPEATED: Final = "its id came before in the source"
UNDER_ANOTHER_NAME: Final = "its id came before in the source, under another name"
OTHER_NAME: Final = "its id comes again in the source, under another name"
"""Of the first of an id, where `duplicates.contradiction` drops all."""
_DROPPED: Final = tuple(f"gather: {word}" for word in (REPEATED, UNDER_ANOTHER_NAME, OTHER_NAME))
"""As the column has it, where the job was cut short while records were dropped."""


def drop_repeated(job: Job, stage: Stage) -> None:
    """Drop records whose id came before in their source, with a picture; those that name another taxon than the first are told apart.

    Names are compared as they are written. With `duplicates.contradiction` the first is dropped too where another name comes: neither is known to be true.

    Memory: 17 bytes a record, and some 700 one whose id comes more than once.

    Raises InputError where an id is of two sources.
    """
    low: UInt64[np.ndarray, " n"] = np.empty(job.n_parts * job.part_rows, np.uint64)
    n = 0
    for table in job.scan("gather", ["id"]):
        low[n : n + table.num_rows] = _low_half(pc.replace_substring(table["id"], "-", ""))
        n += table.num_rows
    low = low[:n]
    ordered = np.sort(low)
    # Half of an id may be shared by chance: the rows are looked at whole.
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    owners: dict[str, str] = {}
    first: dict[str, tuple[Taxon | None, int, int]] = {}
    drops_all = job.config.duplicates.contradiction == "drop"
    again: dict[int, dict[int, str]] = {}
    for part in range(job.n_parts if len(twice) else 0):
        start = part * job.part_rows
        rows = np.flatnonzero(np.isin(low[start : start + job.part_rows], twice))
        if not len(rows):
            continue
        some = job.read("gather", part, ["id", "source", "image_id", "dropped", *_WRITTEN]).take(pa.array(rows))
        for row, one in zip(rows.tolist(), some.to_pylist(), strict=True):
            owner = owners.setdefault(one["id"], one["source"])
            if owner != one["source"]:
                raise InputError(
                    f"the sources {owner} and {one['source']} both claim the id {one['image_id']}: "
                    "leave out one of the two, or limit what they hold to pictures of their own"
                )
            if one["dropped"] not in (None, *_DROPPED):
                continue  # it names no picture: one that does is not a repetition of it
            taxon = Taxon.from_ranks([one[name] for name in _WRITTEN])
            if one["id"] in first:
                named, first_part, first_row = first[one["id"]]
                other = contradict(named, taxon)
                again.setdefault(part, {})[row] = UNDER_ANOTHER_NAME if other else REPEATED
                if other and drops_all:
                    again.setdefault(first_part, {})[first_row] = OTHER_NAME
            first.setdefault(one["id"], (taxon, part, row))
    _mark(stage, again, job)


def _mark(stage: Stage, again: Mapping[int, Mapping[int, str]], job: Job) -> None:
    for part, rows in again.items():
        table = job.read("gather", part)
        reasons: list[str | None] = [None] * table.num_rows
        for row, word in rows.items():
            reasons[row] = word
        dropped = carried("gather", table["dropped"], reasons)
        whole = table.set_column(table.column_names.index("dropped"), GATHERED.field("dropped"), dropped)
        stage.write(part, whole, stage.flow_of(part))


def _low_half(texts: pa.ChunkedArray) -> UInt64[np.ndarray, " n"]:
    """The lower eight bytes of UUIDs in hexadecimal digits."""
    whole = "".join(texts.to_pylist())
    found: UInt64[np.ndarray, " n"] = np.frombuffer(bytes.fromhex(whole), ">u8").reshape(-1, 2)[:, 1].astype(np.uint64)
    return found
