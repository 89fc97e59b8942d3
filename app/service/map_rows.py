"""The rows of a store beside the pictures of a map: which row each picture is now, and what its columns hold."""

import contextlib
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int64, UInt32, UInt64

from cladescope.analysis.maps.lineages import distinct_lineages
from cladescope.analysis.pictures import Pictures
from cladescope.app.service.conditions import condition
from cladescope.app.service.map_made import MadeMap
from cladescope.errors import CladescopeError
from cladescope.index.filters import rows_in_clades
from cladescope.index.store import Store
from cladescope.index.store_reader import StoreReader
from cladescope.schema import LABEL, LEVELS
from cladescope.taxonomy import RANKS, Taxon

SHOWN = ("image_id", "uri", LABEL, "common_name", *RANKS)
NONE = 2**32 - 1
"""Stands for no picture where indexes are sent."""


class MapRows:
    """The pictures of a map as rows of one version of their store; those that were deleted since are none.

    Memory: 24 bytes a picture, and once taxa are asked for 200 more.
    """

    def __init__(self, made: MadeMap, store: Store) -> None:
        self.made = made
        self.version = store.version
        self.reader: StoreReader = store.at(self.version)
        parts = [batch.select(["_rowid", "image_id"]) for batch in self.reader.scan(["_rowid", "image_id"])]
        schema = pa.schema([("_rowid", pa.uint64()), ("image_id", pa.string())])
        rows = pa.Table.from_batches(parts).cast(schema) if parts else schema.empty_table()
        ids = rows.column("image_id").combine_chunks()
        found = pc.fill_null(pc.index_in(made.image_ids, value_set=ids), -1)
        self._row: Int64[np.ndarray, " n"] = found.to_numpy(zero_copy_only=False).astype(np.int64)
        """The place of each picture's row in the order of the store; -1 where there is none."""
        self.row_ids: UInt64[np.ndarray, " n"] = np.zeros(len(made), np.uint64)
        all_ids = rows.column("_rowid").to_numpy()
        self.row_ids[self.is_there] = all_ids[self._row[self.is_there]]
        self.n_more = max(0, rows.num_rows - int(self.is_there.sum()) - made.about.n_left_out)
        """Rows that came since the map was made."""
        self.kept: dict[str, Any] = {}
        """What was made of these rows, by a name; who makes something keeps it here."""
        threading.Thread(target=self._prepare, name="lineages", daemon=True).start()

    def _prepare(self) -> None:
        """Have lineages at hand before they are asked for: of a million pictures they take four seconds, and clades are looked up in them a hundred times as fast."""
        with contextlib.suppress(CladescopeError):
            _ = self.lineages

    @cached_property
    def is_there(self) -> Bool[np.ndarray, " n"]:
        """Whether each picture is still in the store."""
        return self._row >= 0

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Some columns in map order; null for what was deleted, and for a column that the store does not have."""
        there = [name for name in names if name in self.reader.schema.names]
        table = self.reader.table(there)
        taken = table.take(pa.array(self._row, mask=~self.is_there))
        for name in names:
            if name not in there:
                taken = taken.append_column(name, pa.nulls(len(self.made), pa.string()))
        return taken.select(list(names))

    def pictures_of(self, names: Sequence[str]) -> Pictures:
        """The same as pictures without vectors, for the words of `Pictures` that number taxa and values."""
        return Pictures(np.empty((len(self.made), 0), np.float32), self.columns(names))

    @cached_property
    def pictures(self) -> Pictures:
        """All taxa, labels and common names."""
        there = [name for name in (*LEVELS, "common_name") if name in self.reader.schema.names]
        return self.pictures_of(there)

    def selected(self, within: Sequence[str], filters: Sequence[str]) -> UInt32[np.ndarray, " m"]:
        """Indexes of the pictures that pass the filters, ascending. Raises InputError and TaxonError for what cannot be used."""
        if not within and not filters:
            return np.flatnonzero(self.is_there).astype(np.uint32)
        if not filters and "lineages" in vars(self):
            table, of = self.lineages
            passes = rows_in_clades(table, self.reader.taxa(list(within)), self.reader.taxonomy.spellings)
            return np.flatnonzero(passes[of] & self.is_there).astype(np.uint32)
        where = condition(filters, self.reader.schema)
        both = self.reader.condition(within=list(within) or None, where=where)
        parts = [batch.column("_rowid").to_numpy() for batch in self.reader.scan(["_rowid"], condition=both)]
        passing = np.concatenate([np.empty(0, np.uint64), *parts])
        order, ids = self._sorted
        place = np.searchsorted(ids, passing).clip(0, max(len(ids) - 1, 0))
        hits = place[ids[place] == passing] if len(ids) else place[:0]
        return np.sort(order[hits]).astype(np.uint32)

    @cached_property
    def _sorted(self) -> tuple[Int64[np.ndarray, " m"], UInt64[np.ndarray, " m"]]:
        """Indexes of the pictures that are there, by their row ids; and these."""
        there = np.flatnonzero(self.is_there)
        order = there[np.argsort(self.row_ids[there])]
        return order, self.row_ids[order]

    def shown(self, indexes: Sequence[int]) -> list[dict[str, Any]]:
        """What a card says of some pictures, in the order asked for; those that were deleted since are left out."""
        there = [index for index in indexes if self.is_there[index]]
        names = [name for name in SHOWN if name in self.reader.schema.names]
        rows = self.reader.rows([int(self.row_ids[index]) for index in there], names)
        by_id = {row["_rowid"]: row for row in rows}
        return [_card(index, by_id[int(self.row_ids[index])]) for index in there if int(self.row_ids[index]) in by_id]

    def indexes(self, image_ids: Sequence[str]) -> list[int | None]:
        """The index of each picture by its id; None for one that is not on the map."""
        # Halves of surrogate pairs, which JSON can carry, are in no id.
        possible = [one for one in image_ids if one.isprintable()]
        found = pc.index_in(self.made.image_ids, value_set=pa.array(possible, pa.string()))
        places = np.flatnonzero(found.is_valid().to_numpy(zero_copy_only=False))
        index_of = {
            possible[at]: place for at, place in zip(found.drop_null().to_pylist(), places.tolist(), strict=True)
        }
        return [index_of.get(one) for one in image_ids]

    @cached_property
    def lineages(self) -> tuple[pa.Table, Int64[np.ndarray, " n"]]:
        """Each distinct lineage with its common name, as they are written; and for each picture which it has."""
        return distinct_lineages(self.columns([*RANKS, "common_name"]))

    def counted_lineages(self, indexes: UInt32[np.ndarray, " m"]) -> pa.Table:
        """The lineages of some pictures, and how many have each, `n_images`, as `taxa_tree.named_lineages` has them."""
        table, of = self.lineages
        there = indexes[self.is_there[indexes]]
        counts = np.bincount(of[there], minlength=table.num_rows)
        held = np.flatnonzero(counts)
        return table.take(pa.array(held)).append_column("n_images", pa.array(counts[held].astype(np.int64)))

    def matched(self, other: "MapRows") -> UInt32[np.ndarray, " n"]:
        """The index of each picture on another map: by its id, else by its content; `NONE` for none."""
        found = pc.index_in(self.made.image_ids, value_set=other.made.image_ids)
        if found.null_count:
            here, there = (
                one.columns(["content_hash"]).column(0).cast(pa.string()).combine_chunks() for one in (self, other)
            )
            if there.null_count < len(there):
                alike = pc.index_in(here, value_set=there, skip_nulls=True)
                found = pc.coalesce(found, alike)
        filled = pc.fill_null(found.cast(pa.int64()), NONE)
        matches: UInt32[np.ndarray, " n"] = filled.to_numpy(zero_copy_only=False).astype(np.uint32)
        return matches


def _card(index: int, row: dict[str, Any]) -> dict[str, Any]:
    taxon = Taxon.from_ranks(row)
    label = row.get(LABEL)
    return {
        "index": index,
        "image_id": row["image_id"],
        "uri": row["uri"],
        "label": label,
        "lineage": None if taxon is None else str(taxon),
        "common_name": row.get("common_name"),
        "species": row.get("species"),
        "name": label if taxon is None else taxon.name,
    }
