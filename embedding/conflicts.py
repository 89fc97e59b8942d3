"""What a backbone was not sure of, or had otherwise than the labels: counted by lineage, and written as a table for people."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cladescope.errors import InputError
from cladescope.files import replacing
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.backbone_match import Match
from cladescope.taxonomy.backbone_names import Lineage

MOST: Final = 200_000
"""Lineages that are told apart; the pictures of others are counted together."""
NOTED: Final = 100
"""Names that the run's manifest tells of one by one."""
COLUMNS: Final = ("name", *RANKS, "status", "backbone", "why", "pictures", "first_image_id")
_WHY: Final = {
    "ambiguous": "left as written: several taxa bear the name, and the lineage does not tell them apart",
    "conflict": "left as written: the backbone has the name only under another kingdom, phylum, class or rank",
    "unknown": "left as written: the backbone does not have the name",
    "genus known": "the species is not in the backbone: only ranks above the genus are filled",
    "no name": "left as written: no name that can be looked up",
}


@dataclass(slots=True)
class _Case:
    match: Match
    image_id: str
    n: int = 0


class Conflicts:
    """Lineages that a backbone left alone or changed above their name. Memory: about 1 KiB for each of at most `MOST`.

    >>> conflicts = Conflicts()
    >>> lineage = (*(None,) * 5, "Oenanthe", None)
    >>> conflicts.note(lineage, Match("Oenanthe", "ambiguous", others=(lineage,)), "a.jpg")
    >>> conflicts.rows()[0]["pictures"], conflicts.rows()[0]["backbone"]
    (1, 'Oenanthe')
    """

    def __init__(self) -> None:
        """There is none yet."""
        self._cases: dict[Lineage, _Case] = {}
        self._others = 0

    def note(self, lineage: Lineage, match: Match, image_id: str = "", *, n: int = 1) -> None:
        """Count a label, or that of so many pictures, where the backbone did not simply know its taxon."""
        if match.found and not match.differs:
            return
        if (case := self._cases.get(lineage)) is None:
            if len(self._cases) >= MOST:
                self._others += n
                return
            case = self._cases[lineage] = _Case(match, image_id)
        case.n += n

    def left_alone(self) -> dict[str, list[str]]:
        """The first names that were left alone though the backbone has some taxa of the name, and these."""
        found: dict[str, list[str]] = {}
        for case in self._cases.values():
            if case.match.others and len(found) < NOTED:
                found.setdefault(case.match.asked, [case.match.status, *map(_path, case.match.others)])
        return found

    def rows(self) -> list[dict[str, str | int]]:
        """A row for each lineage, those of most pictures first."""
        found: list[dict[str, str | int]] = []
        for lineage, case in sorted(self._cases.items(), key=lambda one: -one[1].n):
            match = case.match
            why = _WHY.get(match.status, f"applied: the backbone has another {' and '.join(match.differs)}")
            says = "; ".join(map(_path, match.others)) or _path(match.ranks)
            ranks: dict[str, str | int] = {rank: name or "" for rank, name in zip(RANKS, _padded(lineage), strict=True)}
            told: dict[str, str | int] = {
                "status": match.status,
                "backbone": says,
                "why": why,
                "pictures": case.n,
                "first_image_id": case.image_id,
            }
            found.append({"name": match.asked, **ranks, **told})
        if self._others:
            why = f"not told apart: more than {MOST:,} lineages"
            found.append({**dict.fromkeys(COLUMNS, ""), "why": why, "pictures": self._others})
        return found

    def write(self, path: Path) -> None:
        """Write the rows as CSV, in place of an earlier list. Raises InputError where that cannot be done."""
        try:
            with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
                table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                table.writeheader()
                table.writerows(self.rows())
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}: choose another place") from error


def check_place(path: Path) -> None:
    """Raise InputError where a table of conflicts cannot be written, or only in place of a file that is none.

    >>> check_place(Path("conflicts.csv"))
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(f"{path} is no place for a file of conflicts: name a file in a folder that is there")
    head = ",".join(COLUMNS).encode()
    try:
        with path.open("rb") as file:
            is_earlier = file.readline(len(head) + 2).strip() == head
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}): choose another file") from error
    if not is_earlier:
        raise InputError(
            f"{path} is there already and is no list of conflicts, which alone would be replaced: choose another file"
        )


def _padded(lineage: Lineage) -> Sequence[str | None]:
    """A lineage with all ranks; one of a path whose ranks are not known has none."""
    return lineage if len(lineage) == len(RANKS) else (None,) * len(RANKS)


def _path(ranks: Lineage) -> str:
    return " > ".join(filter(None, ranks))
