"""Adding what a store took in since its index was built, without building it again."""

import logging
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from cladescope.errors import InputError, StoreError
from cladescope.index.ann.card import IndexCard
from cladescope.index.ann.engine import Engine
from cladescope.index.ann.files import AnnIndex, building, index_file, write
from cladescope.index.ann.misfit import misfit
from cladescope.index.late_faiss import faiss
from cladescope.index.resident.lineages import numbered
from cladescope.index.resident.rows import Rows
from cladescope.index.resident.snapshot import read_metadata, snapshot
from cladescope.index.store_reader import StoreReader
from cladescope.taxonomy import RANKS

logger = logging.getLogger(__name__)

MUCH = 0.2
"""Share of rows that were added or deleted since the index was measured, from which building it again is advised."""


def refresh(store: StoreReader) -> IndexCard:
    """Add the rows that came since to the store's index, with the labels that all rows have now, and return its card.

    Deleted rows keep their places, with row ids below 0, and no search shows them. Recall is what it was when the index was built: the card says over
    which version, and advises to build again where many rows came or went.

    Memory: the index, read whole, and 4 d bytes for each new row. Raises InputError where there is no index; StoreError where it is
    damaged, of another store or of a version that this one does not have, or cannot be written.
    """
    with building(store.path, store.vectors_name) as path:
        index = AnnIndex.find(store.path, store.vectors_name)
        if index is None:
            raise InputError(f"{store.path} has no index to refresh: build one")
        card = index.card
        if (reason := misfit(store, card)) is not None:
            raise StoreError(reason)
        if card.store_version == store.version:
            return card
        newer = snapshot(store, condition=store.since(card.store_version))
        newer = newer.taken(np.flatnonzero(~np.isin(newer.row_ids, index.rows.row_ids)))
        now = read_metadata(store.at(newer.version))
        rows, n_gone = _joined(index.rows, now, newer.row_ids)
        engine = Engine(faiss.read_index(str(index_file(path, card))))
        if len(newer):
            engine.add(newer.vectors, whole=card.factory.startswith("HNSW"), folder=path)
        logger.info("added %d vectors", len(newer))
        added = sum(one["n_added"] for one in card.refreshed) + len(newer)
        done = {"version": newer.version, "n_added": len(newer), "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}"}
        kept = tuple(note for note in card.notes if not note.endswith(_ADVICE))
        card = replace(
            card,
            n_vectors=len(engine),
            store_version=newer.version,
            n_gone=n_gone,
            refreshed=(*card.refreshed, done),
            notes=(*kept, *_advice(added, n_gone, len(engine))),
        )
        return write(path, engine, rows, card)


_ADVICE = "build the index again"


def _advice(added: int, n_gone: int, n: int) -> list[str]:
    told = [(added, "came since it was measured"), (n_gone, "belong to pictures that were deleted")]
    return [f"{count:,} of {n:,} vectors {what}: {_ADVICE}" for count, what in told if count > MUCH * n]


def _joined(before: Rows, now: Rows, new_ids: Int64[np.ndarray, " m"]) -> tuple[Rows, int]:
    """The rows of an index, then new ones, with their metadata of now, or of before where they are gone; and how many are gone."""
    order = np.argsort(now.row_ids)
    wanted = np.concatenate([before.row_ids, new_ids])
    place = (
        order[np.minimum(np.searchsorted(now.row_ids, wanted, sorter=order), max(len(order) - 1, 0))]
        if len(order)
        else np.zeros(len(wanted), np.int64)
    )
    gone = np.flatnonzero(now.row_ids[place] != wanted) if len(order) else np.arange(len(wanted))
    lost = before.taken(gone)
    place[gone] = len(now) + np.arange(len(gone))
    ranks = pa.concat_tables([_ranks(now), _ranks(lost)]).take(pa.array(place))
    lineages, codes = numbered(ranks)
    parts = [pa.Table.from_batches([now.table]), pa.Table.from_batches([lost.table])]
    table = pa.concat_tables(parts, promote_options="permissive").select(now.table.schema.names)
    (batch,) = table.take(pa.array(place)).combine_chunks().to_batches()
    wanted[gone] = -1 - np.arange(len(gone))
    return Rows(wanted, codes, lineages, batch), len(gone)


def _ranks(rows: Rows) -> pa.Table:
    return rows.lineages.table.select(list(RANKS)).take(pa.array(rows.codes))
