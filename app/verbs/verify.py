"""Checking a store for damage."""

from cladescope.app.verbs.arguments import checked
from cladescope.app.verbs.given import AnyStore
from cladescope.index import verify as checks
from cladescope.index.remote import folder_of
from cladescope.index.store import Store
from cladescope.index.verify import Verification


@checked
def verify(store: AnyStore) -> Verification:
    """Check a store for damaged files, lost rows, invalid vectors, duplicates and an index that does not fit.

    It reads every file and changes nothing. `is_sound` is True if nothing is wrong; `problems` lists what is.

    Raises StoreError if there is no store, or its description cannot be read.

    >>> import cladescope
    >>> cladescope.verify("photos.store").problems
    ()
    """
    return checks.verify(store.path if isinstance(store, Store) else folder_of(store))
