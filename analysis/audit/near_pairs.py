"""Which pictures of an audit are near-duplicates: by their pixels where they can be read, by their vectors where they cannot."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from cladescope.analysis.duplicates.answer import NEAR
from cladescope.analysis.duplicates.candidates import Pairs, distinct
from cladescope.analysis.duplicates.find import alike
from cladescope.analysis.duplicates.looks import look_at
from cladescope.analysis.pictures import Pictures
from cladescope.index.neighbour_graph import nearest_others

UNSEEN = 0.998
"""The cosine from which pictures that cannot be read are near-duplicates, whatever the encoder: a constant."""
LOOKED_UP_TO = 50_000
"""Pictures that are read again for an audit; among more, vectors alone decide."""
NEIGHBOURS = 8
"""Nearest vectors of each picture that are looked at."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a look at the pictures tells."""

    links: Pairs
    """Pairs whose pixels show one photograph."""
    unseen: Int64[np.ndarray, " u"]
    """Rows that could not be looked at."""
    note: str


def seen(uris: list[str], vectors: Float[np.ndarray, "n d"]) -> Seen:
    """Look at pictures, and pair those that show one photograph."""
    n = len(uris)
    if n > LOOKED_UP_TO:
        note = f"{n:,} pictures are more than are looked at again ({LOOKED_UP_TO:,}): near-duplicates are those of a cosine from {UNSEEN}"
        return Seen(np.empty((0, 2), np.int64), np.arange(n), note)
    looks = look_at(uris)
    unseen = np.array(sorted(looks.problems), np.int64)
    links = np.empty((0, 2), np.int64)
    if len(unseen) < n - 1:
        links = alike(uris, looks, least=NEAR["same"], also=near_vectors(vectors)).pairs
    note = (
        f"{len(unseen):,} pictures could not be looked at again: near-duplicates of these are those of a cosine from {UNSEEN}"
        if len(unseen)
        else ""
    )
    return Seen(links, unseen, note)


def addresses(pictures: Pictures) -> list[str]:
    """Where each picture lies; of one without an address its id, which leads nowhere and tells which one it is.

    >>> import pyarrow as pa
    >>> addresses(Pictures(np.eye(2), pa.table({"image_id": ["a", "b"], "uri": ["/a.jpg", None]})))
    ['/a.jpg', 'b']
    """
    ids = pictures.texts("image_id").to_pylist()
    return [uri or name or "" for uri, name in zip(pictures.texts("uri").to_pylist(), ids, strict=True)]


def near_vectors(vectors: Float[np.ndarray, "n d"]) -> Pairs:
    """Pairs of each row with its nearest ones, however near they are.

    >>> near_vectors(np.eye(2, dtype=np.float32)).tolist()
    [[0, 1]]
    """
    n = len(vectors)
    if n < 2:
        return np.empty((0, 2), np.int64)
    near = nearest_others(vectors, np.arange(n), min(NEIGHBOURS, n - 1))[1]
    rows = np.repeat(np.arange(n), near.shape[1])
    return distinct([np.stack([rows, near.ravel()], axis=1)[near.ravel() >= 0]])
