"""A store checked as a whole."""

import os

from cladescope.app.verbs.given import AnyStore
from cladescope.index import verify as checks
from cladescope.index.verify import Verification
from cladescope.paths import local_path


def verify(store: AnyStore) -> Verification:
    """Check every part of a store: files against hashes, rows against runs, vectors, pictures, index against rows.

    Every file is read, nothing is changed; `is_sound` says whether all is well and `problems` what is not.

    Raises StoreError where there is no store, or its description cannot be read.

    >>> import cladescope
    >>> cladescope.verify("photos.store").problems      # doctest: +SKIP
    ()
    """
    return checks.verify(local_path(store) if isinstance(store, str | os.PathLike) else store.path)
