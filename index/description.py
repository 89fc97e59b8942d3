"""What a store holds, in plain values: what `cladescope info` prints."""

import json
from collections import Counter
from dataclasses import asdict
from typing import Any

from cladescope.embedding.encoder import EncoderCard
from cladescope.errors import StoreError
from cladescope.index import remote
from cladescope.index.identity import format_version
from cladescope.index.predicted import describe_predicted
from cladescope.index.running import running
from cladescope.index.storage import storage
from cladescope.index.store_reader import StoreReader
from cladescope.schema import LABEL, holds_labels
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.spelling import fold


def describe(store: StoreReader) -> dict[str, Any]:
    """Encoder, pictures and taxa at each rank, predictions, failures, index, jobs and how tables are stored, as plain values.

    `index_problem` says why an index that is
    there is of no use.
    """
    index, problem = _index(store)
    return {
        "store": remote.shown(store.path),
        "format_version": format_version(store.path),
        "version": store.version,
        "encoder": store.card.to_dict(),
        "vectors": {name: _of_named(store, name, card) for name, card in store.named.items()},
        "images": store.count(),
        "vectors_name": store.vectors_name,
        "without_vector": store.count_lacking(),
        "failures": store.failures.num_rows,
        "gone": store.gone().num_rows,
        "ranks": ranks_of(store),
        "predicted": describe_predicted(store),
        "columns": store.schema.names,
        "storage": {name: asdict(one) for name, one in storage(store.path, store.tables).items()},
        "index": index,
        "index_problem": problem,
        "runs": [{**run, "manifest": json.loads(run["manifest"])} for run in store.runs.sort_by("started").to_pylist()],
        "running": [asdict(job) for job in running(store.path)],
    }


def ranks_of(store: StoreReader) -> dict[str, Any]:
    """For each rank the pictures that have it and their distinct taxa, by full path; for `label`, where the store has such a column, its labels."""
    lineages, taxonomy = store.lineages(), store.taxonomy
    counts = lineages.column("n_images").to_numpy()
    known = {rank: lineages.column(rank).is_valid().to_numpy() for rank in RANKS}
    ranks = {rank: {"taxa": len(taxonomy.taxa(rank)), "images": int(counts[known[rank]].sum())} for rank in RANKS}
    return {**ranks, **_labels(store)}


def _labels(store: StoreReader) -> dict[str, Any]:
    """Labels, such as the names of folders, and pictures that have one; nothing where the store has no such column."""
    if not holds_labels(store.schema):
        return {}
    seen: Counter[str] = Counter()
    for batch in store.scan([LABEL]):
        seen.update(
            {
                str(row["values"]): row["counts"]
                for row in batch.column(LABEL).value_counts().to_pylist()
                if row["values"] not in (None, "")
            }
        )
    return {LABEL: {"taxa": len({fold(one) for one in seen}), "images": seen.total()}}


def _of_named(store: StoreReader, name: str, card: EncoderCard) -> dict[str, Any]:
    """The encoder of further vectors, how many pictures have one, and their index."""
    reader = StoreReader(store.path, card, name)
    index, problem = _index(reader)
    return {"encoder": card.to_dict(), "images": reader.count(), "index": index, "index_problem": problem}


def _index(store: StoreReader) -> tuple[dict[str, Any] | None, str | None]:
    """The card of an index, or what is wrong with it; neither where there is none."""
    from cladescope.index.ann.files import AnnIndex  # loads FAISS
    from cladescope.index.ann.misfit import misfit

    try:
        index = AnnIndex.find(store.path, store.vectors_name)
    except StoreError as error:
        return None, str(error)
    problem = None if index is None else misfit(store, index.card)
    return (None if index is None or problem is not None else index.card.to_dict()), problem
