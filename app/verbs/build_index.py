"""Building an index, so that a large store is searched fast."""

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened
from cladescope.index.ann import kinds
from cladescope.index.ann.build import build, check_target
from cladescope.index.ann.card import IndexCard
from cladescope.index.ann.files import remove
from cladescope.index.defaults import AUTO, AUTO_MIN_ROWS, TARGET_RECALL


@checked
def build_index(store: AnyStore, *, kind: str = AUTO, target_recall: float = TARGET_RECALL) -> IndexCard | None:
    """Build a store's index, measure how often it finds what exact search finds, and return its card.

    `kind` is `auto`, `flat` (every vector is compared, from a file that is mapped into memory), `hnsw`, `hnsw-sq8`, `ivf-flat`,
    `ivf-pq`, `ivf-rabitq`, or any FAISS factory string, such as `IVF1024,PQ48x4fs`. `auto` is `flat` below 20,000 pictures. `none`
    removes the index, and None is returned. `target_recall` is the share of the exact 10 nearest to be found, for every kind of
    query; if it cannot be reached, the card's `target_met` is False and `failing` names the kinds.

    The store may be read and written meanwhile.

    Raises InputError for a share outside 0 to 1, an unknown kind or a store of fewer than two pictures; StoreError if the
    index cannot be written, or another is built.

    >>> import cladescope
    >>> cladescope.build_index("photos.store", kind="hnsw").ann_recall["10"]
    1.0
    """
    check_target(target_recall)
    held = opened(store)
    n = held.count()
    if kind == kinds.NONE or (kind == AUTO and n < 2):
        remove(held.path)
        return None
    if kind == AUTO and n < AUTO_MIN_ROWS:
        kind = kinds.FLAT
    return build(held, kind=kind, target_recall=target_recall)
