"""Search: a query to the nearest rows of a store, and the taxon that they agree on.

A query is made of pictures, a text, a stored picture or a vector. The gallery is searched exactly, or by the store's index.
"""

from collections.abc import Collection, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from cladescope.arrays import normalise
from cladescope.embedding.given import AnyPicture
from cladescope.errors import InputError
from cladescope.index.ann.files import AnnIndex
from cladescope.index.batch import BatchResult
from cladescope.index.block import Filter
from cladescope.index.defaults import UNLIKE_WEIGHT, K
from cladescope.index.facets import check_rank, label_facets
from cladescope.index.facets import facets as facets_of
from cladescope.index.hits import Hit, SearchResult
from cladescope.index.live_gallery import LiveGallery
from cladescope.index.narrowing import condition_of, narrowing
from cladescope.index.picking import Picking
from cladescope.index.query import Composed, Parts, compose, of_unit_length, rows_of, several
from cladescope.index.store import Store
from cladescope.index.streamed import StreamedGallery, is_too_large
from cladescope.schema import LABEL, holds_labels, shown_names

_NOTHING = (None,) * 14


class Searcher:
    """Answers queries over one store; what a query needs is loaded once and kept.

    The encoder is loaded when the first picture or text comes, the index when it is first used and whenever it was built
    anew, the taxonomy once a version of the store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._gallery: LiveGallery | StreamedGallery | None = None

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
        keep_query: bool = True,
    ) -> SearchResult:
        """The k nearest pictures to one query, best first, and the taxon that they agree on.

        The query is the normalised mean of the unit vectors of all that is given: several `images` of one individual
        make one query, a `text` steers it, a `taxon` stands for its centroid (`index.centroids`). What is given as `not_...` is
        subtracted with the weight `not_weight` (`index.query`). Pictures named by `image_id` or `not_image_id` are not among the hits;
        rows of the very files `images` and `not_images` are, unless `keep_query` is False.

        At most `at_most` hits of one taxon of the rank `per` are shown, and none below `min_score`: so many rows are looked at
        that k are found, or that there are no more. `near` is latitude, longitude and kilometres around; `same_place`
        kilometres around the places of the pictures `image_id`, and of `images` whose files say theirs; `same` names columns that hold
        what they hold of these. `within` is a taxon or several, a union; `where` a condition in SQL. `facets` is a rank whose taxa are
        counted, among the hits and in the gallery. Searches exactly where `exact` is set, the store has no index, a filter leaves few
        rows (`ann.tuned`), or a GPU holds the vectors (`on_device`); otherwise by the index.

        Hits that are kin (`embedding.kin`) of an `image_id`, or of a picture that is asked about, are shown and do not vote in the
        consensus; hits that are kin of each other share one vote.

        Raises InputError for an empty query or one without direction, an unknown id, column or condition, a number that is none;
        TaxonError for an unknown taxon or rank; EncoderError for a text where the encoder has no text side.
        """
        others = (text, image_id, taxon, not_text, not_image_id, not_taxon, at_most, min_score, near, same_place, same)
        is_plain = not images and not not_images and (*others, within, where, facets) == _NOTHING
        if is_plain and isinstance(vector, np.ndarray) and vector.ndim == 1:
            # The most frequent query: to compose it of its one part would take as long as to answer it.
            _check_dim(len(vector), self.store)
            return self.nearest(of_unit_length(vector), k, exact=exact)
        store, ids = self.store, several(image_id, name="image_id")
        picking = Picking(k=k, at_most=at_most, per=per, min_score=min_score)
        if facets is not None:
            check_rank(facets)
        narrowed, notes = narrowing(
            store,
            within=within,
            where=where,
            near=near,
            same_place=same_place,
            same=several(same, name="same"),
            image_ids=ids,
            images=images,
        )
        like = Parts(
            images=images, text=text, image_ids=ids, vectors=rows_of(vector), taxa=several(taxon, name="taxon")
        )
        unlike = Parts(
            images=not_images,
            text=not_text,
            image_ids=several(not_image_id, name="not_image_id"),
            taxa=several(not_taxon, name="not_taxon"),
        )
        query = compose(store, like, unlike, weight=not_weight)
        result = self._picked(query, picking, narrowed, exact=exact, own=frozenset() if keep_query else query.own)
        result.notes = (*notes, *store.encoder_notes, *result.notes)
        if facets is not None:
            taxa, scores = [hit.taxon for hit in result.hits], [hit.score for hit in result.hits]
            if facets == LABEL:
                result.facets = label_facets(scores, [hit.label for hit in result.hits], self._labels(narrowed))
            else:
                result.facets = facets_of(scores, taxa, self.gallery.count_lineages(narrowed), rank=facets)
        return result

    def _picked(
        self, query: Composed, picking: Picking, narrowed: Filter | None, *, exact: bool, own: frozenset[str]
    ) -> SearchResult:
        """The first k rows that may be shown, without those of the addresses `own`; more and more are looked at until they are found."""
        if picking.takes_all and not own:
            return self.nearest(
                query.vector,
                picking.k,
                narrowed=narrowed,
                exact=exact,
                composed=query.is_composed,
                leave_out=query.leave_out,
                kin=query.kin,
            )
        gallery, n_wanted = self.gallery, picking.k + len(own)
        n_rows = len(gallery)
        while True:
            n_wanted = min(n_wanted, max(1, n_rows))
            found = gallery.search(
                query.vector[None],
                n_wanted + len(query.leave_out),
                narrowed=narrowed,
                exact=exact,
                composed=query.is_composed,
            )
            seen = found.rows(0, n_wanted, leave_out=query.leave_out)
            are_own = found.are_of(own, found.positions[0, seen])
            rows = seen[~are_own]
            scores = found.scores[0, rows].tolist()
            positions = found.positions[0, rows]
            labels = found.table(positions, [LABEL])[LABEL].to_pylist() if picking.per == LABEL else None
            places = picking.of(scores, found.taxa(positions) if labels is None else labels)
            if len(seen) < n_wanted or n_wanted >= n_rows:
                break
            if picking.is_settled(len(places), float(found.scores[0, seen[-1]])):
                break
            n_wanted *= 4
        note = picking.note(len(places), len(seen))
        last = rows[places[-1]] if len(places) == picking.k else len(found.scores[0])
        left_out = seen[are_own & (seen < last)]
        said = found.table(found.positions[0, left_out], ["uri", "observation_id"]) if len(left_out) else None
        kin = () if said is None else zip(*said.to_pydict().values(), strict=True)
        return SearchResult(
            found.hits(0, rows[places], extra=self._extra),
            found.method,
            kin=(*query.kin, *kin),
            notes=(*gallery.notes, *(() if note is None else (note,))),
            own_left_out=len(left_out),
        )

    def nearest(
        self,
        query: Float[np.ndarray, " d"],
        k: int = K,
        *,
        narrowed: Filter | None = None,
        exact: bool = False,
        composed: bool = False,
        leave_out: Collection[int] = (),
        kin: Sequence[tuple[str, str | None]] = (),
    ) -> SearchResult:
        """The k rows nearest to a query of unit length, or those of them that pass a filter.

        `composed` says that the query is made of several things (`query.Composed.is_composed`). `leave_out` are row ids of the query
        itself, where it has some, `kin` are address and observation of what it shows: hits that show the same (`embedding.kin`) do not
        vote in the consensus, and hits that show one picture have one vote together.

        Rows that came after the index was built are searched exactly and merged; rows deleted since do not come back.

        Raises InputError for k below 1.
        """
        _check_k(k)
        gallery = self.gallery
        n_wanted = min(k + len(leave_out), max(1, len(gallery)))
        asked = query[None].astype(np.float32, copy=False)
        found = gallery.search(asked, n_wanted, narrowed=narrowed, exact=exact, composed=composed)
        extra = self._extra

        def hits() -> list[Hit]:
            return found.hits(0, found.rows(0, k, leave_out=leave_out), extra=extra)

        return SearchResult(hits, found.method, kin=kin, notes=gallery.notes)

    def search_batch(
        self,
        vectors: Float[np.ndarray, "q d"],
        *,
        k: int = K,
        within: str | Sequence[str] | None = None,
        where: str | None = None,
        exact: bool = False,
    ) -> BatchResult:
        """The k nearest pictures to each of many vectors, as `search` finds them one by one.

        Memory: 12 q k bytes, and 4 q d where the vectors are not float32 or not of unit length.

        Raises InputError for a vector without direction, which it names by its row from 0, or of another length; for k below 1.
        """
        _check_k(k)
        _check_dim(vectors.shape[-1] if vectors.ndim == 2 else 0, self.store)
        narrowed, _ = narrowing(self.store, within=within, where=where)
        gallery, units = self.gallery, normalise(vectors).astype(np.float32, copy=False)
        n_wanted = min(k, max(1, len(gallery)))
        return BatchResult(gallery.search(units, n_wanted, narrowed=narrowed, exact=exact), gallery.notes)

    @property
    def gallery(self) -> LiveGallery | StreamedGallery:
        """The store's rows, in step with what was written; read when first needed.

        A store without an index that is larger than the free memory stays on the disk (`streamed`).
        """
        if self._gallery is None:
            streams = AnnIndex.stamp_of(self.store.path, self.store.vectors_name) is None and is_too_large(self.store)
            self._gallery = StreamedGallery(self.store) if streams else LiveGallery(self.store)
        elif self._gallery.catch_up():
            self.__dict__.pop("_extra", None)
        return self._gallery

    def _labels(self, narrowed: Filter | None) -> pa.Array:
        """The label of each row that a filter leaves, as text."""
        if not holds_labels(self.store.schema):
            raise InputError(f"{self.store.path} has no column {LABEL!r}, as a store of folders has: ask for a rank")
        parts = [one.column(LABEL) for one in self.store.scan([LABEL], condition=condition_of(self.store, narrowed))]
        return pa.chunked_array(parts, self.store.schema.field(LABEL).type).cast(pa.string()).combine_chunks()

    @cached_property
    def _extra(self) -> dict[str, str]:
        return shown_names(self.store.schema.names)


def _check_k(k: int) -> None:
    if k < 1:
        raise InputError(f"k is {k}: ask for at least 1 hit")


def _check_dim(found: int, store: Store) -> None:
    if found != store.card.dim:
        raise InputError(
            f"the query has {found} numbers, the store's vectors {store.card.dim}: use the store's encoder"
        )
