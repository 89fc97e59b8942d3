"""Search: a query vector to hits with their lineage, and the taxon that they agree on."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float, UInt64

from cladescope.errors import InputError
from cladescope.index.ann import AnnIndex
from cladescope.index.consensus import Consensus, consensus
from cladescope.index.defaults import K
from cladescope.index.exact import search as search_blocks
from cladescope.schema import RESERVED_COLUMNS
from cladescope.taxonomy import RANKS, Taxon

logger = logging.getLogger(__name__)


@runtime_checkable
class Records(Protocol):
    """What a search needs of a store."""

    path: Path

    @property
    def version(self) -> int:
        """Version of the rows."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of the rows."""

    def vectors(
        self, *, condition: str | None = None, block_rows: int = ...
    ) -> Iterator[tuple[UInt64[np.ndarray, " b"], Float[np.ndarray, "b d"]]]:
        """Row ids and vectors in blocks."""

    def rows(self, row_ids: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Some columns of some rows; rows that are gone are left out."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One result."""

    position: int
    """Place in the list, from 1."""
    score: float
    """Cosine with the query, -1 to 1; off by up to 0.001, and so a trifle beyond, as stored numbers have 16 bits."""
    image_id: str
    uri: str
    taxon: Taxon | None
    common_name: str | None
    extra: dict[str, Any]
    """The source's own columns."""

    def to_dict(self) -> dict[str, Any]:
        """Flat values for JSON and CSV: each rank in a column of its own."""
        path = self.taxon.path if self.taxon is not None else ()
        ranks = {rank: path[place] if place < len(path) else None for place, rank in enumerate(RANKS)}
        own = {
            "position": self.position,
            "score": round(self.score, 6),
            "image_id": self.image_id,
            "uri": self.uri,
        }
        lineage = None if self.taxon is None else str(self.taxon)
        return {**own, "lineage": lineage, **ranks, "common_name": self.common_name, **self.extra}


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, best first, and what they say together."""

    hits: tuple[Hit, ...]
    consensus: Consensus
    method: str
    """`exact`, or the name of the index that answered."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        agreed = self.consensus
        votes = [{**asdict(vote), "taxon": str(vote.taxon), "name": vote.taxon.name} for vote in agreed.votes]
        return {
            "method": self.method,
            "hits": [hit.to_dict() for hit in self.hits],
            "consensus": {
                "taxon": None if agreed.taxon is None else str(agreed.taxon),
                "rank": None if agreed.taxon is None else agreed.taxon.rank,
                "share": agreed.share,
                "votes": votes,
            },
        }


def search(
    records: Records,
    query: Float[np.ndarray, " d"],
    k: int = K,
    *,
    condition: str | None = None,
    exact: bool = False,
    leave_out: int | None = None,
) -> Answer:
    """The k rows nearest to a query of unit length, or those of them that meet an SQL condition.

    `leave_out` is the row id of the query itself, where it has one.

    A narrowed gallery is always searched exactly, so that no filter costs recall. Rows that came after the index was
    built are searched exactly and merged; rows deleted since do not come back.

    Raises InputError for k below 1.
    """
    if k < 1:
        raise InputError(f"k is {k}: ask for at least 1 hit")
    index = None if exact or condition is not None else AnnIndex.find(records.path)
    if index is None:
        scores, row_ids = _exactly(records, query, k + (leave_out is not None), condition)
        hits = _hits(records, scores, row_ids, k, leave_out)
        return _answer(hits, "exact")
    n_wanted = k + (leave_out is not None)
    fresh = _exactly(records, query, n_wanted, f"_row_created_at_version > {index.card.store_version}")
    while True:
        found = index.search(query, n_wanted)
        scores, row_ids = (np.concatenate(pair) for pair in zip(found, fresh, strict=True))
        order = np.lexsort((row_ids, -scores))
        hits = _hits(records, scores[order], row_ids[order], k, leave_out)
        # Deleted rows leave gaps: the answer is whole once no vector that the index has yet to give could enter it.
        whole = len(hits) == k and len(found[0]) > 0 and hits[-1].score >= found[0].min()
        if whole or n_wanted >= index.card.n_vectors:
            return _answer(hits, index.card.kind)
        n_wanted = min(2 * n_wanted + 64, index.card.n_vectors)


def _exactly(
    records: Records, query: Float[np.ndarray, " d"], k: int, condition: str | None
) -> tuple[np.ndarray, np.ndarray]:
    scores, row_ids = search_blocks(records.vectors(condition=condition), query[None], k)
    return scores[0], row_ids[0]


def _hits(records: Records, scores: np.ndarray, row_ids: np.ndarray, k: int, leave_out: int | None) -> list[Hit]:
    """The first k of some rows that are still there, with what the store says of them."""
    score_of = {int(row): float(score) for row, score in zip(row_ids, scores, strict=True) if int(row) != leave_out}
    extra = [name for name in records.schema.names if name not in RESERVED_COLUMNS]
    columns = ["image_id", "uri", *RANKS, "common_name", *extra]
    return [
        Hit(
            position=position,
            score=score_of[row["_rowid"]],
            image_id=row["image_id"],
            uri=row["uri"],
            taxon=Taxon.from_ranks(row),
            common_name=row["common_name"],
            extra={name: row[name] for name in extra},
        )
        for position, row in enumerate(records.rows(list(score_of), columns)[:k], start=1)
    ]


def _answer(hits: list[Hit], method: str) -> Answer:
    agreed = consensus([hit.taxon for hit in hits], [hit.score for hit in hits])
    return Answer(tuple(hits), agreed, method)
