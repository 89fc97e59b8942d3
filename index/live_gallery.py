"""A store as it is searched: blocks of rows in memory or memory-mapped, in step with what is written.

One block is what the index was built from, or all that was there; the others are what came since.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float16, Float32, Int64

from cladescope.arrays import merge_top_k
from cladescope.errors import StoreError
from cladescope.index.ann.files import AnnIndex
from cladescope.index.ann.misfit import misfit
from cladescope.index.block import Block, Filter
from cladescope.index.found import Found
from cladescope.index.resident.rows import Rows
from cladescope.index.resident.selection import Selection
from cladescope.index.resident.snapshot import read_metadata, snapshot
from cladescope.index.store_reader import StoreReader
from cladescope.taxonomy import Taxon

LOOK_SECONDS = 0.1
"""How long what others write may go unseen here, beside `tables.FRESH_SECONDS`: to ask at every query costs 0.1 ms each."""
MANY_BLOCKS = 8
"""Blocks of newer rows from which they are joined."""
MANY_CHANGED = 10
"""Where more than one row in so many of an index got other metadata, all are read anew; fewer become newer rows."""
KEPT_SELECTIONS = 32
"""Filters that are remembered; each takes up to n bytes."""


class LiveGallery:
    """The rows of a store at its newest version, ready to be searched. Memory: 2 n d bytes and some 300 a row, mapped from files
    where the store has an index; `KEPT_SELECTIONS` n bytes at most for filters.
    """

    def __init__(self, store: StoreReader) -> None:
        """Read a store, or open its index. Raises StoreError where the store cannot be read."""
        self.store = store
        self._load()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know: that the index is damaged, or of another version, or that a GPU gave up."""
        given_up = {block.on_device.note: None for block in self.blocks if block.on_device.note is not None}
        return (*self._notes, *self._lacking, *given_up)

    def _load(self) -> None:
        notes, index = [], None
        try:
            index = AnnIndex.find(self.store.path, self.store.vectors_name)
        except StoreError as error:
            notes.append(f"{error}; until then every search is exact")
        if index is not None and (reason := misfit(self.store, index.card)) is not None:
            if self.store.pinned is None or index.card.store_version <= self.store.version:
                notes.append(f"{reason}; until then every search is exact")
            index = None
        self._notes = tuple(notes)
        self.index = index
        if index is None:
            now = snapshot(self.store)
            main, self.version = Block(now.rows, now.flat), now.version
        else:
            main, self.version = Block(index.rows, index.flat, index), index.card.store_version
        self.blocks = [main]
        self._main_version = self._rows_version = self.version
        """Versions of the index's vectors, and of what is said of them."""
        self._stamp = AnnIndex.stamp_of(self.store.path, self.store.vectors_name) if index is None else index.stamp
        self._selections: OrderedDict[Filter, list[Selection]] = OrderedDict()
        self._looked, self._seen, self._lacking = -LOOK_SECONDS, -1, self.store.notes()
        self.catch_up()

    def catch_up(self) -> bool:
        """See what was written since, and an index that was built; whether there was anything."""
        if AnnIndex.stamp_of(self.store.path, self.store.vectors_name) != self._stamp:
            self._load()
            return True
        if self.store.n_writes == self._seen and time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._seen, self._looked = self.store.n_writes, time.monotonic()
        if (version := self.store.version) == self.version:
            return False
        self._advance(version)
        return True

    def _advance(self, version: int) -> None:
        self._selections.clear()
        reader = self.store.at(version)
        created, updated = "`_row_created_at_version` > {}", "`_row_last_updated_at_version` > {}"
        recent: str | None = updated.format(self.version)
        ids = self._ids(reader, recent)
        if self._is_renewed(ids):
            self._renew(reader)
            recent, self._rows_version = created.format(self._main_version), version
        elif len(self.blocks) > MANY_BLOCKS:
            # Newer rows are read again, all at once.
            del self.blocks[1:]
            recent = f"{created.format(self._main_version)} OR {updated.format(self._rows_version)}"
        elif not len(ids):
            recent = None
        if recent is not None:
            newer = snapshot(reader, condition=recent)
            for block in self.blocks:
                block.drop(newer.row_ids)
            if len(newer):
                self.blocks.append(Block(newer.rows, newer.flat))
        if len(self) != reader.count():
            there = self._ids(reader, None)
            for block in self.blocks:
                block.keep(there)
        self.version, self._lacking = version, reader.notes()

    def _is_renewed(self, ids: Int64[np.ndarray, " m"]) -> bool:
        main = self.blocks[0]
        if self.store.vectors_name is not None:  # what was updated may have a vector only now
            return False
        return len(ids) * MANY_CHANGED > len(main) and main.of_ids(ids).n * MANY_CHANGED > len(main)

    def _renew(self, reader: StoreReader) -> None:
        """Give the rows of the index the metadata that they have now; their vectors stay what they were."""
        main, now = self.blocks[0], read_metadata(reader)
        order = np.argsort(now.row_ids)
        place = np.searchsorted(now.row_ids, main.rows.row_ids, sorter=order)
        rows = now.taken(order[np.minimum(place, len(order) - 1)])
        there = rows.row_ids == main.rows.row_ids
        renewed = Block(Rows(main.rows.row_ids, rows.codes, rows.lineages, rows.table), main.flat, main.index)
        renewed.on_device = main.on_device
        renewed.keep(main.rows.row_ids[there])
        self.blocks = [renewed]

    @staticmethod
    def _ids(reader: StoreReader, condition: str | None) -> Int64[np.ndarray, " m"]:
        parts = [
            batch.column("_rowid").to_numpy().astype(np.int64) for batch in reader.scan(["_rowid"], condition=condition)
        ]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def __len__(self) -> int:
        return sum([block.n_alive for block in self.blocks])

    def selections(self, narrowed: Filter) -> list[Selection]:
        """The rows of each block that a filter leaves.

        Raises InputError where the condition cannot be computed.
        """
        if narrowed not in self._selections:
            ids = None
            if narrowed.condition is not None:
                ids = self._ids(self.store, narrowed.condition)
            self._selections[narrowed] = [_selection(block, narrowed.taxa, ids) for block in self.blocks]
        self._selections.move_to_end(narrowed)
        while len(self._selections) > KEPT_SELECTIONS:
            self._selections.popitem(last=False)
        return self._selections[narrowed]

    def search(
        self,
        queries: Float32[np.ndarray, "q d"],
        k: int,
        *,
        narrowed: Filter | None = None,
        exact: bool = False,
        composed: bool = False,
    ) -> Found:
        """The k best rows for each query, best first: by the index where there is one, unless `exact` or a GPU holds the vectors
        (`on_device`); newer rows always exactly. An index looks more widely for queries that are `composed`
        of several things (`TunedIndex.search`).
        """
        blocks = tuple(self.blocks)
        chosen = [None] * len(blocks) if narrowed is None else self.selections(narrowed)
        scores, positions, first, by_index = [], [], 0, False
        for block, selection in zip(blocks, chosen, strict=True):
            if selection is None or selection.n:
                exactly = block.compares_all(len(queries), selection) or exact
                some, places = block.search(queries, k, selection, exact=exactly, composed=composed)
                scores.append(some)
                positions.append(places if first == 0 else np.where(places < 0, -1, places + first))
                by_index |= not exactly and block.index is not None and not block.index.compares_all(k, selection)
            first += len(block)
        method = self.index.card.kind if by_index and self.index is not None else "exact"
        if not scores:
            nothing = np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1)
            return Found(*nothing, method, blocks)
        if len(scores) > 1:
            best = merge_top_k(np.concatenate(scores, axis=1), np.concatenate(positions, axis=1), k)
            return Found(*best, method, blocks)
        return Found(scores[0], positions[0], method, blocks)

    def drawn(self, n: int, *, seed: int) -> Float16[np.ndarray, "m d"]:
        """Vectors of n rows drawn at random, or of all where there are fewer, as stored; 2 m d bytes, and 8 a row of the store."""
        standing = [
            np.arange(len(block)) if block.alive is None else np.flatnonzero(block.alive) for block in self.blocks
        ]
        n_rows, rng = sum(map(len, standing)), np.random.default_rng(seed)
        chosen = np.sort(rng.choice(n_rows, min(n, n_rows), replace=False))
        ends = np.cumsum([0, *map(len, standing)]).tolist()
        parts = [
            block.flat.vectors[rows[chosen[(chosen >= start) & (chosen < stop)] - start]]
            for block, rows, start, stop in zip(self.blocks, standing, ends, ends[1:], strict=False)
        ]
        return np.concatenate(parts)

    def count_lineages(self, narrowed: Filter | None = None) -> pa.Table:
        """Each lineage of the rows, or of those that a filter leaves, and their number, `n_images`."""
        chosen = [None] * len(self.blocks) if narrowed is None else self.selections(narrowed)
        return pa.concat_tables(
            block.count_lineages(selection) for block, selection in zip(self.blocks, chosen, strict=True)
        )


def _selection(block: Block, taxa: Sequence[Taxon] | None, ids: Int64[np.ndarray, " m"] | None) -> Selection:
    if taxa is None:
        return block.of_ids(np.empty(0, np.int64) if ids is None else ids)
    inside = block.within(taxa)
    return inside if ids is None else inside.of(block.of_ids(ids).mask)
