"""Whether an index answers for the store in whose folder it lies."""

from cladescope.index import identity
from cladescope.index.ann.card import IndexCard
from cladescope.index.store_reader import StoreReader


def misfit(store: StoreReader, card: IndexCard) -> str | None:
    """Why an index is not of this store: it was copied from another, or the store was brought back from a copy; None where it is.

    Row ids and versions are small numbers in every store, so that an index of another would answer with its own pictures.
    """
    if card.dim != store.card.dim:
        return f"the index is of vectors of {card.dim} numbers, and the store's have {store.card.dim}: build the index again"
    if card.store_version > store.version:
        return f"the index is of version {card.store_version} of the store, which is at {store.version}: build the index again"
    if card.store_created is not None and card.store_created != identity.created(store.path):
        return "the index is of another store: build the index again"
    found = identity.version_hash(store.path, card.store_version)
    if None not in (card.version_hash, found) and card.version_hash != found:
        return (
            f"the index is of another store, or of a version {card.store_version} that was replaced by another when this store "
            "was brought back from a copy: build the index again"
        )
    return None
