"""Searching a store for the pictures most similar to a query."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened, pictures_of, within_of
from cladescope.embedding.given import AnyPicture
from cladescope.index.defaults import K
from cladescope.index.hits import SearchResult
from cladescope.index.searcher import Searcher


@checked
def search(
    store: AnyStore,
    images: AnyPicture | Sequence[AnyPicture] = (),
    *,
    text: str | None = None,
    image_id: str | None = None,
    vector: Float[np.ndarray, " d"] | None = None,
    k: int = K,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    exact: bool = False,
    contact: str | None = None,
) -> SearchResult:
    """Find the k stored pictures nearest to one query, best first, and the taxon that they agree on.

    The query is one picture or several of one individual (paths, URLs, bytes, Pillow images or arrays of uint8), a `text`, a
    stored picture by its `image_id` (it is left out of the hits), a `vector` of length d, or several of these: their
    normalised mean. `within` keeps a clade or the union of several, `where` the rows that meet an SQL condition. With either,
    or with `exact`, every vector is compared even if the store has an index. `contact`, an e-mail or web
    address, is named in requests to servers. For many queries give an open `Store`: it keeps
    the encoder.

    Raises InputError for an empty query, an unknown id or an invalid condition; TaxonError for an unknown clade;
    PictureError for a picture that cannot be used; EncoderError for a text if the encoder does not encode text.

    >>> import cladescope
    >>> result = cladescope.search("photos.store", "query.jpg", k=2, within="Dafimidae")
    >>> [(hit.position, round(hit.score, 2), hit.taxon.name) for hit in result.hits]
    [(1, 1.0, 'Dafimia demina'), (2, 0.82, 'Dafimia demina')]
    """
    if contact is not None:
        from cladescope.embedding.web import introduce  # loads the HTTP client

        introduce(contact)
    return Searcher(opened(store)).search(
        images=pictures_of(images),
        text=text,
        image_id=image_id,
        vector=vector,
        k=k,
        within=within_of(within),
        where=where,
        exact=exact,
    )
