"""Keeping named taxa out of training, such as the species of a test set.

Names that are only alike do not count: a taxon is excluded by its path, and a list that meets nothing is an error.
"""

import logging
from collections.abc import Iterable, Sequence
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


class ListedTaxa:
    """A list of taxa, and which of them another taxon is or lies in. Memory: some 300 bytes a taxon of the list.

    Both sides are compared at all ranks that both record, letter case aside, and at the rank of the list's taxon by its name.

    >>> listed = ListedTaxa([read_path("Animalia > Chordata > Aves")])
    >>> listed.met_by(read_path("Animalia > > Aves > Piciformes")), listed.met_by(read_path("Animalia > Chordata"))
    ([0], [])
    """

    def __init__(self, taxa: Iterable[Taxon]) -> None:
        """Taxa that are there twice count once."""
        self.taxa = tuple(dict.fromkeys(taxa))
        self._places: dict[tuple[int, str], list[int]] = {}
        for place, taxon in enumerate(self.taxa):
            self._places.setdefault((len(taxon.path), taxon.key[-1]), []).append(place)

    def met_by(self, taxon: Taxon) -> list[int]:
        """Places in the list of what a taxon is or lies in."""
        return [
            place
            for above in taxon.lineage
            for place in self._places.get((len(above.path), above.key[-1]), ())
            if agree(above, self.taxa[place])
        ]

    def nearest_among(self, taxa: Iterable[Taxon]) -> str:
        """For the first taxa of the list, which of others are called most alike, in words."""
        named = {above.name: above for taxon in taxa for above in taxon.lineage}
        return "; ".join(
            f"nearest to {taxon}: {', '.join(str(named[name]) for name in nearest(taxon.name, named))}"
            for taxon in self.taxa[:_SHOWN]
        )


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
    listed = ListedTaxa(taxon if isinstance(taxon, Taxon) else read_path(taxon) for taxon in taxa)
    if not listed.taxa:
        raise InputError("the list of taxa to exclude is empty: name at least one, or exclude nothing")
    classes = examples.class_taxa
    sizes = np.bincount(examples.classes(), minlength=len(classes)).tolist()
    out = np.zeros(len(classes), bool)
    n_images = dict.fromkeys(listed.taxa, 0)
    for code, taxon in enumerate(classes):
        for place in listed.met_by(taxon):
            out[code] = True
            n_images[listed.taxa[place]] += sizes[code]
    excluded = out[examples.classes()]
    exclusion = Exclusion(np.flatnonzero(~excluded), np.flatnonzero(excluded), n_images)
    if not excluded.any():
        raise InputError(
            f"none of the {len(listed.taxa)} taxa to exclude is among the {len(classes)} taxa of the pictures "
            f"({listed.nearest_among(classes)}): give full paths as the pictures record them, or do not exclude them"
        )
    if exclusion.missing:
        shown = ", ".join(map(str, exclusion.missing[:_SHOWN]))
        logger.warning("%d of %d taxa to exclude met no picture: %s", len(exclusion.missing), len(listed.taxa), shown)
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
