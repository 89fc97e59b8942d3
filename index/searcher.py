"""Search: a query to the nearest rows of a store, and the taxon that they agree on.

A query is made of pictures, a text, a stored picture or a vector. The gallery is searched exactly, or by the store's index.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from cladescope.embedding.given import AnyPicture
from cladescope.embedding.kin import kin_of, vote_weights
from cladescope.errors import InputError, StoreError
from cladescope.index.ann.files import AnnIndex
from cladescope.index.consensus import consensus
from cladescope.index.defaults import UNLIKE_WEIGHT, K
from cladescope.index.exact import search as search_blocks
from cladescope.index.facets import check_rank
from cladescope.index.facets import facets as facets_of
from cladescope.index.hits import Hit, SearchResult
from cladescope.index.lineages import count_lineages
from cladescope.index.narrowing import narrowed
from cladescope.index.picking import Picking
from cladescope.index.query import Composed, Parts, compose, rows_of, several
from cladescope.index.store import Store
from cladescope.schema import shown_names
from cladescope.taxonomy import RANKS, Taxon

logger = logging.getLogger(__name__)


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
        image_id: str | Sequence[str] | None = None,
        vector: Float[np.ndarray, "*q d"] | None = None,
        taxon: str | Sequence[str] | None = None,
        not_images: Sequence[AnyPicture] = (),
        not_text: str | None = None,
        not_image_id: str | Sequence[str] | None = None,
        not_taxon: str | Sequence[str] | None = None,
        not_weight: float = UNLIKE_WEIGHT,
        k: int = K,
        at_most: int | None = None,
        per: str = "species",
        min_score: float | None = None,
        near: Sequence[float] | None = None,
        same_place: float | None = None,
        same: str | Sequence[str] | None = None,
        within: str | Sequence[str] | None = None,
        where: str | None = None,
        facets: str | None = None,
        exact: bool = False,
    ) -> SearchResult:
        """The k nearest pictures to one query, best first, and the taxon that they agree on.

        The query is the normalised mean of the unit vectors of all that is given: several `images` of one individual
        make one query, a `text` steers it, a `taxon` stands for its centroid (`index.centroids`). What is given as `not_...` is
        subtracted with the weight `not_weight` (`index.query`). Pictures named by `image_id` or `not_image_id` are not among the hits.

        At most `at_most` hits of one taxon of the rank `per` are shown, and none below `min_score`: so many rows are looked at
        that k are found, or that there are no more. `near` is latitude, longitude and kilometres around; `same_place`
        kilometres around the places of the pictures `image_id`; `same` names columns that hold what they hold of these. `within` is a
        taxon or several, a union; `where` a condition in SQL. `facets` is a rank whose taxa are counted, among the hits and in the gallery.
        Searches exactly where `exact` is set, the store has no index, or the gallery is narrowed; otherwise by the index.

        Hits that are kin (`embedding.kin`) of an `image_id`, or of a region that is asked about, are shown and do not vote in the
        consensus; hits that are kin of each other share one vote.

        Raises InputError for an empty query or one without direction, an unknown id, column or condition, a number that is none;
        TaxonError for an unknown taxon or rank; EncoderError for a text where the encoder has no text side.
        """
        store, ids = self.store, several(image_id)
        picking = Picking(k=k, at_most=at_most, per=per, min_score=min_score)
        if facets is not None:
            check_rank(facets)
        condition, notes = narrowed(
            store, within=within, where=where, near=near, same_place=same_place, same=several(same), image_ids=ids
        )
        like = Parts(images=images, text=text, image_ids=ids, vectors=rows_of(vector), taxa=several(taxon))
        unlike = Parts(images=not_images, text=not_text, image_ids=several(not_image_id), taxa=several(not_taxon))
        query = compose(store, like, unlike, weight=not_weight)
        result = self._picked(query, picking, condition, exact=exact)
        spread = None
        if facets is not None:
            gallery = count_lineages(store.scan(list(RANKS), condition=condition))
            taxa, scores = [hit.taxon for hit in result.hits], [hit.score for hit in result.hits]
            spread = facets_of(scores, taxa, gallery, rank=facets)
        return replace(result, notes=(*notes, *result.notes), facets=spread)

    def _picked(self, query: Composed, picking: Picking, condition: str | None, *, exact: bool) -> SearchResult:
        """The first k rows that may be shown; more and more are looked at until they are found."""
        n_wanted = picking.k
        while True:
            found, method = self._found(
                query.vector, n_wanted, condition=condition, exact=exact, leave_out=query.leave_out
            )
            hits = [one.hit for one in found]
            places = picking.of([hit.score for hit in hits], [hit.taxon for hit in hits])
            is_all = len(found) < n_wanted
            if is_all or picking.is_settled(len(places), hits[-1].score):
                break
            n_wanted *= 4
        chosen = [
            _Found(replace(hits[place], position=number), found[place].observation)
            for number, place in enumerate(places, start=1)
        ]
        note = picking.note(len(chosen), len(found))
        return replace(_result(chosen, method, query.kin), notes=() if note is None else (note,))

    def nearest(
        self,
        query: Float[np.ndarray, " d"],
        k: int = K,
        *,
        condition: str | None = None,
        exact: bool = False,
        leave_out: Collection[int] = (),
        kin: Sequence[tuple[str, str | None]] = (),
    ) -> SearchResult:
        """The k rows nearest to a query of unit length, or those of them that meet a condition of `Store.condition`.

        `leave_out` are row ids of the query itself, where it has some, `kin` are address and observation of what it shows: hits
        that show the same (`embedding.kin`) do not vote in the consensus, and hits that show one picture have one vote together.

        A narrowed gallery is always searched exactly, so that no filter costs recall. Rows that came after the index was
        built are searched exactly and merged; rows deleted since do not come back.

        Raises InputError for k below 1.
        """
        found, method = self._found(query, k, condition=condition, exact=exact, leave_out=leave_out)
        return _result(found, method, kin)

    def _found(
        self,
        query: Float[np.ndarray, " d"],
        k: int,
        *,
        condition: str | None,
        exact: bool,
        leave_out: Collection[int],
    ) -> tuple[list[_Found], str]:
        """The k nearest rows with their observations, and what found them."""
        if k < 1:
            raise InputError(f"k is {k}: ask for at least 1 hit")
        n_wanted = k + len(leave_out)
        index = None if exact or condition is not None else self._index()
        # An index that is younger than the rows that are shown lacks those that were deleted before it was built.
        if index is None or index.card.store_version > self.store.version:
            scores, row_ids = self._exactly(query, n_wanted, condition)
            return self._hits(scores, row_ids, k, leave_out), "exact"
        fresh = self._fresh(query, n_wanted, index.card.store_version)
        while True:
            best, positions = index.search(query[None].astype(np.float32), n_wanted)
            there = positions[0] >= 0
            found = best[0][there], index.rows.row_ids[positions[0][there]]
            scores, row_ids = (np.concatenate(pair) for pair in zip(found, fresh, strict=True))
            order = np.lexsort((row_ids, -scores))
            hits = self._hits(scores[order], row_ids[order], k, leave_out)
            # Deleted rows leave gaps: the answer is whole once no vector that the index has yet to give could enter it.
            whole = len(hits) == k and len(found[0]) > 0 and hits[-1].hit.score >= found[0].min()
            if whole or n_wanted >= index.card.n_vectors:
                return hits, index.card.kind
            n_wanted = min(2 * n_wanted + 64, index.card.n_vectors)

    def _index(self) -> AnnIndex | None:
        try:
            return AnnIndex.find(self.store.path)
        except StoreError as error:
            logger.warning("%s; until then every search is exact", error)
            return None

    def _exactly(self, query: Float[np.ndarray, " d"], k: int, condition: str | None) -> tuple[np.ndarray, np.ndarray]:
        scores, row_ids = search_blocks(self.store.vectors(condition=condition), query[None], k)
        return scores[0], row_ids[0]

    def _fresh(self, query: Float[np.ndarray, " d"], k: int, version: int) -> tuple[np.ndarray, np.ndarray]:
        """The best of the rows that came after a version; where nothing was written since, nothing is read."""
        if self.store.version == version:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        return self._exactly(query, k, f"_row_created_at_version > {version}")

    def _hits(self, scores: np.ndarray, row_ids: np.ndarray, k: int, leave_out: Collection[int]) -> list[_Found]:
        """The first k of some rows that are still there, with what the store says of them."""
        score_of = {
            int(row): float(score) for row, score in zip(row_ids, scores, strict=True) if int(row) not in leave_out
        }
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
