"""Search: a query to the nearest rows of a store, and the taxon that they agree on.

A query is made of pictures, a text, a stored picture or a vector. The gallery is searched exactly, or by the store's index.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from cladescope.arrays import normalise
from cladescope.embedding.encode import encoded
from cladescope.embedding.given import MEMORY, AnyPicture, as_records
from cladescope.embedding.kin import kin_of, vote_weights
from cladescope.embedding.locations import canonical, read_bytes
from cladescope.embedding.records import Record
from cladescope.embedding.regions import split_region
from cladescope.errors import InputError, PictureError
from cladescope.index.ann_files import AnnIndex
from cladescope.index.consensus import consensus
from cladescope.index.defaults import K
from cladescope.index.exact import search as search_blocks
from cladescope.index.hits import Hit, SearchResult
from cladescope.index.store import Store
from cladescope.schema import shown_names
from cladescope.taxonomy import RANKS, Taxon


class _Found(NamedTuple):
    """A hit, and the observation that it is of."""

    hit: Hit
    observation: str | None


class Searcher:
    """Answers queries over one store; what a query needs is loaded once and kept.

    The encoder is loaded when the first picture or text comes, the index when it is first used and whenever it was built
    anew, the taxonomy once a version of the store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def search(
        self,
        *,
        images: Sequence[AnyPicture] = (),
        text: str | None = None,
        image_id: str | None = None,
        vector: Float[np.ndarray, " d"] | None = None,
        k: int = K,
        within: str | Sequence[str] | None = None,
        where: str | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The k nearest pictures to one query, best first, and the taxon that they agree on.

        The query is the normalised mean of the unit vectors of all that is given: several `images` of one individual
        make one query, and a `text` steers it. A picture named by `image_id` is not among its own hits. `within` is a
        taxon or several, a union; `where` a condition in SQL. Searches exactly where `exact` is set, the store has no
        index, or `within` or `where` narrow the gallery; otherwise by the index.

        Hits that are kin (`embedding.kin`) of an `image_id`, or of a region that is asked about, are shown and do not vote in the
        consensus; hits that are kin of each other share one vote.

        Raises InputError for an empty query, an unknown id, taxon or condition; EncoderError for a text where the
        encoder has no text side.
        """
        store = self.store
        condition = store.condition(within=within, where=where)
        stored = None if image_id is None else store.row(image_id, ["vector", "uri", "observation_id"])
        # Pictures are read before an encoder is loaded: a wrong path is told at once.
        records = [_read(*pair) for pair in zip(images, as_records(images), strict=True)]
        parts = [] if stored is None else [_unit(np.asarray(stored["vector"], np.float32))]
        parts += [] if vector is None else [_unit(vector)]
        parts += self._encode(records) if records else []
        parts += [] if text is None else [store.encoder.encode_texts([text])[0]]
        if not parts:
            raise InputError("the query is empty: give a picture, a text, an image_id or a vector")
        if any(len(part) != store.card.dim for part in parts):
            raise InputError(
                f"the query has {len(parts[0])} numbers, the store's vectors {store.card.dim}: use the store's encoder"
            )
        own = None if stored is None else int(stored["_rowid"])
        kin = [] if stored is None else [(str(stored["uri"]), stored["observation_id"])]
        kin += [(canonical(record.uri), None) for record in records if split_region(record.uri)[1]]
        query = _unit(np.mean(parts, axis=0))
        return self.nearest(query, k, condition=condition, exact=exact, leave_out=own, kin=kin)

    def nearest(
        self,
        query: Float[np.ndarray, " d"],
        k: int = K,
        *,
        condition: str | None = None,
        exact: bool = False,
        leave_out: int | None = None,
        kin: Sequence[tuple[str, str | None]] = (),
    ) -> SearchResult:
        """The k rows nearest to a query of unit length, or those of them that meet a condition of `Store.condition`.

        `leave_out` is the row id of the query itself, where it has one, `kin` are address and observation of what it shows: hits
        that show the same (`embedding.kin`) do not vote in the consensus, and hits that show one picture have one vote together.

        A narrowed gallery is always searched exactly, so that no filter costs recall. Rows that came after the index was
        built are searched exactly and merged; rows deleted since do not come back.

        Raises InputError for k below 1.
        """
        if k < 1:
            raise InputError(f"k is {k}: ask for at least 1 hit")
        n_wanted = k + (leave_out is not None)
        index = None if exact or condition is not None else AnnIndex.find(self.store.path)
        # An index that is younger than the rows that are shown lacks those that were deleted before it was built.
        if index is None or index.card.store_version > self.store.version:
            scores, row_ids = self._exactly(query, n_wanted, condition)
            return _result(self._hits(scores, row_ids, k, leave_out), "exact", kin)
        fresh = self._fresh(query, n_wanted, index.card.store_version)
        while True:
            found = index.search(query, n_wanted)
            scores, row_ids = (np.concatenate(pair) for pair in zip(found, fresh, strict=True))
            order = np.lexsort((row_ids, -scores))
            hits = self._hits(scores[order], row_ids[order], k, leave_out)
            # Deleted rows leave gaps: the answer is whole once no vector that the index has yet to give could enter it.
            whole = len(hits) == k and len(found[0]) > 0 and hits[-1].hit.score >= found[0].min()
            if whole or n_wanted >= index.card.n_vectors:
                return _result(hits, index.card.kind, kin)
            n_wanted = min(2 * n_wanted + 64, index.card.n_vectors)

    def _exactly(self, query: Float[np.ndarray, " d"], k: int, condition: str | None) -> tuple[np.ndarray, np.ndarray]:
        scores, row_ids = search_blocks(self.store.vectors(condition=condition), query[None], k)
        return scores[0], row_ids[0]

    def _fresh(self, query: Float[np.ndarray, " d"], k: int, version: int) -> tuple[np.ndarray, np.ndarray]:
        """The best of the rows that came after a version; where nothing was written since, nothing is read."""
        if self.store.version == version:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        return self._exactly(query, k, f"_row_created_at_version > {version}")

    def _hits(self, scores: np.ndarray, row_ids: np.ndarray, k: int, leave_out: int | None) -> list[_Found]:
        """The first k of some rows that are still there, with what the store says of them."""
        score_of = {int(row): float(score) for row, score in zip(row_ids, scores, strict=True) if int(row) != leave_out}
        extra = shown_names(self.store.schema.names)
        columns = dict.fromkeys(["image_id", "uri", *RANKS, "common_name", "observation_id", *extra])
        return [
            _Found(
                Hit(
                    position=position,
                    score=score_of[row["_rowid"]],
                    image_id=row["image_id"],
                    uri=row["uri"],
                    taxon=Taxon.from_ranks(row),
                    common_name=row["common_name"],
                    extra={shown: row[name] for name, shown in extra.items()},
                ),
                row["observation_id"],
            )
            for position, row in enumerate(self.store.rows(list(score_of), list(columns))[:k], start=1)
        ]

    def _encode(self, records: Sequence[Record]) -> list[Float[np.ndarray, " d"]]:
        """Vectors of query pictures. Raises PictureError, naming it, where one cannot be decoded."""
        vectors: list[Float[np.ndarray, " d"]] = []
        for batch in encoded(records, self.store.encoder):
            for failure in batch.failures:
                raise _unusable(failure.record, failure.reason)
            vectors += list(batch.vectors)
        return vectors


def _unit(vector: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
    unit: Float[np.ndarray, " d"] = normalise(vector[None])[0]
    return unit


def _result(hits: list[_Found], method: str, query: Sequence[tuple[str, str | None]]) -> SearchResult:
    """Hits and what they agree on; kin of the query and of each other are no witnesses of their own."""
    shown = [(found.hit.uri, found.observation) for found in hits] + list(query)
    numbers = kin_of(*(pa.array(column, pa.string()) for column in zip(*shown, strict=True))).tolist() if shown else []
    own, kin = set(numbers[len(hits) :]), numbers[: len(hits)]
    scores = [0.0 if group in own else found.hit.score for group, found in zip(kin, hits, strict=True)]
    weights = vote_weights(kin, scores)
    of_query = sum(group in own for group in kin)
    return SearchResult(
        hits=tuple(found.hit for found in hits),
        consensus=consensus([found.hit.taxon for found in hits], weights),
        method=method,
        kin_of_query=of_query,
        kin_of_hits=len(hits) - of_query - len(set(kin) - own),
    )


def _read(image: AnyPicture, record: Record) -> Record:
    """The record of a query picture with its content, called as it was given; PictureError where it cannot be read."""
    if not isinstance(image, str | Path):
        return record
    called = replace(record, uri=str(image))
    try:
        return called if split_region(called.uri)[1] else replace(called, data=read_bytes(called.uri))
    except PictureError as error:
        raise _unusable(called, str(error)) from error


def _unusable(record: Record, reason: str) -> PictureError:
    name = "" if record.uri.startswith(MEMORY) else f" {record.uri}"
    return PictureError(f"the query picture{name} cannot be used: {reason}")
