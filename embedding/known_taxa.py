"""Which taxa are known by name, so that what a folder is called can be told from a name: a list of taxa, or a backbone.

A common name counts where exactly one taxon has it; case, hyphens and the plural make no difference.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from cladescope.embedding.shipped import shipped_folder
from cladescope.errors import InputError
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.backbone import Backbone
from cladescope.taxonomy.backbone_match import Match
from cladescope.taxonomy.backbone_names import Lineage
from cladescope.taxonomy.spelling import fold

_IRREGULAR: Final = {
    "geese": "goose",
    "mice": "mouse",
    "lice": "louse",
    "oxen": "ox",
    "teeth": "tooth",
    "feet": "foot",
    "men": "man",
}
_PLURAL: Final = (
    (re.compile(r"([^aeiou])ies$"), r"\1y"),
    (re.compile(r"(l|ar|ea|oo)ves$"), r"\1f"),
    (re.compile(r"(s|x|z|ch|sh)es$"), r"\1"),
)


@runtime_checkable
class KnownTaxa(Protocol):
    """Names of taxa that can be asked for."""

    said: str
    """Where they come from, in words: `the taxa of tiny`."""

    def named(self, name: str) -> tuple[Lineage, ...]:
        """The lineages of the taxa of a scientific name, each down to the taxon itself; none where it is not known."""

    def called(self, common_name: str) -> Lineage | None:
        """The lineage of the one taxon that has a common name; None for none and for several."""

    def above(self, labels: Mapping[str, str | None]) -> Lineage | None:
        """The names of all ranks where the species, or else the genus, of some labels is known; None where not, or where that is in doubt."""


def common_key(name: str) -> str:
    """A common name as it is compared: without case, hyphens and apostrophes, its last word in the singular.

    >>> [common_key(name) for name in ("Black-Storks", "grey wolves", "Canada geese", "Bee's", "Grass")]
    ['black stork', 'grey wolf', 'canada goose', 'bee', 'grass']
    """
    words = re.sub(r"['\u2019`\u00b4]", "", fold(name).replace("-", " ")).split()
    if not words:
        return ""
    last = words[-1]
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif found := next((pattern.sub(by, last) for pattern, by in _PLURAL if pattern.search(last)), None):
        last = found
    elif last.endswith("s") and not last.endswith(("ss", "us", "is")) and len(last) > 3:
        last = last[:-1]
    return " ".join([*words[:-1], last])


class ListedTaxa:
    """The taxa of a list, such as that of an encoder; some 500 bytes a taxon."""

    def __init__(self, rows: Iterable[Mapping[str, str | None]], *, said: str) -> None:
        """`rows` hold names under the ranks and `common_name`."""
        self.said = said
        named: dict[str, dict[Lineage, None]] = defaultdict(dict)
        called: dict[str, dict[Lineage, None]] = defaultdict(dict)
        for row in rows:
            lineage = tuple(row.get(rank) or None for rank in RANKS)
            for place, name in enumerate(lineage):
                if name:
                    named[fold(name)][(*lineage[: place + 1], *(None,) * (len(RANKS) - place - 1))] = None
            if (common := row.get("common_name")) and any(lineage):
                called[common_key(common)][lineage] = None
        self._named, self._called = dict(named), dict(called)

    @classmethod
    def read(cls, path: Path, *, said: str) -> "ListedTaxa":
        """The taxa of a CSV with columns named as the ranks and `common_name`, as encoders have beside them. Raises InputError where it cannot be read."""
        try:
            with path.open(encoding="utf-8", newline="") as file:
                return cls(csv.DictReader(file), said=said)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path} cannot be read ({error}): expected the taxa of an encoder") from error

    def named(self, name: str) -> tuple[Lineage, ...]:
        """As `KnownTaxa.named`."""
        return tuple(self._named.get(fold(name), ()))

    def called(self, common_name: str) -> Lineage | None:
        """As `KnownTaxa.called`.

        >>> rows = [{"class": "Aves", "species": "Ciconia nigra", "common_name": "black stork"}]
        >>> ListedTaxa(rows, said="a list").called("Black-storks")
        (None, None, 'Aves', None, None, None, 'Ciconia nigra')
        """
        found = tuple(self._called.get(common_key(common_name), ()))
        return found[0] if len(found) == 1 else None

    def above(self, labels: Mapping[str, str | None]) -> Lineage | None:
        """As `KnownTaxa.above`."""
        for rank in ("species", "genus"):
            name = labels.get(rank)
            if not name:
                continue
            place = RANKS.index(rank)
            found = [one for one in self.named(name) if one[place] and _agree(one, labels)]
            if len({one[:5] for one in found}) == 1:
                return found[0]
            if found:
                return None
        return None


class BackboneTaxa:
    """The taxa of a backbone. Common names take 16 bytes a name, once one is asked for."""

    def __init__(self, backbone: Backbone) -> None:
        """Nothing is read yet."""
        self._backbone = backbone
        self.said = f"the backbone {backbone.release}"

    def named(self, name: str) -> tuple[Lineage, ...]:
        """As `KnownTaxa.named`; a synonym is known by its own name, with the ranks of the accepted taxon."""
        found: dict[Lineage, None] = {}
        for row in self._backbone.names.rows({fold(name)}).get(fold(name), ()):
            place = RANKS.index(row.rank)
            found[(*row.ranks[:place], row.name, *(None,) * (len(RANKS) - place - 1))] = None
        return tuple(found)

    def called(self, common_name: str) -> Lineage | None:
        """As `KnownTaxa.called`."""
        key, (hashes, rows) = common_key(common_name), self._common
        first, stop = np.searchsorted(hashes, hash(key)), np.searchsorted(hashes, hash(key), "right")
        named = self._backbone.names.at(rows[first:stop].tolist())
        found = {row.ranks for row in named if row.common_name and common_key(row.common_name) == key}
        return found.pop() if len(found) == 1 else None

    @cached_property
    def _common(self) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
        """Hashes of the keys of common names, sorted, and the rows that have them."""
        hashes, rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for first, names in self._backbone.names.common_names():
            there = np.flatnonzero(names.is_valid().to_numpy(zero_copy_only=False))
            hashes.append(
                np.fromiter((hash(common_key(one)) for one in names.drop_null().to_pylist()), np.int64, len(there))
            )
            rows.append(first + there)
        found, where = np.concatenate(hashes), np.concatenate(rows)
        order = np.argsort(found, kind="stable")
        return found[order], where[order]

    def above(self, labels: Mapping[str, str | None]) -> Lineage | None:
        """As `KnownTaxa.above`; of a synonym None, which the backbone's own labels (`backboned`) tell."""
        lineage = tuple(labels.get(rank) for rank in RANKS)
        last = next((name for name in reversed(lineage) if name), None)
        if last is None:
            return None
        match: Match = next(iter(self._backbone.match([(last, lineage)])))
        return match.ranks if match.status in ("accepted", "genus known") else None


def _agree(lineage: Lineage, labels: Mapping[str, str | None]) -> bool:
    """Whether labels say nothing else than a lineage at any rank."""
    pairs = ((labels.get(rank), name) for rank, name in zip(RANKS, lineage, strict=True))
    return all(not said or not name or fold(said) == fold(name) for said, name in pairs)


def shipped_taxa() -> ListedTaxa:
    """The taxa of the encoder that is shipped, which are known where no other list is.

    >>> shipped_taxa().called("koalas")[-1]
    'Phascolarctos cinereus'
    """
    return ListedTaxa.read(shipped_folder("tiny") / "taxa.csv", said="the taxa of tiny")
