"""`cladescope.verify`: check a store as a whole."""

from pathlib import Path

from cladescope.index.verify import Verification
from cladescope.index.verify import verify as verify_store


def verify(store: str | Path) -> Verification:
    """Check every part of a store: files against hashes, rows against runs, vectors, pictures, index against rows.

    Nothing is changed. Raises StoreError where there is no store, or its description cannot be read.
    """
    return verify_store(store)
