"""A folder among folders that are species: its name may be one by a looser form than a name alone must have.

`Quercus robur` beside `Ciconia nigra`, `Vanessa atalanta` and `Parus major` is a species, though no list knows it and *robur* has no
ending of an epithet. The rule, and how often it is wrong, is in docs/labels.md.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from cladescope.embedding.clip_merges import is_common
from cladescope.embedding.columns import is_url
from cladescope.embedding.folder_names import FolderName, loosely_said, said_by
from cladescope.embedding.known_taxa import KnownTaxa

COMPANIONS: Final = 3
"""Folders beside it that must be species at least."""
SHARE: Final = 0.5
"""Share of the folders beside it that must be, without those that name nothing (dates, cameras, codes, unknown)."""
_COUNTED: Final = frozenset({"scheme", "binomial", "genus", "common", "higher", "word"})


def folders_in(place: str) -> tuple[str, ...]:
    """Names of the folders right in a folder of this machine; none of one that is elsewhere or cannot be read."""
    if is_url(place):
        return ()
    try:
        with os.scandir(place) as entries:
            return tuple(sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")))
    except OSError:
        return ()


class Company:
    """Knows of each folder what lies beside it, looked at once; 100 bytes a folder."""

    def __init__(self, known: KnownTaxa, listed: Callable[[str], Sequence[str]] = folders_in) -> None:
        """`listed` gives the names of the folders in a place."""
        self._known, self._listed = known, listed
        self._said: dict[str, dict[str, FolderName]] = {}

    def said_of(self, said: FolderName, place: str) -> FolderName:
        """What a name in a place says, once what lies beside it is seen: a word may be the species whose form it has.

        >>> from cladescope.embedding.known_taxa import ListedTaxa
        >>> nothing = ListedTaxa([], said="nothing")
        >>> names = ("Ciconia nigra", "Vanessa atalanta", "Mniotilta varia", "Quercus robur", "Old barn")
        >>> company = Company(nothing, lambda place: names)
        >>> [company.said_of(said_by(name, nothing), "/photos").kind for name in names[3:]]
        ['binomial', 'word']
        """
        if said.kind != "word" or (labels := loosely_said(said.written)) is None:
            return said
        if place not in self._said:
            self._said[place] = {name: said_by(name, self._known) for name in self._listed(place)}
        beside = [one for name, one in self._said[place].items() if name != said.written and one.kind in _COUNTED]
        n_species = sum(one.kind in ("scheme", "binomial") and "species" in one.labels for one in beside)
        if (
            n_species < COMPANIONS
            or n_species < SHARE * len(beside)
            or any(map(is_common, labels["species"].casefold().split(" ")))
        ):
            return said
        return replace(said, kind="binomial", labels=labels, by_company=True)
