"""TreeOfLife's published text embeddings: the names of some 868,000 taxa and a matrix of as many vectors, read in little memory.

The names come entry by entry into Arrow columns, and the matrix a few of its rows at a time into the order of the names.
Nothing else of the two files is ever held.
"""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float16, Int

from cladescope.arrays import blocks
from cladescope.errors import InputError
from cladescope.json_list import json_entries
from cladescope.taxonomy.rank_table import rank_dictionary
from cladescope.taxonomy.taxon import RANKS

_NAMES = 1 << 14
_MATRIX_ROWS = 16
_CLASSES = 1 << 13


@dataclass(frozen=True, eq=False)
class Precomputed:
    """Taxa whose texts were encoded elsewhere."""

    table: pa.Table
    """A column for each rank and `common_name`, sorted by path."""
    vectors: Float16[np.ndarray, "c d"]
    n_empty: int
    """Taxa that were left out: their vectors are zeros or not finite, a defect of the published generator."""

    def only(self, kept: Bool[np.ndarray, " c"]) -> "Precomputed":
        """Some of the taxa. Their vectors move up in the same memory, so that this object must not be used afterwards."""
        return Precomputed(self.table.filter(pa.array(kept)), _moved_up(self.vectors, kept), self.n_empty)


def is_precomputed(path: Path) -> bool:
    """Whether a file is a list of [[kingdom, ..., genus, epithet], common name], as its first entry has it."""
    if path.suffix.lower() != ".json":
        return False
    try:
        return _is_entry(next(json_entries(path), None))
    except InputError:
        return False  # what is wrong with it, its reader says: `taxon_lists.read_taxa`


def read_precomputed(path: Path, *, dim: int) -> Precomputed:
    """The taxa and vectors of `path` and of the `.npy` beside it, which holds dim numbers by taxa; sorted by path.

    Memory: 2 dim bytes a taxon and about 150 for its names, beside 100 bytes a taxon while they are put in order.

    Raises InputError where the list is damaged or the two do not fit each other or the encoder.
    """
    table, n = _names(path)
    beside = path.with_suffix(".npy")
    if not beside.is_file():
        raise InputError(f"{path} is a list of precomputed texts, but {beside} is not there: put it beside")
    try:
        shape = np.load(beside, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{beside} cannot be read ({error}): fetch it again") from error
    if shape != (dim, n):
        raise InputError(f"{beside} holds {shape} numbers, expected {(dim, n)}: it is of another encoder or list")
    codes = rank_dictionary(table)[1]
    order = np.lexsort(codes.T[::-1])
    order = order[(codes[order] > 0).any(axis=1)]
    vectors, good = _vectors(beside, order)
    if not good.any():
        raise InputError(f"{beside} holds zeros only: fetch it again")
    ordered = table.take(pa.array(order[good]))
    return Precomputed(ordered, vectors if good.all() else _moved_up(vectors, good), n - ordered.num_rows)


def _names(path: Path) -> tuple[pa.Table, int]:
    """The rows of a list in its order, and how many they are."""
    text = pa.large_string()
    shared = pa.dictionary(pa.int32(), text)
    schema = pa.schema([*((rank, shared) for rank in RANKS[:-1]), (RANKS[-1], text), ("common_name", text)])
    entries, batches, n = json_entries(path), [], 0
    while part := list(islice(entries, _NAMES)):
        if not all(map(_is_entry, part)):
            row = n + next(row for row, entry in enumerate(part) if not _is_entry(entry))
            raise InputError(f"{path}, entry {row + 1}: expected [[{', '.join(RANKS)}], common name]")
        columns: list[list[str | None]] = [[entry[0][place] or None for entry in part] for place in range(len(RANKS))]
        columns[-1] = [f"{entry[0][5]} {entry[0][6]}".strip() if entry[0][6] else None for entry in part]
        columns.append([entry[1] or None for entry in part])
        arrays = [pa.array(values, text) for values in columns]
        arrays = [array.dictionary_encode() for array in arrays[:-2]] + arrays[-2:]
        batches.append(pa.record_batch(arrays, schema=schema))
        n += len(part)
    return pa.Table.from_batches(batches, schema).unify_dictionaries(), n


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], list) and len(entry[0]) == len(RANKS)


def _vectors(path: Path, order: Int[np.ndarray, " c"]) -> tuple[Float16[np.ndarray, "c d"], Bool[np.ndarray, " c"]]:
    """Columns of the matrix in this order, as rows, and which of them are finite and not all zeros as float16.

    The file is mapped anew for every piece, since what was read of a map counts as memory until it is closed.
    """
    dim, n = np.load(path, mmap_mode="r").shape
    found = np.empty((len(order), dim), np.float16)
    finite, filled = np.ones(n, bool), np.zeros(n, bool)
    for first, last in blocks(dim, size=_MATRIX_ROWS):
        rows = np.load(path, mmap_mode="r")[first:last]
        with np.errstate(over="ignore"):
            rows = rows.astype(np.float16)
        finite &= np.isfinite(rows).all(axis=0)
        filled |= rows.any(axis=0)
        for start, stop in blocks(len(order), size=_CLASSES):
            found[start:stop, first:last] = rows[:, order[start:stop]].T
    return found, (finite & filled)[order]


def _moved_up(vectors: Float16[np.ndarray, "c d"], kept: Bool[np.ndarray, " c"]) -> Float16[np.ndarray, "k d"]:
    """The rows that are kept, at the beginning of the same memory."""
    end = 0
    for start, stop in blocks(len(vectors), size=_CLASSES):
        part = vectors[start:stop][kept[start:stop]]
        vectors[end : end + len(part)] = part
        end += len(part)
    return vectors[:end]
