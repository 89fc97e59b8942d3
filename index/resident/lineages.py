"""The distinct lineages of some rows, numbered in depth-first order of the tree, so that a clade is a range of numbers."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int, Int32

from cladescope.taxonomy import RANKS, Taxon
from cladescope.taxonomy.known_names import KnownNames
from cladescope.taxonomy.rank_table import path_codes, spelt_rank_codes


class Lineages:
    """Distinct lineages as they are written, spellings of one taxon side by side; a lineage's number is its row in `table`."""

    def __init__(self, table: pa.Table) -> None:
        """`table` has the seven ranks, in the order that `numbered` gives."""
        self.table = table
        self._taxa: dict[int, Taxon | None] = {}

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def taxon(self, number: int) -> Taxon | None:
        """The taxon of a lineage; None where it has no name at all."""
        if number not in self._taxa:
            self._taxa[number] = Taxon.from_ranks(self.table.slice(number, 1).to_pylist()[0])
        return self._taxa[number]

    def within(self, taxa: Iterable[Taxon]) -> Bool[np.ndarray, " lineages"]:
        """Which lineages are of one of some clades, by full path, however the names are spelt."""
        found = np.zeros(len(self), bool)
        for taxon in taxa:
            inside = np.ones(len(self), bool)
            for column, name in zip(self._codes.T, taxon.path, strict=False):
                position = None if name is None else self._names.position(name)
                inside &= column == (0 if name is None else -1 if position is None else position + 1)
            found |= inside
        return found

    @cached_property
    def _spelt(self) -> tuple[KnownNames, Int[np.ndarray, "lineages ranks"]]:
        names, codes, spelt = spelt_rank_codes(self.table)
        return KnownNames(names.to_pylist(), spelt), codes

    @property
    def _names(self) -> KnownNames:
        return self._spelt[0]

    @property
    def _codes(self) -> Int[np.ndarray, "lineages ranks"]:
        return self._spelt[1]


def numbered(ranks: pa.Table) -> tuple[Lineages, Int32[np.ndarray, " n"]]:
    """The distinct lineages of some rows in depth-first order, and the number of each row's.

    Names come in the order of their bytes, a rank without one before all others. Memory: 100 bytes a row while it works.

    >>> lineages, numbers = numbered(pa.table({"family": ["Paridae", None, "Paridae"], "genus": ["Parus", None, None]}))
    >>> numbers.tolist(), len(lineages)
    ([2, 0, 1], 3)
    """
    columns = [
        ranks.column(rank).cast(pa.large_string())
        if rank in ranks.column_names
        else pa.chunked_array([pa.nulls(ranks.num_rows, pa.large_string())])
        for rank in RANKS
    ]
    table = pa.table(columns, names=list(RANKS))
    above = np.zeros(ranks.num_rows, np.int64)
    for column in table.columns:
        encoded = column.combine_chunks().dictionary_encode()
        encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        places = encoded.indices.fill_null(-1).to_numpy().astype(np.int64) + 1
        _, above = np.unique(above * (len(encoded.dictionary) + 1) + places, return_inverse=True)
    _, first, numbers = np.unique(above, return_index=True, return_inverse=True)
    distinct = table.take(pa.array(first)).combine_chunks()
    _, codes, _ = spelt_rank_codes(distinct)
    order = np.lexsort((np.arange(len(codes)), path_codes(codes)[:, -1])) if len(codes) else np.empty(0, np.int64)
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return Lineages(distinct.take(pa.array(order))), place[numbers].astype(np.int32)
