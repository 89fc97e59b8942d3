"""The names that a table of taxa records, each in the spelling that is shown, and found by any."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cached_property

from cladescope.taxonomy.spelling import fold


class KnownNames:
    """Sorted names, their positions, and the ways in which the table writes them.

    >>> names = KnownNames(["Corvus", "Parus"], {"parus": ("PARUS", "Parus")})
    >>> names.position("parus"), names.spellings("Parus"), names.spellings("Aves")
    (1, ('PARUS', 'Parus'), ())
    """

    def __init__(self, shown: Sequence[str], several: Mapping[str, tuple[str, ...]]) -> None:
        """As `cladescope.taxonomy.rank_table.spelt_rank_codes` gives them: names, and spellings by folded name."""
        self.shown = shown
        self._several = several

    def __len__(self) -> int:
        return len(self.shown)

    def position(self, name: str) -> int | None:
        """Place of a name, however it is spelt; None for one that is not there."""
        place = bisect_left(self.shown, name)
        if place < len(self.shown) and self.shown[place] == name:
            return place
        return self._by_fold.get(fold(name))

    def spellings(self, name: str) -> tuple[str, ...]:
        """All the ways in which the table writes a name; none where it is not there."""
        if (several := self._several.get(fold(name))) is not None:
            return several
        place = self.position(name)
        return () if place is None else (self.shown[place],)

    @cached_property
    def _by_fold(self) -> dict[str, int]:
        return {fold(name): place for place, name in enumerate(self.shown)}
