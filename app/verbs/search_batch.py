"""Searching a store with many queries, each on its own."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened, within_of
from cladescope.embedding.encoder import Runtime
from cladescope.embedding.given import AnyPicture
from cladescope.embedding.summary import Progress
from cladescope.index.batch_search import BatchSearch, check_suffix
from cladescope.index.defaults import K
from cladescope.index.picking import Picking
from cladescope.index.queries import open_queries
from cladescope.outputs import check_out_file
from cladescope.paths import local_path


@checked
def search_batch(
    store: AnyStore,
    queries: str | Path | np.ndarray | Sequence[AnyPicture],
    *,
    k: int = K,
    min_score: float | None = None,
    within: str | Sequence[str] | None = None,
    where: str | None = None,
    exact: bool = False,
    keep_query: bool = True,
    vectors: str | None = None,
    column: str | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    strict: bool = False,
    contact: str | None = None,
    allow: Sequence[str] = (),
    runtime: Runtime = "auto",
    progress: Callable[[Progress], None] | None = None,
) -> BatchSearch:
    """Find the k stored pictures nearest to each of many queries; tables of hits come as you iterate, or go to the file `out`.

    `queries` is an array of vectors (floats of shape (queries, d)), a .npy file or a .parquet table of them (its `column`), pictures
    (a folder, a table, a pattern; or a list of paths, bytes, Pillow images, arrays of uint8). A row of the result is a hit: `query` (row
    number from 0, or the picture's address), `position`, `score`, `image_id`, `uri`, ranks; `to_arrow()` gives all of them. Each query finds what
    `search` finds for it alone; `min_score`, `within`, `where`, `exact`, `keep_query` and `vectors` mean the same.

    Queries that cannot be used are left out and stand in `failures`; with `strict` the first is an error. `out` is an .arrow or .parquet
    file, written block by block. `contact`, an e-mail or web address, is named in requests to servers; `allow` are schemes that a table may
    name beside the usual ones; `runtime` (`torch`, `compiled`, `onnx`, `openvino`) computes the encoder; `progress` is called with how far it is. Memory: a block of queries and hits.

    Raises InputError for queries that are none, of which none can be used, or whose vectors have another length; TaxonError for
    an unknown clade; EncoderError where pictures cannot be encoded.

    >>> import cladescope
    >>> hits = cladescope.search_batch("photos.store", "photos", k=2).to_arrow()
    >>> hits.num_rows, hits.column_names[:4], round(hits["score"][0].as_py(), 2)
    (48, ['query', 'position', 'score', 'image_id'], 1.0)
    """
    if (file := None if out is None else local_path(out)) is not None:
        check_suffix(file)
        check_out_file(file, overwrite=overwrite)
    if contact is not None:
        from cladescope.embedding.web import introduce  # loads the HTTP client

        introduce(contact)
    Picking(k=k, min_score=min_score)
    held = opened(store, runtime, vectors=vectors)
    if within is not None or where is not None:
        held.condition(within=within_of(within), where=where)
    found = BatchSearch(
        held.searcher, open_queries(queries, held, column=column, allowed=allow), k=k, within=within_of(within),
        where=where, exact=exact, min_score=min_score, keep_query=keep_query, strict=strict, progress=progress,
    )  # fmt: skip
    if file is not None:
        found.write(file)
    return found
