"""What must not be in the data set: lists of taxa and of pictures (`[[exclude]]`), and how often each of their entries was met.

BioCLIP compares the dashed keys of its list with "Genus species", so that its published list excludes no species at all (`scripts/evobio10m/make_wds.py` of
https://github.com/Imageomics/bioclip). Here both sides are compared as full paths, and a list that meets nothing is an error. A picture is of a taxon
by the name that its source wrote, or by that which the backbone gave it: one too many left out is harmless.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool

from cladescope.embedding.backboned import BackboneLabels
from cladescope.embedding.records import id_of_uri
from cladescope.errors import InputError, TaxonError
from cladescope.taxonomy import RANKS, Taxon
from cladescope.taxonomy.names import choose, nearest, terms
from cladescope.taxonomy.spelling import fold
from cladescope.training.curation.ends import PathEnds
from cladescope.training.curation.excluded_lists import read_ids, read_taxa
from cladescope.training.curation.sections import ExcludeConfig
from cladescope.training.data.exclusion import ListedTaxa

_SHOWN: Final = 3
_ENDING: Final = r"\.[A-Za-z0-9]+$"


class ExcludedTaxa:
    """A list of taxa. Memory: some 600 bytes an entry."""

    def __init__(self, path: Path, *, must_hit: bool, backbone: BackboneLabels | None = None) -> None:
        """Read it. With a backbone an entry stands for the accepted taxon, too. Raises InputError where it is damaged or empty."""
        self.path, self.must_hit = path, must_hit
        self.name = path.name
        self.entries = read_taxa(path)
        self.met: set[int] = set()
        self.pictures = 0
        self._places: dict[Taxon, list[int]] = defaultdict(list)
        for place, entry in enumerate(self.entries):
            if isinstance(entry, Taxon):
                self._places[entry].append(place)
        self._backbone = backbone
        if backbone is not None:
            self._add_accepted(backbone)
        self._listed = ListedTaxa(self._places)

    @property
    def reason(self) -> str:
        """Why a picture that it names is dropped."""
        return f"excluded taxon ({self.name})"

    def settle(self, taxa: Iterable[Taxon], written: Iterable[Taxon]) -> None:
        """Find which taxa the entries mean that are names alone: of those that pictures were given, else of those that were written, else of the backbone's.

        Raises InputError where a name is that of several taxa which contradict each other.
        """
        wanted = {fold(entry): place for place, entry in enumerate(self.entries) if isinstance(entry, str)}
        for known in (taxa, written):
            for name, found in sorted(_named(known, wanted).items()):
                place = wanted.pop(name)
                try:
                    meant = choose(sorted(found), terms(str(self.entries[place])), text=str(self.entries[place]))
                except TaxonError as error:
                    raise InputError(f"{self.path} excludes by a name alone, but {error}") from error
                for taxon in meant:
                    self._places[taxon].append(place)
        if self._backbone is not None:
            for place in wanted.values():
                if (accepted := self._backbone.taxon(str(self.entries[place]))) is not None:
                    self._places[accepted].append(place)
        self._listed = ListedTaxa(self._places)

    def places_of(self, taxa: Iterable[Taxon | None]) -> list[int]:
        """The entries that a picture of these taxa meets, ascending."""
        met = (place for taxon in taxa if taxon is not None for place in self._listed.met_by(taxon))
        return sorted({entry for place in met for entry in self._places[self._listed.taxa[place]]})

    def check(self, taxa: Iterable[Taxon]) -> None:
        """Raise InputError where it met nothing and must; `taxa` are those of the pictures."""
        if self.met or not self.must_hit:
            return
        known = {above.name: above for taxon in sorted(taxa) for above in taxon.lineage}
        near = "; ".join(
            f"nearest to {entry}: {', '.join(str(known[name]) for name in nearest(_last(entry), known)) or 'none'}"
            for entry in self.entries[:_SHOWN]
        )
        raise InputError(
            f"{self.path} names {len(self.entries):,} taxa to exclude, and no picture is of one of them by its full path ({near}): "
            "write the paths as the pictures have them, or set must_hit = false"
        )

    def told(self) -> dict[str, int]:
        """Figures, in plain values."""
        return {"entries": len(self.entries), "met": len(self.met), "pictures": self.pictures}

    def _add_accepted(self, backbone: BackboneLabels) -> None:
        taxa = list(self._places)
        rows = [{rank: name for rank, name in zip(RANKS, taxon.path, strict=False) if name} for taxon in taxa]
        for taxon, named in zip(taxa, backbone.apply(rows), strict=True):
            accepted = Taxon.from_ranks({rank: named.get(rank) for rank in RANKS})
            if accepted is not None and accepted != taxon and len(accepted.path) == len(taxon.path):
                self._places[accepted] += self._places[taxon]


class ExcludedPictures:
    """A list of ids or names of files. Memory: some 500 bytes an entry."""

    def __init__(self, path: Path, *, must_hit: bool) -> None:
        """Read it. Raises InputError where it is damaged or empty."""
        self.path, self.must_hit = path, must_hit
        self.name = path.name
        self.entries = read_ids(path)
        self.met: set[int] = set()
        self.pictures = 0
        self._example: tuple[str, str] | None = None
        self._values = pa.array(self.entries, pa.string())
        inside = {place: entry for place, entry in enumerate(self.entries) if re.search(r"[/\\#]", entry)}
        self._inside, self._ends = list(inside), PathEnds(inside.values())
        self._has_made = any(re.fullmatch("[0-9a-f]{32}", entry) for entry in self.entries)
        """Whether there are ids as `id_of_uri` makes them for pictures without one."""

    @property
    def reason(self) -> str:
        """Why a picture that it names is dropped."""
        return f"excluded picture ({self.name})"

    def names(self, table: pa.Table, is_in: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which rows of `image_id`, `id` and `uri` it names; those that are in are counted.

        An entry is one of the two ids, the id that a store has for a picture without one, the name of the picture's file with or without its ending, or that name with some of the folders around it.
        """
        if self._example is None and is_in.any():
            row = int(np.flatnonzero(is_in)[0])
            self._example = (table["image_id"][row].as_py(), table["uri"][row].as_py())
        names = pc.replace_substring_regex(table["uri"], r"#box=[^#]*$", "")
        names = pc.replace_substring_regex(names, r"^([a-z0-9+.-]+://[^?]*)\?.*$", r"\1")
        names = pc.replace_substring_regex(names, r"^.*[/#\\]", "")
        stems = pc.replace_substring_regex(names, _ENDING, "")
        found = np.zeros(table.num_rows, bool)
        made = (
            [pa.chunked_array([pa.array(map(id_of_uri, table["uri"].to_pylist()), pa.string())])]
            if self._has_made
            else []
        )
        for column in (table["image_id"], table["id"], table["uri"], names, stems, *made):
            places = pc.index_in(column, value_set=self._values)
            met = pc.is_valid(places).to_numpy() & is_in
            self.met.update(places.filter(pa.array(met)).to_pylist())
            found |= met
        if self._inside:
            uris = table["uri"].to_pylist()
            for row in np.flatnonzero(is_in).tolist():
                if (place := self._ends.find(uris[row])) is not None:
                    self.met.add(self._inside[place])
                    found[row] = True
        self.pictures += int(found.sum())
        return found

    def check(self, taxa: Iterable[Taxon]) -> None:
        """Raise InputError where it met nothing and must."""
        if self.met or not self.must_hit:
            return
        there = "no picture is in" if self._example is None else "one is image_id {!r} at {!r}".format(*self._example)
        raise InputError(
            f"{self.path} names {len(self.entries):,} pictures to exclude, the first {self.entries[0]!r}, and none is the id or the name of a file here ({there}): "
            "write them as the pictures are called, or set must_hit = false"
        )

    def told(self) -> dict[str, int]:
        """Figures, in plain values."""
        return {"entries": len(self.entries), "met": len(self.met), "pictures": self.pictures}


