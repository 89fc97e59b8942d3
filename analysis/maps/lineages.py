"""The distinct rows of a table of names, and which of them each picture has."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int64

from cladescope.taxonomy.rank_table import path_codes


def distinct_lineages(table: pa.Table) -> tuple[pa.Table, Int64[np.ndarray, " n"]]:
    """Each distinct row, as it is written; and for each picture which it has.

    >>> names = pa.table({"genus": ["Parus", "Pica", "Parus"], "common_name": ["tit", None, "tit"]})
    >>> found, of = distinct_lineages(names)
    >>> found.to_pylist(), of.tolist()
    ([{'genus': 'Parus', 'common_name': 'tit'}, {'genus': 'Pica', 'common_name': None}], [0, 1, 0])
    """
    codes = np.column_stack([_spelt(table.column(name)) for name in table.column_names])
    _, first, of = np.unique(path_codes(codes)[:, -1], return_index=True, return_inverse=True)
    return table.take(pa.array(first)), of.astype(np.int64)


def _spelt(column: pa.ChunkedArray) -> Int64[np.ndarray, " n"]:
    """A number for each value as it is written; 0 for none."""
    encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    found: Int64[np.ndarray, " n"] = 1 + pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(
        np.int64
    )
    return found
