"""What a store holds, in plain values: what `cladescope info` prints."""

import json
from dataclasses import asdict
from typing import Any

from cladescope.embedding.encoder import EncoderCard
from cladescope.errors import StoreError
from cladescope.index import remote
from cladescope.index.identity import format_version
from cladescope.index.running import running
from cladescope.index.storage import storage
from cladescope.index.store_reader import StoreReader
from cladescope.taxonomy import RANKS


def describe(store: StoreReader) -> dict[str, Any]:
    """Encoder, pictures and taxa at each rank, failures, index, jobs and how tables are stored, as plain values.

    A rank counts the pictures that have it and their distinct taxa, by full path. `index_problem` says why an index that is
    there is of no use.
    """
    from cladescope.index.ann.files import AnnIndex  # loads FAISS
    from cladescope.index.ann.misfit import misfit

    lineages, taxonomy = store.lineages(), store.taxonomy
    counts = lineages.column("n_images").to_numpy()
    known = {rank: lineages.column(rank).is_valid().to_numpy() for rank in RANKS}
    problem, index = None, None
    try:
        index = AnnIndex.find(store.path, store.vectors_name)
    except StoreError as error:
        problem = str(error)
    if index is not None and (problem := misfit(store, index.card)) is not None:
        index = None
    return {
        "store": remote.shown(store.path),
        "format_version": format_version(store.path),
        "version": store.version,
        "encoder": store.card.to_dict(),
        "vectors": {name: _of_named(store, name, card) for name, card in store.named.items()},
        "images": store.count(),
        "failures": store.failures.num_rows,
        "gone": store.gone().num_rows,
        "ranks": {rank: {"taxa": len(taxonomy.taxa(rank)), "images": int(counts[known[rank]].sum())} for rank in RANKS},
        "columns": store.schema.names,
        "storage": {name: asdict(one) for name, one in storage(store.path, store.tables).items()},
        "index": None if index is None else index.card.to_dict(),
        "index_problem": problem,
        "runs": [{**run, "manifest": json.loads(run["manifest"])} for run in store.runs.sort_by("started").to_pylist()],
        "running": [asdict(job) for job in running(store.path)],
    }


def _of_named(store: StoreReader, name: str, card: EncoderCard) -> dict[str, Any]:
    """The encoder of further vectors, and how many pictures have one."""
    return {"encoder": card.to_dict(), "images": StoreReader(store.path, card, name).count()}
