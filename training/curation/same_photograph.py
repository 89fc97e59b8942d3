"""Candidates decided by their pixels, block by block, each kept as a file: a job that was cut short does not look at them again."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Int64

from cladescope.analysis.duplicates.candidates import Pairs
from cladescope.analysis.duplicates.find import Alike, compared
from cladescope.analysis.duplicates.looks import Looks, look_at
from cladescope.arrays import blocks
from cladescope.errors import InputError
from cladescope.files import replacing
from cladescope.steps import counted
from cladescope.training.curation.job import Job

PAIRS: Final = 8_192
"""Pairs of a block."""
_SIDES: Final = ("top", "bottom", "left", "right")


def decided(
    folder: Path, uris_of: Callable[[Int64[np.ndarray, " r"]], list[str]], candidates: Pairs, *, least: float
) -> Alike:
    """Those of the candidates that show one photograph, the most alike first; `uris_of` says where the pictures of some rows lie.

    Blocks are kept in the folder as `pairs-%06d.parquet`. Memory: 60 bytes a pair, and 30,000 bytes a picture of a block. A picture is read
    twice for each block that it is in.

    Raises InputError where a picture cannot be read any more.
    """
    parts = list(blocks(len(candidates), size=PAIRS))
    found = []
    for number, (start, stop) in enumerate(counted(parts, "comparing pictures, in blocks of pairs:", len(parts))):
        file = folder / f"pairs-{number:06d}.parquet"
        if not file.exists():
            with replacing(file) as draft:
                pq.write_table(_compared(uris_of, candidates[start:stop], least), draft, compression="zstd")
        found.append(pq.read_table(file))
    return _alike(found, len(candidates))


def all_looks(uris: list[str]) -> Looks:
    """A look at each picture. Raises InputError where one cannot be read any more: what is like it would be missed without a word."""
    looks = look_at(uris)
    if looks.problems:
        row, why = next(iter(looks.problems.items()))
        raise InputError(f"{uris[row]} cannot be read any more ({why}): bring it back, or make the stage look anew")
    return looks


def _compared(uris_of: Callable[[Int64[np.ndarray, " r"]], list[str]], candidates: Pairs, least: float) -> pa.Table:
    rows = np.unique(candidates)
    uris = uris_of(rows)
    looks = all_looks(uris)
    alike = compared(uris, looks, np.searchsorted(rows, candidates), least=least)
    pairs = rows[alike.pairs]
    return pa.table(
        {
            "one": pairs[:, 0],
            "other": pairs[:, 1],
            "likeness": alike.likeness,
            "is_mirrored": alike.is_mirrored,
            **{side: alike.boxes[:, place] for place, side in enumerate(_SIDES)},
        }
    )


def _alike(tables: list[pa.Table], n_candidates: int) -> Alike:
    if not tables:
        none = np.empty(0)
        return Alike(np.empty((0, 2), np.int64), none, none.astype(bool), none.astype(bool), np.empty((0, 4)), 0)
    whole = {name: pa.concat_tables(tables)[name].to_numpy() for name in tables[0].column_names}
    order = np.lexsort([whole["other"], whole["one"], -whole["likeness"]])
    return Alike(
        np.stack([whole["one"], whole["other"]], axis=1)[order],
        whole["likeness"][order],
        np.zeros(len(order), bool),
        whole["is_mirrored"][order],
        np.stack([whole[side] for side in _SIDES], axis=1)[order],
        n_candidates,
    )


def rows_in(job: Job, stage: str) -> Bool[np.ndarray, " n"]:
    """Which records are still in before a stage."""
    before = job.before(stage)
    return np.concatenate([job.is_in(before, part).to_numpy() for part in range(job.n_parts)])


def of_rows(job: Job, stage: str, columns: list[str], rows: Int64[np.ndarray, " r"]) -> pa.Table:
    """Some columns of a stage, of some rows, which are in order; only parts that hold some are read."""
    parts, starts = np.unique(rows // job.part_rows, return_index=True)
    tables = [
        job.read(stage, part, columns).take(pa.array(some - part * job.part_rows))
        for part, some in zip(parts.tolist(), np.split(rows, starts)[1:], strict=True)
    ]
    return (
        pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
        if tables
        else job.read(stage, 0, columns).slice(0, 0)
    )


def hashes_of(column: pa.ChunkedArray) -> tuple[np.ndarray, Bool[np.ndarray, " n"]]:
    """Hashes of 32 bytes as rows of an array, zeros where there is none, and which there are."""
    there = column.is_valid().to_numpy()
    hashes = np.zeros((len(column), 32), np.uint8)
    data = b"".join(column.drop_null().to_pylist())
    hashes[there] = np.frombuffer(data, np.uint8).reshape(-1, 32)
    return hashes, there
