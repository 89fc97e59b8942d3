"""Which of a backbone's taxa a name means, by the rest of its lineage and never by the name alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cladescope.taxonomy.backbone_names import Lineage, NameRow
from cladescope.taxonomy.spelling import fold
from cladescope.taxonomy.taxon import RANK_INDEX, RANKS

NOTHING: Final[Lineage] = (None,) * len(RANKS)
_SURE: Final = 3
"""Kingdom, phylum and class: where two lineages differ in one of these they are of two taxa that share a name."""
_KINGDOMS: Final = {
    "metazoa": "animalia",
    **dict.fromkeys(("viridiplantae", "archaeplastida", "chloroplastida"), "plantae"),
}
"""Kingdoms that go by two names."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a backbone says of a name."""

    asked: str
    status: str
    """`accepted`; `synonym` (of the accepted taxon in `ranks`); `ambiguous` (several taxa fit); `conflict` (the backbone has
    the name only under another kingdom, phylum or class); `genus known` (the species is not there, its genus is, and nothing in the
    lineage contradicts it); `unknown`; `no name` (nothing that can be looked up)."""
    ranks: Lineage = NOTHING
    """The accepted taxon's name at each rank; for `genus known` those of the genus; all null where none is found."""
    taxon_id: str | None = None
    others: tuple[Lineage, ...] = ()
    """Where none is chosen: the taxa that bear the name."""
    differs: tuple[str, ...] = ()
    """Ranks at which the asked lineage has another name than the backbone."""
    common_name: str | None = None
    """Of the accepted taxon, in the backbone's language."""

    @property
    def found(self) -> bool:
        """Whether the name means one taxon."""
        return self.status in ("accepted", "synonym")

    def to_dict(self) -> dict[str, Any]:
        """The match as plain values for JSON."""
        return {
            "asked": self.asked,
            "status": self.status,
            "taxon_id": self.taxon_id,
            **dict(zip(RANKS, self.ranks, strict=True)),
            "common_name": self.common_name,
            "others": [list(ranks) for ranks in self.others],
            "differs": list(self.differs),
        }


def decided(text: str, lineage: Lineage | None, candidates: Sequence[NameRow] | None) -> Match:
    """The one taxon among the rows that bear a name which a lineage means; no rows are those of no name.

    A lineage has a name or None for each of the ranks, or one name more at its end whose rank is not known.
    """
    if candidates is None:
        return Match(text, "no name")
    if not candidates:
        return Match(text, "unknown")
    whole = lineage is not None and len(lineage) == len(RANKS)
    asked = (lineage or NOTHING) if whole else NOTHING
    if whole and len(candidates) == 1 and candidates[0].ranks == lineage and not candidates[0].synonym:
        return _match(text, candidates[0])  # most are such, and all that follows would find the same
    own = max((place for place, name in enumerate(asked) if name), default=-1)
    above = [] if whole else [name for name in (lineage or ())[:-1] if name]
    if len(candidates) == 1 and own < 0 and not above:
        return _match(text, candidates[0])
    fits = []
    for row in candidates:
        if (own >= 0 and RANK_INDEX[row.rank] != own) or not one_class(asked, row.ranks):
            continue
        if not all(any(same(name, other) for other in row.ranks if other) for name in above):
            continue
        # Of those that nothing contradicts, the one of which the asked lineage says most; its genus says something, too.
        genus = asked[5] or (row.name.removeprefix("× ").split(" ")[0] if row.rank == "species" else None)
        pairs = zip((*asked[:5], genus), row.ranks[:6], strict=True)
        fits.append((-sum(same(a, b) for a, b in pairs if a and b), row))
    if not fits:
        return Match(text, "conflict", others=tuple(dict.fromkeys(row.ranks for row in candidates)))
    if len(fits) > 1 and all(one_class(a.ranks, b.ranks) for _, a in fits for _, b in fits):
        # Several sources know the taxon: the first that was given to `build` counts.
        first = min(row.source for _, row in fits)
        fits = [one for one in fits if one[1].source == first]
    best = min(said for said, _ in fits)
    rows = [row for said, row in fits if said == best]
    taxa = dict.fromkeys(row.ranks for row in rows)
    if len(taxa) > 1:
        return Match(text, "ambiguous", others=tuple(taxa))
    row = min(rows, key=lambda row: row.synonym)
    upto = RANK_INDEX["genus"] if row.synonym else RANK_INDEX[row.rank]
    both = zip(RANKS[:upto], asked, row.ranks, strict=False)
    differs = tuple(rank for rank, a, b in both if a and b and not same(a, b))
    return _match(text, row, differs)


def _match(text: str, row: NameRow, differs: tuple[str, ...] = ()) -> Match:
    status = "synonym" if row.synonym else "accepted"
    return Match(text, status, row.ranks, row.taxon_id, differs=differs, common_name=row.common_name)


def genus_of(lineage: Lineage | None) -> Lineage | None:
    """The lineage of a species' genus, from its row or from its own name; None where it is no species.

    >>> genus_of(("Animalia", None, None, None, None, None, "Parus maior"))
    ('Animalia', None, None, None, None, 'Parus', None)
    """
    if lineage is None or len(lineage) != len(RANKS) or not lineage[6]:
        return None
    words = lineage[6].removeprefix("Candidatus ").split(" ")
    genus = lineage[5] or (f"× {words[1]}" if words[0] == "×" and len(words) > 1 else words[0])
    return (*lineage[:5], genus, None)


def by_genus(text: str, genus: Match) -> Match:
    """What an unknown species' genus says of it: the ranks above, where the genus is one taxon and contradicts nothing."""
    if not genus.found or genus.differs:
        return Match(text, "unknown", others=genus.others)
    # The name of a genus that is a synonym stays: which new name the species would have is not known.
    ranks = (*genus.ranks[:5], genus.asked, None)
    return Match(text, "genus known", ranks, genus.taxon_id)


def kingdom_of(name: str | None) -> str | None:
    """The usual name of a kingdom that goes by two.

    >>> kingdom_of("Metazoa"), kingdom_of("Fungi"), kingdom_of(None)
    ('Animalia', 'Fungi', None)
    """
    usual = None if name is None else _KINGDOMS.get(fold(name))
    return name if usual is None else usual.capitalize()


def same(name: str, other: str) -> bool:
    """Whether two names are one, however they are spelt; of a kingdom also by another name."""
    if name == other:
        return True
    a, b = fold(name), fold(other)
    return _KINGDOMS.get(a, a) == _KINGDOMS.get(b, b)


def one_class(lineage: Lineage, other: Lineage) -> bool:
    """Whether no kingdom, phylum or class says that two lineages are of two taxa."""
    return all(not a or not b or same(a, b) for a, b in zip(lineage[:_SURE], other[:_SURE], strict=False))
