"""Taxa as columns: a table with a column for each rank, and its names as numbers."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from cladescope.errors import InputError
from cladescope.taxonomy.spelling import fold, preferred
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS, Taxon

_CHUNK = 65536
"""Names that are Python strings at a time."""


def rank_table(taxa: Iterable[Taxon]) -> pa.Table:
    """One row a taxon, a column of text for each rank, null where the path has no name.

    >>> rank_table([Taxon(("Animalia", None, "Aves"))]).select(["kingdom", "phylum", "class"]).to_pylist()
    [{'kingdom': 'Animalia', 'phylum': None, 'class': 'Aves'}]
    """
    paths = [taxon.path + (None,) * (len(RANKS) - len(taxon.path)) for taxon in taxa]
    columns = zip(*paths, strict=True) if paths else [()] * len(RANKS)
    return pa.table([pa.array(column, pa.large_string()) for column in columns], names=list(RANKS))


def rank_codes(table: pa.Table, ranks: Sequence[str] = RANKS) -> tuple[list[str], Int[np.ndarray, "n ranks"]]:
    """The sorted names of a table's rank columns, and for each row and rank 1 + the name's position in them.

    0 stands for no name: a null, an empty text, a rank without a column. Spellings of one name are one name, shown as
    `cladescope.taxonomy.spelling.preferred` chooses. Of `ranks`, other columns of names can be asked for. Peak memory is about
    120 bytes a row.

    Raises InputError if a rank column does not hold text, or is there twice.

    >>> names, codes = rank_codes(pa.table({"family": ["Paridae", "corvidae", "Corvidae"], "genus": ["Parus", "", None]}))
    >>> names, codes[:, 4:].tolist()
    (['Corvidae', 'Paridae', 'Parus'], [[2, 3, 0], [1, 0, 0], [1, 0, 0]])
    """
    names, codes, _ = spelt_rank_codes(table, ranks)
    return names.to_pylist(), codes


def rank_dictionary(table: pa.Table) -> tuple[pa.LargeStringArray, Int[np.ndarray, "n ranks"]]:
    """As `rank_codes`, with the names in an Arrow array: for a million taxa they would be a million Python strings.

    >>> rank_dictionary(pa.table({"family": ["Paridae", "Corvidae"]}))[0].to_pylist()
    ['Corvidae', 'Paridae']
    """
    names, codes, _ = spelt_rank_codes(table)
    return names, codes


def spelt_rank_codes(
    table: pa.Table, ranks: Sequence[str] = RANKS
) -> tuple[pa.LargeStringArray, Int[np.ndarray, "n ranks"], dict[str, tuple[str, ...]]]:
    """As `rank_dictionary`, and by folded name the spellings of the names that are written in several ways.

    >>> spelt_rank_codes(pa.table({"genus": ["Parus", "parus", "Corvus"]}))[2]
    {'parus': ('Parus', 'parus')}
    """
    columns = {rank: _encoded(table, rank) for rank in ranks if rank in table.column_names}
    written, folded = _written(columns.values())
    names, place, spellings = _merged(written, folded)
    order = pc.sort_indices(names).to_numpy()
    position = np.empty(len(names), np.int64)
    position[order] = np.arange(len(names))
    codes = np.zeros((table.num_rows, len(ranks)), np.int32)
    for rank, column in columns.items():
        found = pc.index_in(column.dictionary, value_set=written)
        named = np.append(1 + position[place], 0)[pc.fill_null(found, len(place)).to_numpy()]
        rows = pc.fill_null(column.indices, len(named)).to_numpy()
        codes[:, ranks.index(rank)] = np.append(named, 0)[rows]
    return names.take(pa.array(order)), codes, spellings


def spelt_alike(table: pa.Table) -> pa.Table:
    """The table with each name of its rank columns in the one spelling that is shown; an empty text becomes null.

    >>> spelt_alike(pa.table({"genus": ["parus", "Parus", ""], "n": [1, 2, 3]})).to_pydict()
    {'genus': ['Parus', 'Parus', None], 'n': [1, 2, 3]}
    """
    names, codes = rank_dictionary(table)
    for rank in RANKS:
        if rank in table.column_names:
            column = codes[:, RANK_INDEX[rank]].astype(np.int64)
            shown = names.take(pa.array(column - 1, mask=column == 0))
            table = table.set_column(table.column_names.index(rank), rank, shown)
    return table


def _written(columns: Iterable[pa.DictionaryArray]) -> tuple[pa.LargeStringArray, pa.LargeStringArray]:
    """The distinct names of some columns as they are written, and folded; blank ones are left out."""
    empty = pa.array([], pa.large_string())
    written = pa.chunked_array([empty, *(column.dictionary for column in columns)]).unique()
    chunks = (written.slice(start, _CHUNK).to_pylist() for start in range(0, len(written), _CHUNK))
    parts = [pa.array([fold(name) for name in chunk], pa.large_string()) for chunk in chunks]
    folded = pa.chunked_array(parts, pa.large_string()).combine_chunks()
    named = pc.not_equal(folded, "")
    return written.filter(named), folded.filter(named)


def _merged(
    written: pa.LargeStringArray, folded: pa.LargeStringArray
) -> tuple[pa.LargeStringArray, Int[np.ndarray, " written"], dict[str, tuple[str, ...]]]:
    """One spelling of each name; for each spelling the position of its name; and the names of several spellings."""
    encoded = folded.dictionary_encode()
    place = encoded.indices.to_numpy().astype(np.int64)
    shown = np.full(len(encoded.dictionary), len(written))
    np.minimum.at(shown, place, np.arange(len(written)))
    several: dict[str, tuple[str, ...]] = {}
    if len(shown) < len(written):
        by_name: dict[int, dict[str, int]] = defaultdict(dict)
        rows = np.flatnonzero(np.bincount(place)[place] > 1)
        for row, spelling in zip(rows, written.take(pa.array(rows)).to_pylist(), strict=True):
            by_name[int(place[row])][spelling] = int(row)
        for at, row_of in by_name.items():
            shown[at] = row_of[preferred(row_of)]
            several[encoded.dictionary[at].as_py()] = tuple(sorted(row_of))
    return written.take(pa.array(shown)), place, several


def path_codes(names: Int[np.ndarray, "n ranks"]) -> Int[np.ndarray, "n ranks"]:
    """A number for each row's path from the kingdom down to each rank, equal where two paths are equal up to there.

    `names` are codes of names as `rank_codes` gives them. Numbers of a rank count from 0 in the order of the sorted paths; a
    rank without a name counts as a name before all others, so that the last column numbers whole lineages. Peak memory is
    about 90 bytes a row.

    >>> path_codes(np.array([[1, 2], [1, 0], [2, 2]])).tolist()
    [[0, 1], [0, 0], [1, 2]]
    """
    found = np.empty(names.shape, np.int64)
    n_names = int(names.max(initial=0)) + 1
    above = np.zeros(len(names), np.int64)
    for rank in range(names.shape[1]):
        _, above = np.unique(above * n_names + names[:, rank], return_inverse=True)
        found[:, rank] = above
    return found


def taxon_codes(names: Int[np.ndarray, "n ranks"], *, across_gaps: bool = False) -> Int[np.ndarray, "n ranks"]:
    """A number for each row's taxon at each rank, counted from 0 in the order of the sorted paths; -1 where it has none.

    A taxon is its full path, so that homonyms differ. With `across_gaps` it is its kingdom and its name, so that a rank that
    is left out in between makes no other taxon of it: for labels that are recorded unevenly. `names` as for `path_codes`.

    >>> _, names = rank_codes(pa.table({"kingdom": ["A", "A"], "phylum": ["B", None], "class": ["C", "C"]}))
    >>> taxon_codes(names)[:, :3].tolist()
    [[0, 0, 1], [0, -1, 0]]
    >>> taxon_codes(names, across_gaps=True)[:, :3].tolist()
    [[0, 0, 0], [0, -1, 0]]
    """
    if across_gaps:
        paths = names[:, :1].astype(np.int64) * (int(names.max(initial=0)) + 1) + names
    else:
        paths = path_codes(names)
    found = np.full(names.shape, -1, np.int64)
    for rank in range(names.shape[1]):
        named = names[:, rank] > 0
        found[named, rank] = np.unique(paths[named, rank], return_inverse=True)[1]
    return found


def in_order_of_rows(codes: Int[np.ndarray, "n ranks"]) -> Int[np.ndarray, "n ranks"]:
    """The codes of each rank counted in the order of their first rows instead; -1 stays.

    >>> in_order_of_rows(np.array([[1, -1], [0, 2], [1, 1]])).tolist()
    [[0, -1], [1, 0], [0, 1]]
    """
    found = np.full(codes.shape, -1, np.int64)
    for rank in range(codes.shape[1]):
        known = codes[:, rank] >= 0
        _, first, code = np.unique(codes[known, rank], return_index=True, return_inverse=True)
        found[known, rank] = np.argsort(np.argsort(first))[code]
    return found


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
