"""Fingerprints of ids and contents that are much too short, so that many have the same."""

from contextlib import contextmanager
from unittest.mock import patch

import numpy as np

from cladescope.embedding import known, known_contents
from cladescope.embedding.sorted_rows import hashed
from cladescope.index import commit, rows_by_id

BITS = (0, 1, 3)
"""Of none, all have the same."""


@contextmanager
def short_fingerprints(bits):
    """Wherever a fingerprint stands for an id or a content, it has so many bits."""

    def short(texts):
        found = hashed(texts) & np.uint64((1 << bits) - 1)
        return found | found << np.uint64(32)

    with (
        patch.object(known, "hashed", short),
        patch.object(known_contents, "hashed", short),
        patch.object(commit, "hashed", short),
        patch.object(rows_by_id, "hashed", short),
    ):
        yield
