"""Keeping named taxa out of training, such as the species of a test set.

Names that are only alike do not count: a taxon is excluded by its path, and a list that meets nothing is an error.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from cladescope.embedding.labels import clean_labels
from cladescope.errors import InputError
from cladescope.taxonomy import RANKS, Taxon
from cladescope.taxonomy.gaps import agree
from cladescope.taxonomy.names import nearest
from cladescope.training.data.examples import Examples

logger = logging.getLogger(__name__)

_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Exclusion:
    """What is left, and what each excluded taxon met."""

    kept: Int[np.ndarray, " k"]
    """Positions of the examples outside all excluded taxa, ascending."""
    excluded: Int[np.ndarray, " e"]
    n_images: dict[Taxon, int]
    """Number of pictures of each excluded taxon; a picture of two of them counts for both."""

    @property
    def missing(self) -> tuple[Taxon, ...]:
        """Taxa of the list that no example has."""
        return tuple(taxon for taxon, n in self.n_images.items() if n == 0)


def exclude_taxa(examples: Examples, taxa: Sequence[Taxon | str]) -> Exclusion:
    """Leave out all pictures of some taxa and of what belongs to them.

    A text is a path: `Animalia > Chordata > Aves` from the kingdom down, an empty name for a rank that is not known, or
    seven names joined by `-` as in Rare Species, whose last is the epithet. Both sides are compared at all seven ranks,
    letter case aside. A rank that one side does not record excludes all the same, as long as the taxon's own name is
    there: a picture too many left out is harmless, one too many trained on is not. Homonyms under another path stay.
    Taxa of the list that meet nothing are logged and are in `Exclusion.missing`.

    BioCLIP compares its list's dashed paths with "Genus species", which excludes nothing and says so nowhere:
    https://github.com/Imageomics/bioclip, `make_wds.py`.

    Raises InputError where not one taxon of the list is met, with the nearest names, and for a text that is no path.
    """
    wanted = list(dict.fromkeys(taxon if isinstance(taxon, Taxon) else read_path(taxon) for taxon in taxa))
    if not wanted:
        raise InputError("the list of taxa to exclude is empty: name at least one, or exclude nothing")
    classes = examples.class_taxa
    lineages: dict[tuple[int, str], list[tuple[int, Taxon]]] = {}
    for code, taxon in enumerate(classes):
        for above in taxon.lineage:
            lineages.setdefault((len(above.path), above.key[-1]), []).append((code, above))
    sizes = np.bincount(examples.classes(), minlength=len(classes))
    out = np.zeros(len(classes), bool)
    n_images = {}
    for taxon in wanted:
        namesakes = lineages.get((len(taxon.path), taxon.key[-1]), [])
        met = [code for code, above in namesakes if agree(above, taxon)]
        out[met] = True
        n_images[taxon] = int(sizes[met].sum())
    excluded = out[examples.classes()]
    exclusion = Exclusion(np.flatnonzero(~excluded), np.flatnonzero(excluded), n_images)
    if not excluded.any():
        named = {above.name: above for taxon in classes for above in taxon.lineage}
        near = "; ".join(
            f"nearest to {taxon}: {', '.join(str(named[name]) for name in nearest(taxon.name, named))}"
            for taxon in wanted[:_SHOWN]
        )
        raise InputError(
            f"none of the {len(wanted)} taxa to exclude is among the {len(classes)} taxa of the pictures ({near}): "
            "give full paths as the pictures record them, or do not exclude them"
        )
    if exclusion.missing:
        shown = ", ".join(map(str, exclusion.missing[:_SHOWN]))
        logger.warning("%d of %d taxa to exclude met no picture: %s", len(exclusion.missing), len(wanted), shown)
    return exclusion


def read_path(text: str) -> Taxon:
    """The taxon of a path written with `>` or, for all seven ranks, with `-`.

    Raises InputError if it is neither, or names nothing.

    >>> read_path("Animalia-Arthropoda-Insecta-Lepidoptera-Nymphalidae-Polygonia-c-album").name
    'Polygonia c-album'
    >>> read_path("Animalia > > Aves").path
    ('Animalia', None, 'Aves')
    """
    names = text.split(">") if ">" in text else text.split("-", len(RANKS) - 1)
    if len(names) > len(RANKS) or (">" not in text and 1 < len(names) < len(RANKS)):
        raise InputError(
            f"found the path {text!r}: expected up to seven names from the kingdom down with > between, "
            "or exactly seven with - between"
        )
    taxon = Taxon.from_ranks(clean_labels(dict(zip(RANKS, names, strict=False))))
    if taxon is None:
        raise InputError(f"the path {text!r} names no taxon: expected one such as 'Animalia > Chordata > Aves'")
    return taxon
