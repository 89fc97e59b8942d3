"""Opening a store at a Python prompt."""

import os

from cladescope.index.store import Store


def open(path: str | os.PathLike[str], *, version: int | None = None, vectors: str | None = None) -> Store:
    """Open a store: its folder, or its address on object storage.

    `version` shows the pictures as they were then, `vectors` those of a further encoder (`embed --encoder A --encoder B`); both are
    to be read only. What a store can do: `len`, `to_pandas`, `to_numpy`, and every verb takes it in place of its folder.

    Raises StoreError where there is no store, or one of a newer format, or where the version is gone; InputError for an unknown name.

    >>> import cladescope
    >>> store = cladescope.open("photos.store")
    >>> store
    <Store photos.store: 24 pictures, 960 numbers each by pixels>
    >>> len(store), len(store.to_pandas()), store.to_pandas(["species"])["species"].nunique()
    (24, 24, 6)
    >>> vectors, names = store.to_numpy("species")
    >>> vectors.shape, names.shape
    ((24, 960), (24,))
    """
    return Store.open(path, version=version, vectors=vectors)
