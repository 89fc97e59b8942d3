"""Distinct lineages of many rows, counted."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from cladescope.taxonomy import RANKS


def count_lineages(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """Each distinct seven ranks and their number of rows, `n_images`; memory grows with taxa, not rows.

    >>> row = {"kingdom": "Animalia", "phylum": None, "class": None, "order": None}
    >>> row |= {"family": None, "genus": None, "species": None}
    >>> count_lineages([pa.RecordBatch.from_pylist([row, row])]).column("n_images").to_pylist()
    [2]
    """
    ranks = list(RANKS)
    total: pa.Table | None = None
    for batch in batches:
        part = pa.table(batch).append_column("n_images", pa.array(np.ones(batch.num_rows, np.int64)))
        both = part if total is None else pa.concat_tables([total, part])
        total = both.group_by(ranks).aggregate([("n_images", "sum")]).rename_columns([*ranks, "n_images"])
    if total is None:
        return pa.table({**{rank: pa.array([], pa.string()) for rank in ranks}, "n_images": pa.array([], pa.int64())})
    return total
