"""Taxa as columns: a table with a column for each rank, and its names as numbers."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from cladescope.errors import InputError
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS, Taxon


def rank_table(taxa: Iterable[Taxon]) -> pa.Table:
    """One row a taxon, a column of text for each rank, null where the path has no name.

    >>> rank_table([Taxon(("Animalia", None, "Aves"))]).select(["kingdom", "phylum", "class"]).to_pylist()
    [{'kingdom': 'Animalia', 'phylum': None, 'class': 'Aves'}]
    """
    paths = [taxon.path + (None,) * (len(RANKS) - len(taxon.path)) for taxon in taxa]
    columns = zip(*paths, strict=True) if paths else [()] * len(RANKS)
    return pa.table([pa.array(column, pa.large_string()) for column in columns], names=list(RANKS))


def rank_codes(table: pa.Table) -> tuple[list[str], Int[np.ndarray, "n ranks"]]:
    """The sorted names of a table's rank columns, and for each row and rank 1 + the name's position in them.

    0 stands for no name: a null, an empty text, a rank without a column. Peak memory is about 120 bytes a row.

    Raises InputError if a rank column does not hold text, or is there twice.

    >>> names, codes = rank_codes(pa.table({"family": ["Paridae", "Corvidae"], "genus": ["Parus", ""]}))
    >>> names, codes[:, 4:].tolist()
    (['Corvidae', 'Paridae', 'Parus'], [[2, 3, 0], [1, 0, 0]])
    """
    names, codes = rank_dictionary(table)
    return names.to_pylist(), codes


def rank_dictionary(table: pa.Table) -> tuple[pa.LargeStringArray, Int[np.ndarray, "n ranks"]]:
    """As `rank_codes`, with the names in an Arrow array: for a million taxa they would be a million Python strings.

    >>> rank_dictionary(pa.table({"family": ["Paridae", "Corvidae"]}))[0].to_pylist()
    ['Corvidae', 'Paridae']
    """
    columns = {rank: _encoded(table, rank) for rank in RANKS if rank in table.column_names}
    empty = pa.array([], pa.large_string())
    found = pa.chunked_array([empty, *(column.dictionary for column in columns.values())]).unique()
    found = found.filter(pc.not_equal(found, ""))
    found = found.take(pc.sort_indices(found))
    codes = np.zeros((table.num_rows, len(RANKS)), np.int32)
    for rank, column in columns.items():
        positions = pc.fill_null(pc.index_in(column.dictionary, value_set=found), -1).to_numpy()
        rows = pc.fill_null(column.indices, len(positions)).to_numpy()
        codes[:, RANK_INDEX[rank]] = np.append(positions.astype(np.int64) + 1, 0)[rows]
    return found, codes


def _encoded(table: pa.Table, rank: str) -> pa.DictionaryArray:
    if table.column_names.count(rank) > 1:
        raise InputError(
            f"found {table.column_names.count(rank)} columns named {rank!r}, expected one: rename the others"
        )
    column = table[rank]
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        raise InputError(f"column {rank!r} holds {kind}, expected text: convert it, with null where a name is unknown")
    return column.cast(pa.large_string()).combine_chunks().dictionary_encode()
