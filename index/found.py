"""What a search of blocks found, and what the store says of it."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float32, Int64

from cladescope.index.block import Block
from cladescope.index.hits import Hit
from cladescope.taxonomy import RANKS, Taxon

_OWN = ("image_id", "uri", "common_name", "observation_id")


class Found(NamedTuple):
    """Scores and rows for each of q queries; positions count through all blocks that were searched."""

    scores: Float32[np.ndarray, "q k"]
    positions: Int64[np.ndarray, "q k"]
    """-1, with a score of -inf, where fewer were found."""
    method: str
    """`exact`, or the kind of the index."""
    blocks: tuple[Block, ...]

    def taxa(self, positions: Int64[np.ndarray, " m"]) -> list[Taxon | None]:
        """The taxon of some rows."""
        if len(self.blocks) == 1:
            return [self.blocks[0].rows.taxon(position) for position in positions.tolist()]
        places = map(self.place, positions.tolist())
        return [block.rows.taxon(place) for block, place in places]

    def row_ids(self, positions: Int64[np.ndarray, " m"]) -> Int64[np.ndarray, " m"]:
        """The store's names of some rows."""
        if len(self.blocks) == 1:
            ids: Int64[np.ndarray, " m"] = self.blocks[0].rows.row_ids[positions]
            return ids
        places = map(self.place, positions.tolist())
        return np.array([block.rows.row_ids[place] for block, place in places], np.int64)

    def place(self, position: int) -> tuple[Block, int]:
        """The block of a position, and the position in it."""
        for block in self.blocks:
            if position < len(block):
                return block, position
            position -= len(block)
        raise IndexError(position)

    def table(self, positions: Int64[np.ndarray, " m"], columns: Sequence[str]) -> pa.Table:
        """Some columns of some rows, ranks among them, in the order of `positions`; a column that is not there is null."""
        parts, order, first = [], [], 0
        for block in self.blocks:
            inside = np.flatnonzero((positions >= first) & (positions < first + len(block)))
            if len(inside):
                parts.append(_table(block, positions[inside] - first, columns))
                order.append(inside)
            first += len(block)
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return _table(self.blocks[0], np.empty(0, np.int64), columns)
        joined = pa.concat_tables(parts, promote_options="permissive")
        return joined.take(pa.array(np.argsort(np.concatenate(order))))

    def are_of(self, addresses: Collection[str], positions: Int64[np.ndarray, " m"]) -> Bool[np.ndarray, " m"]:
        """Which of some rows show the pictures at some addresses."""
        if not addresses:
            return np.zeros(len(positions), bool)
        uris = self.table(positions, ["uri"]).column("uri")
        are: Bool[np.ndarray, " m"] = pc.is_in(uris, pa.array(addresses, uris.type)).to_numpy(zero_copy_only=False)
        return are

    def rows(self, query: int, k: int, *, leave_out: Collection[int] = ()) -> Int64[np.ndarray, " m"]:
        """Places of the first k hits of a query in its list, without rows of some ids."""
        there = self.positions[query] >= 0
        if leave_out:
            there[there] = ~np.isin(self.row_ids(self.positions[query][there]), list(leave_out))
        return np.flatnonzero(there)[:k]

    def hits(self, query: int, rows: Int64[np.ndarray, " m"], *, extra: Mapping[str, str]) -> list[Hit]:
        """Some hits of a query, in full; `extra` are columns and the names that results show them under."""
        positions, scores = self.positions[query, rows], self.scores[query, rows].tolist()
        said = self.table(positions, [*dict.fromkeys([*_OWN, *extra])]).to_pylist()
        return [
            Hit(
                position=position,
                score=score,
                image_id=one["image_id"],
                uri=one["uri"],
                taxon=taxon,
                common_name=one["common_name"],
                extra={shown: one[name] for name, shown in extra.items()},
                observation_id=one["observation_id"],
            )
            for position, (score, taxon, one) in enumerate(
                zip(scores, self.taxa(positions), said, strict=True), start=1
            )
        ]


def _table(block: Block, positions: Int64[np.ndarray, " m"], columns: Sequence[str]) -> pa.Table:
    there = set(block.rows.table.schema.names)
    metadata = block.rows.table.select([name for name in columns if name in there]).take(pa.array(positions))
    lineages = None
    if any(name in RANKS for name in columns):
        lineages = block.rows.lineages.table.take(pa.array(block.rows.codes[positions]))
    arrays = [
        metadata.column(name)
        if name in there
        else lineages.column(name)
        if name in RANKS and lineages is not None
        else pa.nulls(len(positions))
        for name in columns
    ]
    return pa.table(arrays, names=list(columns))