def read_lists(
    config: Sequence[ExcludeConfig], backbone: BackboneLabels | None = None
) -> tuple[list[ExcludedTaxa], list[ExcludedPictures]]:
    """All lists of a configuration, each under a name of its own. Raises InputError for one that is missing, damaged or empty."""
    of_taxa = [ExcludedTaxa(Path(one.taxa), must_hit=one.must_hit, backbone=backbone) for one in config if one.taxa]
    of_pictures = [ExcludedPictures(Path(one.ids), must_hit=one.must_hit) for one in config if one.ids]
    lists: list[ExcludedTaxa | ExcludedPictures] = [*of_taxa, *of_pictures]
    for one, name in zip(lists, _apart(lists), strict=True):
        one.name = name
    return of_taxa, of_pictures


def _apart(lists: Sequence[ExcludedTaxa | ExcludedPictures]) -> Iterator[str]:
    """The names of the lists' files, with what tells those apart that are called alike."""
    names = [one.path.name for one in lists]
    paths = [one.path for one in lists]
    for number, one in enumerate(lists):
        name = names[number]
        if names.count(name) == 1:
            yield name
            continue
        if len({other for other in paths if other.name == name}) > 1:
            name = f"{one.path.parent.name}/{name}"
        kind = "taxa" if isinstance(one, ExcludedTaxa) else "pictures"
        twice = sum(type(other) is type(one) and other.path == one.path for other in lists[:number])
        yield f"{name}, {kind}" + (f" {twice + 1}" if twice else "")


def _named(taxa: Iterable[Taxon], wanted: Iterable[str]) -> dict[str, set[Taxon]]:
    """Taxa, and those above them, by their folded name, where it is wanted."""
    names = frozenset(wanted)
    found: dict[str, set[Taxon]] = defaultdict(set)
    if names:
        for taxon in taxa:
            for depth, name in enumerate(taxon.key, start=1):
                if name in names:
                    found[name].add(Taxon(taxon.path[:depth]))
    return found


def _last(entry: Taxon | str) -> str:
    return entry if isinstance(entry, str) else entry.name
