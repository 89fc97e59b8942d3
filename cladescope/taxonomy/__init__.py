"""Taxa, their names, and the taxonomy that a data set records.

`RANKS`, `RANK_INDEX`, `Taxon`, `Taxonomy` and `lca` are the room's public words.
"""

from cladescope.taxonomy.taxon import RANK_INDEX, RANKS, Taxon, lca
from cladescope.taxonomy.taxonomy import Taxonomy

__all__ = ["RANKS", "RANK_INDEX", "Taxon", "Taxonomy", "lca"]
