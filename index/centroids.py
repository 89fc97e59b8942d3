"""The centroid of a taxon: the direction of its pictures' vectors, in which every species counts alike."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Float64

from cladescope.arrays import middle_of
from cladescope.errors import InputError
from cladescope.index.store import Store
from cladescope.index.vector_block import vector_block
from cladescope.taxonomy import RANKS, Taxon

_APART = "\x1f"


def centroid(store: Store, taxon: str) -> Float[np.ndarray, " d"]:
    """The unit vector of a taxon: the normalised mean of the unit means of the lineages in it.

    A lineage is a species, or what is known of pictures that are not determined to one. So a species of a thousand pictures
    counts as much as one of ten; within a lineage every picture counts alike. The rows are read in blocks; memory: 8 d bytes
    a lineage. The nearest-centroid rule of a class is that of Snell et al. 2017, https://arxiv.org/abs/1703.05175.

    Raises TaxonError for a taxon that the store does not know, or that several bear the name of; InputError where its pictures'
    vectors cancel out.
    """
    sums: dict[Taxon, Float64[np.ndarray, " d"]] = {}
    for batch in store.scan([*RANKS, "vector"], condition=store.condition(within=taxon)):
        codes, lineages = _lineages(batch)
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        parts = np.add.reduceat(vector_block(batch)[order].astype(np.float64), starts, axis=0)
        for lineage, part in zip(lineages, parts, strict=True):
            sums[lineage] = sums.get(lineage, 0.0) + part
    unit = middle_of(np.stack(list(sums.values())))
    if unit is None:
        raise InputError(f"the pictures of {taxon} have no middle, for their vectors cancel out: name a taxon in it")
    return unit


def _lineages(batch: pa.RecordBatch) -> tuple[np.ndarray, list[Taxon]]:
    """The number of each row's lineage, and the lineages by their numbers."""
    ranks = [pc.fill_null(batch.column(rank), "") for rank in RANKS]
    coded = pc.binary_join_element_wise(*ranks, _APART).dictionary_encode()
    paths = [[name or None for name in path.split(_APART)] for path in coded.dictionary.to_pylist()]
    taxa = [Taxon.from_ranks(path) for path in paths]
    return coded.indices.to_numpy(), [taxon for taxon in taxa if taxon is not None]
