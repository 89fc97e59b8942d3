"""One taxon, known by its full path from the kingdom down, and the lowest common ancestor of several.

A name alone does not identify a taxon: *Oenanthe* is a genus of birds and a genus of plants. A `Taxon` is its path, and two
taxa are equal only where every rank has the same name, however it is spelt (`cladescope.taxonomy.spelling.fold`). A data
set's are in `cladescope.taxonomy`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import total_ordering
from itertools import takewhile
from typing import Final

from cladescope.errors import TaxonError
from cladescope.taxonomy.spelling import fold

RANKS: Final[tuple[str, ...]] = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
"""The taxonomic ranks, from the widest to the narrowest, under Darwin Core's names."""

RANK_INDEX: Final[Mapping[str, int]] = {rank: position for position, rank in enumerate(RANKS)}
"""Position of each rank in `RANKS`."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Taxon:
    """A node of the taxonomy. Taxa sort by path; a rank that is not recorded comes before any name.

    Letter case, Unicode form and blanks make no difference to what a taxon is, only to how it is shown.

    Raises TaxonError if the path is empty, longer than the ranks, ends in None or holds an empty name.

    >>> aves = Taxon(("Animalia", "Chordata", "Aves"))
    >>> print(aves, aves.rank)
    Animalia > Chordata > Aves class
    >>> aves == Taxon(("ANIMALIA", "chordata", "aves"))
    True
    """

    path: tuple[str | None, ...]
    """Name at each rank from the kingdom to the taxon's own; None where a rank in between is not recorded."""
    _key: tuple[str, ...] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.path) <= len(RANKS):
            raise TaxonError(f"a taxon has {len(self.path)} ranks, expected 1 to {len(RANKS)}: {', '.join(RANKS)}")
        if self.path[-1] is None or "" in self.path:
            raise TaxonError(f"the path {self.path} ends in None or holds an empty name: make it with Taxon.from_ranks")

    @classmethod
    def from_ranks(cls, ranks: Mapping[str, str | None] | Sequence[str | None]) -> "Taxon | None":
        """The deepest taxon that is named, or None where every rank is null or blank.

        `ranks` is a mapping from rank to name (other keys are ignored) or names in the order of `RANKS`.

        Raises TaxonError for a single text or for more names than ranks.

        >>> Taxon.from_ranks({"kingdom": "Animalia", "class": "Aves", "order": "", "common_name": "bird"})
        Taxon(path=('Animalia', None, 'Aves'))
        """
        if isinstance(ranks, str):
            raise TaxonError(f"found the text {ranks!r}, expected a name for each rank: use Taxonomy.resolve")
        names = [ranks.get(rank) for rank in RANKS] if isinstance(ranks, Mapping) else ranks
        path = _trimmed(name if name and fold(name) else None for name in names)
        return cls(path) if path else None

    @property
    def rank(self) -> str:
        """The taxon's own rank, one of `RANKS`."""
        return RANKS[len(self.path) - 1]

    @property
    def name(self) -> str:
        """The last name of the path; for a species it is the binomial."""
        name = self.path[-1]
        assert name is not None
        return name

    @property
    def key(self) -> tuple[str, ...]:
        """The path as it is compared: each name folded, empty where none is recorded."""
        if self._key is None:
            object.__setattr__(self, "_key", tuple("" if name is None else fold(name) for name in self.path))
        assert self._key is not None
        return self._key

    @property
    def parent(self) -> "Taxon | None":
        """The nearest ancestor that is recorded, or None for a root."""
        path = _trimmed(self.path[:-1])
        return Taxon(path) if path else None

    @property
    def lineage(self) -> tuple["Taxon", ...]:
        """The recorded ancestors, root first, and the taxon itself.

        >>> [taxon.name for taxon in Taxon(("Animalia", None, "Aves")).lineage]
        ['Animalia', 'Aves']
        """
        stops = (stop for stop, name in enumerate(self.path, start=1) if name is not None)
        return tuple(Taxon(self.path[:stop]) for stop in stops)

    def contains(self, other: "Taxon") -> bool:
        """Whether `other` belongs to this clade: its path starts with this taxon's path.

        >>> Taxon(("Animalia",)).contains(Taxon(("Animalia", None, "Aves")))
        True
        """
        return other.key[: len(self.path)] == self.key

    def __str__(self) -> str:
        return " > ".join(name for name in self.path if name is not None)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Taxon) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __lt__(self, other: object) -> bool:
        return self.key < other.key if isinstance(other, Taxon) else NotImplemented


def lca(taxa: Iterable[Taxon]) -> Taxon | None:
    """Lowest common ancestor: the deepest taxon whose clade holds all of `taxa`.

    None where no taxon holds them all, as across kingdoms, and where there are no taxa.
    Ranks are compared one by one from the kingdom down. A rank that one taxon records and another does not
    is a difference, even where they agree again below it: the answer is the last ancestor above that rank.

    >>> str(lca([Taxon(("Animalia", "Chordata", "Aves")), Taxon(("Animalia", "Chordata", "Mammalia"))]))
    'Animalia > Chordata'
    >>> str(lca([Taxon(("Animalia", "Chordata", "Aves")), Taxon(("Animalia", None, "Aves"))]))
    'Animalia'
    """
    members = list(taxa)
    levels = takewhile(lambda names: len(set(names)) == 1, zip(*(taxon.key for taxon in members), strict=False))
    path = _trimmed(members[0].path[: sum(1 for _ in levels)]) if members else ()
    return Taxon(path) if path else None


def _trimmed(names: Iterable[str | None]) -> tuple[str | None, ...]:
    path = tuple(names)
    while path and path[-1] is None:
        path = path[:-1]
    return path
