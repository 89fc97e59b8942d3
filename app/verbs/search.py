"""Searching a store for the pictures most similar to a query."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened, pictures_of, within_of
from cladescope.embedding.encoder import Runtime
from cladescope.embedding.given import AnyPicture
from cladescope.index.defaults import UNLIKE_WEIGHT, K
from cladescope.index.hits import SearchResult


@checked
def search(
    store: AnyStore,
    images: AnyPicture | Sequence[AnyPicture] = (),
    *,
    text: str | None = None,
    image_id: str | Sequence[str] | None = None,
    vector: Float[np.ndarray, "*q d"] | None = None,
    taxon: str | Sequence[str] | None = None,
    not_images: AnyPicture | Sequence[AnyPicture] = (),
    not_text: str | None = None,
    not_image_id: str | Sequence[str] | None = None,
    not_taxon: str | Sequence[str] | None = None,
    not_weight: float = UNLIKE_WEIGHT,
    k: int = K,
    at_most: int | None = None,
    per: str = "species",
    min_score: float | None = None,
    near: tuple[float, float, float] | None = None,
    same_place: float | None = None,
    same: str | Sequence[str] | None = None,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    facets: str | None = None,
    exact: bool = False,
    keep_query: bool = True,
    vectors: str | None = None,
    contact: str | None = None,
    runtime: Runtime = "auto",
) -> SearchResult:
    """Find the k stored pictures nearest to one query, best first, and the taxon that they agree on.

    The query is one picture or several (paths, URLs, bytes, Pillow images or arrays of uint8), a `text`, stored pictures by
    their `image_id` (they are left out of the hits), a `vector` of length d or several as rows, a `taxon` or several, each of which
    stands for the middle of its pictures, or several of these: their normalised mean. What is given as `not_...` is subtracted:
    the query is a - `not_weight` b, with both sides of unit length.

    `at_most` hits of one taxon of the rank `per` (or of one `label`) are shown, and only hits of at least `min_score`. `near`, latitude, longitude
    and kilometres, keeps what was taken around a place; `same_place`, kilometres, what was taken around the pictures
    `image_id`, or `images` with a GPS position in their files; `same` what has their value in a column or several, such as
    locality. `within` keeps a clade or the union of several, `where` the rows that meet an SQL condition. If few rows are left, or
    with `exact`, every one of them is compared even if the store has an index; of many, an index is asked for more hits. Without
    `keep_query` a picture whose very file is stored is left out of its own hits; it never counts in the consensus. `facets`, a rank, counts its taxa among the hits and the pictures searched. `vectors` names those of a further encoder of the store. `contact`, an e-mail or
    web address, is named in requests to servers. `runtime` (`torch`, `compiled`, `onnx`, `openvino`) computes the encoder. For many queries give an open `Store`: it keeps the encoder; or call `search_batch`.

    Raises InputError for an empty query, one whose parts cancel out, an unknown id or column, or an invalid condition;
    TaxonError for an unknown taxon or rank; PictureError for a picture that cannot be used; EncoderError for a text if the
    encoder does not encode text.

    >>> import cladescope
    >>> result = cladescope.search("photos.store", "query.jpg", k=2, within="Dafimidae")
    >>> [(hit.position, round(hit.score, 2), hit.taxon.name) for hit in result.hits]
    [(1, 1.0, 'Dafimia demina'), (2, 0.82, 'Dafimia demina')]
    >>> [hit.taxon.name for hit in cladescope.search("photos.store", "query.jpg", k=2, at_most=1).hits]
    ['Dafimia demina', 'Dafimia falensa']
    """
    if contact is not None:
        from cladescope.embedding.web import introduce  # loads the HTTP client

        introduce(contact)
    return opened(store, runtime, vectors=vectors).searcher.search(
        images=pictures_of(images), text=text, image_id=image_id, vector=vector, taxon=taxon,
        not_images=pictures_of(not_images), not_text=not_text, not_image_id=not_image_id, not_taxon=not_taxon,
        not_weight=not_weight, k=k, at_most=at_most, per=per, min_score=min_score,
        near=near, same_place=same_place, same=same, within=within_of(within), where=where,
        facets=facets, exact=exact, keep_query=keep_query,
    )  # fmt: skip
