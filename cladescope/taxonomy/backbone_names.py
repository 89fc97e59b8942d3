"""The names of a backbone on disk: two Arrow files, mapped into memory, and the rows that bear a name.

`names.arrow` has a row a name, sorted by the hash of its key (`cladescope.taxonomy.spelling.fold`): the lower half of MD5. A look-up
is a binary search in the hashes, so that it costs the same in a large backbone as in a small one. `lineages.arrow` has the six
ranks above the species, once for all names that share them.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int, UInt64

from cladescope.errors import InputError
from cladescope.taxonomy.spelling import fold
from cladescope.taxonomy.taxon import RANKS

FORMAT_VERSION: Final = 2
NAMES: Final = "names.arrow"
LINEAGES: Final = "lineages.arrow"
Lineage = tuple[str | None, ...]
"""A name or None for each of the ranks."""


class NameRow(NamedTuple):
    """One row of a backbone: what one source says of a name."""

    source: int
    """Number of the file in the order of building."""
    rank: str
    name: str
    synonym: bool
    taxon_id: str | None
    ranks: Lineage
    """Of the accepted taxon."""
    common_name: str | None


class BackboneNames:
    """The names of a backbone. Memory: 8 bytes a name for the hashes, and the pages of the files that are in use."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError where the files are not there or damaged."""
        self._names = _mapped(folder / NAMES)
        self._lineages = _mapped(folder / LINEAGES)
        sizes = [batch.num_rows for batch in self._names]
        self._start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        parts = [batch.column("hash").to_numpy() for batch in self._names]
        self._hash: UInt64[np.ndarray, " n"] = np.concatenate([np.empty(0, np.uint64), *parts])
        self._first_lineage = np.concatenate([[0], np.cumsum([batch.num_rows for batch in self._lineages])]).astype(
            np.int64
        )

    def __len__(self) -> int:
        return len(self._hash)

    def rows(self, keys: Collection[str]) -> dict[str, list[NameRow]]:
        """The rows of some names, by folded name; a name that is not known has none."""
        asked = list(keys)
        hashes = np.fromiter((_hash_of(key) for key in asked), np.uint64, len(asked))
        first = np.searchsorted(self._hash, hashes, "left")
        counts = np.searchsorted(self._hash, hashes, "right") - first
        rows = np.repeat(first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(counts.sum())
        order = np.argsort(rows, kind="stable")
        found: dict[str, list[NameRow]] = defaultdict(list)
        for key, row in zip(np.repeat(np.array(asked, object), counts)[order], self._taken(rows[order]), strict=True):
            if fold(row.name) == key:
                found[key].append(row)
        return found

    def starting(self, start: str) -> list[str]:
        """The names that begin with some letters, whatever their case; a pass over all names."""
        found = [batch.column("name") for batch in self._names]
        return [
            name
            for names in found
            for name in names.filter(pc.starts_with(names, start, ignore_case=True)).unique().to_pylist()
        ]

    def common_names(self) -> Iterator[tuple[int, pa.Array]]:
        """The common name of each row, null where it has none, in parts with the number of their first row."""
        for first, batch in zip(self._start.tolist(), self._names, strict=False):
            yield first, batch.column("common_name")

    def at(self, rows: Sequence[int]) -> list[NameRow]:
        """Some rows by their numbers, in ascending order."""
        return self._taken(np.unique(np.array(rows, np.int64)))

    def below(self, rank: str, name: str) -> list[NameRow]:
        """The accepted species in the taxa of a name above the species, once each; a pass over all names."""
        at = RANKS.index(rank)
        wanted = [pc.equal(batch.column(at), name).fill_null(False) for batch in self._lineages]
        inside = pa.array(
            np.flatnonzero(np.concatenate([np.empty(0, bool), *(one.to_numpy(zero_copy_only=False) for one in wanted)]))
        )
        places = []
        for start, batch in zip(self._start, self._names, strict=False):
            is_in = pc.and_(pc.is_in(batch.column("lineage"), value_set=inside), pc.is_valid(batch.column("species")))
            kept = pc.and_(is_in, pc.invert(batch.column("synonym")))
            places.append(start + np.flatnonzero(kept.to_numpy(zero_copy_only=False)))
        rows = np.concatenate([np.empty(0, np.int64), *places])
        return list({row.ranks: row for row in self._taken(rows)}.values())

    def _taken(self, rows: Int[np.ndarray, " n"]) -> list[NameRow]:
        """Rows in ascending order."""
        if not len(rows):
            return []
        table = _rows_at(self._names, self._start, rows)
        above, at = np.unique(table["lineage"].to_numpy(), return_inverse=True)
        lineages = self._ranks_above(above)
        columns = [
            table[name].to_pylist()
            for name in ("source", "rank", "name", "synonym", "taxon_id", "species", "common_name")
        ]
        return [
            NameRow(source, RANKS[rank], name, synonym, taxon_id, (*lineages[lineage], species), common_name)
            for source, rank, name, synonym, taxon_id, species, common_name, lineage in zip(
                *columns, at.tolist(), strict=True
            )
        ]

    def _ranks_above(self, lineages: Int[np.ndarray, " n"]) -> list[Lineage]:
        table = _rows_at(self._lineages, self._first_lineage, lineages)
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _rows_at(batches: Sequence[pa.RecordBatch], firsts: Int[np.ndarray, " b"], rows: Int[np.ndarray, " n"]) -> pa.Table:
    """Rows of batches that follow each other, by ascending numbers, at least one; `firsts` has each batch's first number, and the end."""
    parts = []
    cuts = np.searchsorted(rows, firsts)
    for batch, first, start, stop in zip(batches, firsts, cuts, cuts[1:], strict=False):
        if stop > start:
            parts.append(batch.take(pa.array(rows[start:stop] - first)))
    return pa.Table.from_batches(parts)


def content_hash(folder: Path) -> str:
    """BLAKE2b over both files, 16 bytes: what tells a damaged backbone from a whole one."""
    whole = hashlib.blake2b(digest_size=16)
    for name in (NAMES, LINEAGES):
        with (folder / name).open("rb") as file:
            while block := file.read(1 << 22):
                whole.update(block)
    return whole.hexdigest()


def _hash_of(key: str) -> int:
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest()[8:], "little")


def _mapped(path: Path) -> list[pa.RecordBatch]:
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        return [reader.get_batch(number) for number in range(reader.num_record_batches)]
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read ({str(error).splitlines()[0]}): build the backbone again") from error
