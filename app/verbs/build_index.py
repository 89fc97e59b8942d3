"""Building an index, so that a large store is searched fast."""

from typing import Literal

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened
from cladescope.errors import InputError
from cladescope.index import ann
from cladescope.index.card import IndexCard
from cladescope.index.defaults import AUTO_MIN_ROWS, TARGET_RECALL

Kind = Literal["auto", "flat", "hnsw"]


@checked
def build_index(store: AnyStore, *, kind: Kind = "auto", target_recall: float = TARGET_RECALL) -> IndexCard | None:
    """Build a store's index, measure how often it finds what exact search finds, and return its card.

    `auto` builds `hnsw` from 20,000 pictures on. `flat` means no index: an existing one is removed, every search is exact,
    and None is returned. `target_recall` is the share of the exact 10 nearest to be found; if it cannot be reached, the
    card's `target_met` is False.

    Raises InputError for a share outside 0 to 1, an unknown kind or a store of fewer than two pictures; StoreError if the
    store cannot be written.

    >>> import cladescope
    >>> cladescope.build_index("photos.store", kind="hnsw").ann_recall["10"]
    1.0
    """
    if not 0 < target_recall <= 1:
        raise InputError(f"target_recall is {target_recall}: it must lie in 0 to 1, for instance 0.95")
    if kind not in ("auto", "flat", "hnsw"):
        raise InputError(f"found kind {kind!r}, expected auto, flat or hnsw")
    held = opened(store)
    with held.writing():
        if kind == "flat" or (kind == "auto" and held.count() < AUTO_MIN_ROWS):
            ann.remove(held.path)
            return None
        return ann.build(held, target_recall=target_recall)
