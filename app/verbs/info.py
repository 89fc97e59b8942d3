"""What a store holds."""

from typing import Any

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore, opened


@checked
def info(store: AnyStore, *, vectors: str | None = None) -> dict[str, Any]:
    """What a store holds, as plain values: encoder, pictures and taxa by rank, failures, columns, index and jobs.

    With `vectors`, the name of those of a further encoder, it tells of the pictures that have such, and of their index. The failures themselves are `Store.open(path).failures`, an Arrow table with one row per picture and its reason.

    Raises StoreError if there is no store, or its index is damaged.

    >>> import cladescope
    >>> cladescope.info("photos.store")["ranks"]["species"]
    {'taxa': 6, 'images': 24}
    """
    return opened(store, vectors=vectors).describe()
