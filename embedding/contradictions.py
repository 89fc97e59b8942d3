"""Lineages that contradict each other: one name at a rank below two different names, as a genus in two families."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from cladescope.taxonomy import RANKS
from cladescope.taxonomy.spelling import fold

MOST: Final = 2**19
"""Names whose place is remembered, some 350 bytes each; those that come later are not compared."""
COMPARED: Final = 2**15
"""Lineages of which it is remembered what they contradict; compared again, they say the same."""


class Contradictions:
    """Which names stood where in the records so far, and how many records put one elsewhere than the first did.

    A name of another kingdom is another taxon, for animals and plants may share one. Nothing is changed: a backbone puts right
    what it knows.
    """

    def __init__(self) -> None:
        """Nothing was seen."""
        self.found: Counter[str] = Counter()
        """What contradicts what, in words, and the number of records."""
        self._above: dict[tuple[str, int, str], tuple[str, str]] = {}
        self._seen: dict[tuple[str | None, ...], str | None] = {}

    def see(self, labels: Mapping[str, str | None]) -> str | None:
        """What of a record's ranks contradicts one that came before, which is counted; None where nothing does.

        >>> said = Contradictions()
        >>> said.see({"family": "Paridae", "genus": "Parus"}), said.see({"family": "Sittidae", "genus": "Parus"})
        (None, "genus 'Parus' in family 'Sittidae', in other records in 'Paridae'")
        """
        if not labels:
            return None
        lineage = tuple(map(labels.get, RANKS))
        if lineage in self._seen:
            told = self._seen[lineage]
        else:
            if len(self._seen) >= COMPARED:
                self._seen.clear()
            told = self._seen[lineage] = self._compared(lineage)
        if told is not None:
            self.found[told] += 1
        return told

    def _compared(self, lineage: tuple[str | None, ...]) -> str | None:
        told = None
        kingdom = fold(lineage[0] or "")
        for place in range(1, len(RANKS)):
            name, above = lineage[place], lineage[place - 1]
            if name is None or above is None or (place > 1 and name == above):
                continue
            key = (kingdom if place > 1 else "", place, fold(name))
            if key not in self._above and len(self._above) >= MOST:
                continue
            first, spelt = self._above.setdefault(key, (fold(above), above))
            if first != fold(above) and told is None:
                told = f"{RANKS[place]} {name!r} in {RANKS[place - 1]} {above!r}, in other records in {spelt!r}"
        return told
