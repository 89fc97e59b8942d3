"""Common names of taxa, from sources in a stated order: the first that has one, if asked for up the ranks.

A taxon is known by its path and never by its name alone. Homonyms are told apart as a backbone does it, and a file of names is read into
a backbone for that; a file that has scientific names and no ranks serves for those that one taxon alone bears.
"""

import shutil
import tempfile
import weakref
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from cladescope.taxonomy import RANKS
from cladescope.taxonomy.backbone import Backbone
from cladescope.taxonomy.backbone_match import NOTHING, Match, one_class
from cladescope.taxonomy.backbone_names import Lineage
from cladescope.taxonomy.spelling import fold
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.name_files import NameFile, name_file

KEPT: Final = 100_000
"""Taxa whose name is remembered, of each source of names."""
_SPECIES: Final = RANKS.index("species")
HOMONYM: Final = "common name not used: several taxa have the scientific name"
ELSEWHERE: Final = "common name not used: it is of a taxon of another lineage"

_Found = tuple[str | None, str | None]
"""A common name, or why the one that is there is not used."""
_Given = tuple[list[str | None], list[str | None], list[str | None]]


@runtime_checkable
class _Names(Protocol):
    """Where common names of taxa are looked up."""

    said: str

    def of(self, taxa: Sequence[Lineage]) -> list[_Found]:
        """The name of each taxon, which is the lowest in its lineage."""


class CommonNames:
    """Common names in the order that a configuration states.

    Memory: for each source of names `KEPT` taxa of about 1 KiB, and 8 bytes a name of a file or backbone; with a file that has no ranks some
    300 bytes for each of its names that `survey` met.
    """

    def __init__(self, order: Sequence["str | _Names"], *, fall_back: bool, folder: Path | None = None) -> None:
        """`order` has `record`, names of sources, and what names are looked up in; `folder` is removed with the object."""
        self._order = tuple(one if isinstance(one, str) else _Remembered(one) for one in order)
        self._fall_back = fall_back
        self.counts: Counter[tuple[str, str]] = Counter()
        """Of the last block: by source and in words, records of which a common name was there and was not used."""
        if folder is not None:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    @classmethod
    def of(cls, config: CurateConfig, backbone: Backbone | None) -> "CommonNames":
        """The sources of names that a configuration states; files are read, into a temporary folder.

        An order that names the backbone where there is none goes on without it.

        Raises InputError for a file that cannot be read, or has no common names or nothing to know a taxon by.
        """
        own = {"record", *(one.name for one in config.sources)}
        folder = Path(tempfile.mkdtemp(prefix="cladescope-names-"))
        order: list[str | _Names] = []
        try:
            for place, one in enumerate(config.names.common_names):
                if one in own:
                    order.append(one)
                elif one == "backbone":
                    order.extend([] if backbone is None else [_OfPaths(backbone, "backbone")])
                else:
                    found = name_file(Path(one), folder / str(place))
                    order.append(_of_file(found, Path(one).name, backbone))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return cls(order, fall_back=config.names.fall_back, folder=folder)

    @property
    def needs_survey(self) -> bool:
        """Whether a file without ranks is among the sources, so that homonyms of the run should be told to `survey` first."""
        return any(isinstance(one, _Remembered) and isinstance(one.names, _OfNames) for one in self._order)

    def survey(self, lineages: Iterable[Lineage]) -> None:
        """Learn which names are of several taxa of the run; call it with all of its lineages before the first `give`.

        Only files without ranks ask for it. What is not told beforehand is learnt from the block itself.
        """
        taxa = dict.fromkeys(taxon for lineage in lineages for taxon in self._ladder(lineage))
        for one in self._order:
            if isinstance(one, _Remembered):
                one.survey(list(taxa))

    def give(self, lineages: Sequence[Lineage], own: Sequence[str | None], sources: Sequence[str]) -> _Given:
        """The common name of each record, which source gave it, and the rank whose name it is; None where there is none.

        `lineages` have a name or None for each of the seven ranks, `own` is the name that the record itself has, which is of its lowest
        taxon, and counts where the order has `record` or the record's source.
        """
        self.counts = Counter()
        names: _Given = ([None] * len(lineages), [None] * len(lineages), [None] * len(lineages))
        if self.needs_survey:
            self.survey(dict.fromkeys(lineages))
        ladders = {lineage: self._ladder(lineage) for lineage in dict.fromkeys(lineages)}
        waiting = list(range(len(lineages)))
        step = 0
        while waiting:
            taxa = dict.fromkeys(ladders[lineages[row]][step] for row in waiting if step < len(ladders[lineages[row]]))
            found = [_looked_up(one, list(taxa)) for one in self._order]
            left = []
            for row in waiting:
                ladder = ladders[lineages[row]]
                taxon = ladder[step] if step < len(ladder) else NOTHING
                for one, said in zip(self._order, found, strict=True):
                    name, why = (
                        _own(one, own[row], sources[row], step) if said is None else said.get(taxon, (None, None))
                    )
                    if why is not None:
                        self.counts[sources[row], why] += 1
                    if name is not None:
                        for column, value in zip(names, (name, _said(one), _rank(taxon)), strict=True):
                            column[row] = value
                        break
                else:
                    left.extend([row] if step + 1 < len(ladder) else [])
            waiting, step = left, step + 1
        return names

    def _ladder(self, lineage: Lineage) -> list[Lineage]:
        """The lowest taxon of a lineage, and where names fall back those above it."""
        steps = [place for place, name in enumerate(lineage) if name][::-1]
        taxa = [(*lineage[: place + 1], *NOTHING[place + 1 :]) for place in steps]
        return taxa if self._fall_back else taxa[:1]


