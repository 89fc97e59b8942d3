"""Which vectors of a store are meant beside an artefact or another store: those that the same encoder made."""

from cladescope.embedding.encoder import EncoderCard
from cladescope.index.store import Store


def fitting_vectors(store: Store, card: EncoderCard) -> Store:
    """The store, open for its vectors by the encoder of `card`: its own, or those of a further encoder.

    A store that is open for vectors of a name stays, and so does one that has none by this encoder: `Store.check` refuses these.
    """
    if store.vectors_name is not None or store.card.difference(card) is None:
        return store
    name = next((name for name, other in store.named.items() if other.difference(card) is None), None)
    return store if name is None else Store.open(store.path, version=store.pinned, vectors=name)
