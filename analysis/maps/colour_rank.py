"""The rank by which a map is coloured where nobody says: the one whose values colours can tell apart."""

import numpy as np

from cladescope.analysis.maps.colours import SHOWN
from cladescope.analysis.pictures import Pictures
from cladescope.schema import LABEL, LEVELS, holds_labels
from cladescope.taxonomy import RANKS

COVERED = 0.8
"""Share of the pictures that the named taxa of a map must hold."""


def colour_rank(pictures: Pictures) -> str:
    """The narrowest rank of 2 to `SHOWN` values that four fifths of the pictures have; else one like it.

    Else the narrowest whose `SHOWN` largest values cover as many, else the rank with the most pictures. The label is a rank here, and
    is taken only where no rank above serves: where species and folders are the same, it is the species.

    >>> import pyarrow as pa
    >>> table = pa.table({"kingdom": ["Animalia"] * 4, "order": ["a", "a", "b", "b"], "label": ["w", "x", "y", "z"]})
    >>> colour_rank(Pictures(np.eye(4), table))
    'order'
    """
    found: dict[str, tuple[int, int]] = {}
    levels = LEVELS if holds_labels(pictures.table.schema) else RANKS
    for rank in levels:
        labels = pictures.labels(rank)
        sizes = np.sort(np.bincount(labels[labels >= 0]))[::-1]
        found[rank] = (int((sizes > 0).sum()), int(sizes[:SHOWN].sum()))
    enough = [
        rank for rank, (n_values, n_named) in found.items() if n_values > 1 and n_named >= COVERED * len(pictures)
    ]
    for ranks in ([rank for rank in enough if found[rank][0] <= SHOWN], enough):
        of_taxa = [rank for rank in ranks if rank != LABEL]
        if ranks:
            return (of_taxa or ranks)[-1]
    # No rank tells four fifths apart: what most pictures have, if possible in two values or more.
    return max(levels, key=lambda rank: (found[rank][0] > 1, found[rank][1]))
