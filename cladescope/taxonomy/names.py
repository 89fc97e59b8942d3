"""What a user's text says of a taxon: reading it, choosing among taxa of that name, and naming near misses.

Functions over texts and taxa only; `Taxonomy.resolve` in `cladescope.taxonomy` looks the taxa up.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import pairwise

from cladescope.errors import TaxonError
from cladescope.taxonomy.gaps import agree
from cladescope.taxonomy.spelling import fold, tidy
from cladescope.taxonomy.taxon import RANK_INDEX, Taxon

_SHORTLIST = 200
"""Names that share most letter pairs with a misspelt one, compared in full."""
_SHOWN = 4
"""Meanings of an ambiguous name that its message lists."""


@dataclass(frozen=True)
class Term:
    """One name of a path that a user wrote, with its rank where it was given as `rank:name`."""

    name: str
    """As written, in tidy form."""
    rank: str | None = None

    @cached_property
    def key(self) -> str:
        """The folded name."""
        return fold(self.name)

    def fits(self, taxon: Taxon) -> bool:
        """Whether the taxon has this name, and this rank where one was given."""
        return fold(taxon.name) == self.key and self.rank in (None, taxon.rank)


def terms(text: str) -> tuple[Term, ...]:
    """The names of a path, widest first; a prefix that is not a rank belongs to the name.

    Raises TaxonError if a name is empty.

    >>> terms("Animalia > genus:Oenanthe")
    (Term(name='Animalia', rank=None), Term(name='Oenanthe', rank='genus'))
    """
    read = []
    for part in text.split(">"):
        prefix, colon, name = part.partition(":")
        rank = fold(prefix)
        read.append(Term(tidy(name), rank) if colon and rank in RANK_INDEX else Term(tidy(part)))
    if not all(term.key for term in read):
        raise TaxonError(
            f"{text!r} holds an empty name, expected one such as 'Aves' or a path such as 'Animalia > Aves'"
        )
    return tuple(read)


def choose(taxa: Sequence[Taxon], path: Sequence[Term], *, text: str) -> tuple[Taxon, ...]:
    """The paths of the one taxon that `path` means among `taxa`, which all bear its last name.

    Taxa that do not contradict each other are one taxon, recorded with and without some of its ranks. A path
    also means the records that leave out some of its ranks, as long as they cannot be another taxon.

    Raises TaxonError if no taxon fits the path, or several that contradict each other do.

    >>> taxa = [Taxon(("Animalia", "Chordata", "Aves")), Taxon(("Animalia", None, "Aves"))]
    >>> [str(taxon) for taxon in choose(taxa, terms("aves"), text="aves")]
    ['Animalia > Chordata > Aves', 'Animalia > Aves']
    """
    fitting = [taxon for taxon in taxa if _follows(taxon, path)]
    if not fitting:
        known = " or ".join(_described(taxon) for taxon in taxa[:_SHOWN])
        raise TaxonError(f"{text!r} fits no taxon, but {taxa[0].name!r} does: write the path of {known}")
    meanings = _meanings(fitting)
    if len(meanings) > 1:
        shown = " and ".join(_described(meaning[0]) for meaning in meanings[:_SHOWN])
        more = f" and {len(meanings) - _SHOWN} more" if len(meanings) > _SHOWN else ""
        raise TaxonError(
            f"{text!r} names {len(meanings)} taxa: {shown}{more}: "
            f"write more of the path, for instance {_telling_text(meanings[-1], fitting)!r}"
        )
    possible = [taxon for taxon in taxa if all(agree(taxon, chosen) for chosen in fitting)]
    return tuple(
        taxon
        for taxon in possible
        if taxon in fitting or all(agree(taxon, other) == (other in possible) for other in taxa)
    )


def nearest(name: str, names: Iterable[str], *, k: int = 3) -> list[str]:
    """The `k` names most like `name`, best first; ties go to the name that comes first in the alphabet.

    Letter pairs give a short list, `difflib` its order; a pass over 200,000 names takes under a second.

    >>> nearest("Avs", ["Mammalia", "Aves", "Avena", "Insecta"], k=2)
    ['Aves', 'Avena']
    """
    wanted = _pairs(fold(name))

    def shared(other: str) -> float:
        pairs = _pairs(fold(other))
        return 2 * len(wanted & pairs) / (len(wanted) + len(pairs))

    shortlist = heapq.nsmallest(_SHORTLIST, ((-shared(other), other) for other in names))
    matcher = SequenceMatcher(b=fold(name), autojunk=False)

    def likeness(other: str) -> float:
        matcher.set_seq1(fold(other))
        return matcher.ratio()

    return heapq.nsmallest(k, (other for _, other in shortlist), key=lambda other: (-likeness(other), other))


def _follows(taxon: Taxon, path: Sequence[Term]) -> bool:
    """Whether the path's last term is the taxon and the others are ancestors of it, in this order."""
    *ancestors, last = path
    lineage = iter(taxon.lineage[:-1])
    return last.fits(taxon) and all(any(term.fits(ancestor) for ancestor in lineage) for term in ancestors)


def _meanings(taxa: Sequence[Taxon]) -> list[list[Taxon]]:
    """Groups of taxa that agree with each other; the fullest paths found the groups."""
    groups: list[list[Taxon]] = []
    for taxon in sorted(taxa, key=lambda taxon: (taxon.path.count(None), taxon)):
        home = next((group for group in groups if all(agree(taxon, member) for member in group)), None)
        if home is None:
            groups.append([taxon])
        else:
            home.append(taxon)
    return groups


def _described(taxon: Taxon) -> str:
    return f"{taxon} ({taxon.rank})"


def _telling_text(meaning: Sequence[Taxon], taxa: Sequence[Taxon]) -> str:
    """The shortest text that fits the first taxon of a meaning and none that contradicts it."""
    taxon = meaning[0]
    names = [ancestor.name for ancestor in taxon.lineage[:-1]]
    ranked = f"{taxon.rank}:{taxon.name}"
    options = [
        *(f"{name} > {taxon.name}" for name in names),
        ranked,
        *(f"{name} > {ranked}" for name in names),
        " > ".join([*names, ranked]),
    ]
    rivals = [other for other in taxa if other not in meaning]
    fits_only = (text for text in options if not any(_follows(rival, terms(text)) for rival in rivals))
    return next(fits_only, options[-1])


def _pairs(name: str) -> set[tuple[str, str]]:
    return set(pairwise(f" {name} "))
