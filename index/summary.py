"""What a store holds, counted."""

from typing import Any

from cladescope.index.ann import AnnIndex
from cladescope.index.store import Store
from cladescope.schema import FORMAT_VERSION
from cladescope.taxonomy import RANKS


def describe(store: Store) -> dict[str, Any]:
    """Encoder, pictures and taxa at each rank, failures, index and jobs of a store, as plain values.

    A rank counts the pictures that have it and their distinct taxa, by full path.
    """
    lineages, taxonomy = store.lineages(), store.taxonomy
    counts = lineages.column("n_images").to_numpy()
    known = {rank: lineages.column(rank).is_valid().to_numpy() for rank in RANKS}
    index = AnnIndex.find(store.path)
    return {
        "store": str(store.path),
        "format_version": FORMAT_VERSION,
        "version": store.version,
        "encoder": store.card.to_dict(),
        "images": store.count(),
        "failures": store.failures.num_rows,
        "ranks": {rank: {"taxa": len(taxonomy.taxa(rank)), "images": int(counts[known[rank]].sum())} for rank in RANKS},
        "columns": store.schema.names,
        "index": None if index is None else index.card.to_dict(),
        "runs": store.runs.select(["started", "verb", "source", "status"]).sort_by("started").to_pylist(),
    }