def _own(which: "str | _Remembered", name: str | None, source: str, step: int) -> _Found:
    """A record's own name, where an entry of the order means it."""
    return (name or None, None) if step == 0 and which in ("record", source) else (None, None)


def _looked_up(which: "str | _Remembered", taxa: list[Lineage]) -> dict[Lineage, _Found] | None:
    return None if isinstance(which, str) else which.of(taxa)


def _said(which: "str | _Remembered") -> str:
    return which if isinstance(which, str) else which.names.said


def _rank(taxon: Lineage) -> str | None:
    return next((rank for rank, name in zip(reversed(RANKS), reversed(taxon), strict=True) if name), None)


def _of_file(found: NameFile, said: str, backbone: Backbone | None) -> _Names:
    return _OfPaths(found.names, said) if found.has_ranks else _OfNames(found.names, said, backbone)


@dataclass(eq=False)
class _Remembered:
    """A source of names whose last answers are kept."""

    names: _Names
    kept: OrderedDict[Lineage, _Found] = field(default_factory=OrderedDict)

    def of(self, taxa: list[Lineage]) -> dict[Lineage, _Found]:
        new = [taxon for taxon in taxa if taxon not in self.kept]
        self.kept |= zip(new, self.names.of(new), strict=True)
        found = {taxon: self.kept[taxon] for taxon in taxa}
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return found

    def survey(self, taxa: list[Lineage]) -> None:
        if isinstance(self.names, _OfNames) and self.names.survey(taxa):
            self.kept.clear()


@dataclass(eq=False)
class _OfPaths:
    """Names of taxa by their path. A species is that of the backbone's answer; a taxon above it must not differ at any rank."""

    backbone: Backbone
    said: str

    def of(self, taxa: Sequence[Lineage]) -> list[_Found]:
        found = self._matches(taxa)
        # A synonym has no name of its own: its accepted taxon has.
        accepted = dict.fromkeys(match.ranks for match in found if match.status == "synonym")
        names = dict(zip(accepted, self._matches(list(accepted)), strict=True))
        return [
            self._found(taxon, names.get(match.ranks, match), match) for taxon, match in zip(taxa, found, strict=True)
        ]

    def _matches(self, taxa: Sequence[Lineage]) -> list[Match]:
        return list(self.backbone.match((next(name for name in reversed(taxon) if name), taxon) for taxon in taxa))

    @staticmethod
    def _found(taxon: Lineage, named: Match, match: Match) -> _Found:
        if match.status in ("conflict", "ambiguous"):
            return None, HOMONYM if match.status == "ambiguous" else ELSEWHERE
        if named.common_name is not None and match.differs and not taxon[_SPECIES]:
            return None, ELSEWHERE
        return named.common_name, None


class _OfNames:
    """Names of taxa by their scientific name alone, where one taxon of the run and of the backbone has it."""

    def __init__(self, names: Backbone, said: str, backbone: Backbone | None) -> None:
        self.said = said
        self._names, self._backbone = names, backbone
        self._taxa: dict[str, list[Lineage]] = {}
        """Of each name of the file that was met: its taxa, one of them from each class."""

    def survey(self, taxa: Sequence[Lineage]) -> bool:
        """Whether a name turned out to be of several taxa that was not known to be."""
        keys = [fold(next(name for name in reversed(taxon) if name)) for taxon in taxa]
        there = self._names.names.rows(set(keys))
        changed = False
        for key, taxon in zip(keys, taxa, strict=True):
            if key not in there:
                continue
            known = self._taxa.setdefault(key, [])
            if not any(_rank(taxon) == _rank(one) and one_class(taxon, one) for one in known):
                known.append(taxon)
                changed |= len(known) == 2
        return changed

    def of(self, taxa: Sequence[Lineage]) -> list[_Found]:
        last = [next(name for name in reversed(taxon) if name) for taxon in taxa]
        found = self._names.match((name, (name,)) for name in last)
        asked = [(name, (name,)) for name in last]
        known = [None] * len(last) if self._backbone is None else list(self._backbone.match(asked))
        return [
            (None, HOMONYM)
            if match.common_name
            and (len(self._taxa.get(fold(name), ())) > 1 or (other and other.status == "ambiguous"))
            else (match.common_name, None)
            for name, match, other in zip(last, found, known, strict=True)
        ]
