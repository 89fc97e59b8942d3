"""The answer to "which of my pictures are there twice?": pairs in words, which of the two to keep, and what could not be read."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cladescope.analysis.duplicates.candidates import PARTS_UP_TO, Pairs
from cladescope.analysis.duplicates.find import Alike, alike
from cladescope.analysis.duplicates.looks import Looks, Told, look_at
from cladescope.errors import UsageError
from cladescope.nearest import did_you_mean

if TYPE_CHECKING:
    from cladescope.analysis.sort_pictures import Sorted

NEAR = {"copies": 1.0, "same": 0.8, "alike": 0.6}
"""How near pictures must be: copies byte by byte; one photograph, whatever was done to it; or also frames of one moment."""
_PART = 0.93


@dataclass(frozen=True, slots=True)
class Copy:
    """One picture of a pair."""

    uri: str
    width: int
    height: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two pictures that show one photograph."""

    group: int
    """Equal for all pairs that share the kept picture, from 1."""
    likeness: float
    """Up to 1: how alike both are where they show the same; 1 for files of the same bytes."""
    how: str
    """What the other is to the kept one, such as `same file` or `mirrored, smaller`."""
    keep: Copy
    """The larger one: by pixels, then by bytes; of equals the one with the shorter name."""
    other: Copy

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON and CSV, without inner records."""
        return {
            "group": self.group,
            "likeness": round(self.likeness, 4),
            "how": self.how,
            **{f"keep_{name}": value for name, value in asdict(self.keep).items()},
            **{f"other_{name}": value for name, value in asdict(self.other).items()},
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class Duplicates:
    """All pairs, the most alike first, and what was looked at."""

    pairs: list[DuplicatePair]
    least: float
    """The likeness from which a pair counts."""
    n_pictures: int
    unreadable: dict[str, str]
    """Why a picture could not be looked at, by its address; such pictures are in no pair."""
    n_candidates: int
    notes: list[str] = field(default_factory=list)
    moved: "Sorted | None" = None
    """What became of the pictures that are not kept, where they were to be moved."""

    @property
    def summary(self) -> dict[str, Any]:
        """The counts."""
        return {
            "pictures": self.n_pictures,
            "unreadable": len(self.unreadable),
            "pairs": len(self.pairs),
            "groups": len({pair.group for pair in self.pairs}),
            "same_files": sum(pair.how == "same file" for pair in self.pairs),
            "likeness_from": self.least,
            "bytes_to_spare": sum(pair.other.n_bytes for pair in self.pairs),
            "candidates": self.n_candidates,
            "notes": self.notes,
            **({} if self.moved is None else {"moved": self.moved.to_dict()}),
        }

    @property
    def spare(self) -> list[Copy]:
        """The pictures that are not kept, each once."""
        return list({pair.other.uri: pair.other for pair in self.pairs}.values())


def likeness_of(near: str | float) -> float:
    """The least likeness that a word of `NEAR` or a number means.

    Raises UsageError for any other word and for a number below 0.5, at which pictures have little in common, or above 1.

    >>> likeness_of("same"), likeness_of("0.9"), likeness_of(0.7)
    (0.8, 0.9, 0.7)
    """
    if near in NEAR:
        return NEAR[str(near)]
    try:
        number = float(near)
    except ValueError:
        number = -1.0
    if not 0.5 <= number <= 1:
        words = ", ".join(f"{word} ({least:g})" for word, least in NEAR.items())
        meant = did_you_mean(str(near), NEAR)
        raise UsageError(f"near is {near!r}, expected {words}, or a number from 0.5 to 1{meant}")
    return number


def find_duplicates(
    uris: Sequence[str], *, near: str | float = "same", also: Pairs | None = None, told: Told | None = None
) -> Duplicates:
    """Look at pictures and pair those that show one photograph; `also` are pairs of rows to look at on other grounds.

    No picture is in two groups, and each of a group was compared with the one that is kept: a chain of pictures, each like the next one only, is not
    one group. Pairs are ranked: the same files first, then by likeness.

    Raises InputError for a `near` that means nothing.
    """
    least = likeness_of(near)
    looks = look_at(uris, told=told)
    found = alike(uris, looks, least=least, also=also)
    # Of equals the one with the shorter name is kept, which is rarely called "copy"; then the first.
    order = np.lexsort([np.array([len(uri) for uri in uris]), -looks.n_bytes, -looks.widths * looks.heights])
    place = np.empty(len(uris), np.int64)
    place[order] = np.arange(len(uris))
    notes = []
    if len(uris) > PARTS_UP_TO and also is None:
        notes.append(
            f"{len(uris):,} pictures: crops are sought among up to {PARTS_UP_TO:,} only, or among the nearest of a store (`embed` them)"
        )
    unreadable = {uris[row]: why for row, why in looks.problems.items()}
    return Duplicates(
        pairs=_grouped(uris, looks, found, place), least=least, n_pictures=len(uris), unreadable=unreadable,
        n_candidates=found.n_candidates, notes=notes,
    )  # fmt: skip


def _grouped(uris: Sequence[str], looks: Looks, found: Alike, place: np.ndarray) -> list[DuplicatePair]:
    """Pairs of a kept picture with another; the larger a picture, the sooner it is the one that is kept."""
    partners: dict[int, list[int]] = {}
    for number, (one, other) in enumerate(found.pairs.tolist()):
        partners.setdefault(one, []).append(number)
        partners.setdefault(other, []).append(number)
    spare: set[int] = set()
    pairs: list[tuple[int, int, int]] = []
    for kept in sorted(partners, key=lambda row: int(place[row])):
        if kept in spare:
            continue
        for number in partners[kept]:
            other = int(found.pairs[number].sum()) - kept
            if other not in spare and place[other] > place[kept]:
                spare.add(other)
                pairs.append((number, kept, other))
    pairs.sort(key=lambda pair: pair[0])
    groups: dict[int, int] = {}
    return [
        DuplicatePair(
            groups.setdefault(kept, len(groups) + 1), float(found.likeness[number]),
            how_alike(found, number, kept, is_smaller=_pixels(looks, kept) > _pixels(looks, other)),
            _copy(uris, looks, kept), _copy(uris, looks, other),
        )
        for number, kept, other in pairs
    ]  # fmt: skip


def _copy(uris: Sequence[str], looks: Looks, row: int) -> Copy:
    return Copy(uris[row], int(looks.widths[row]), int(looks.heights[row]), int(looks.n_bytes[row]))


def _pixels(looks: Looks, row: int) -> int:
    return int(looks.widths[row] * looks.heights[row])


def how_alike(found: Alike, number: int, kept: int, *, is_smaller: bool) -> str:
    """What the other of a pair is to the one that is kept, in words; `is_smaller` says whether it has fewer pixels."""
    if found.is_exact[number]:
        return "same file"
    top, bottom, left, right = found.boxes[number]
    words = ["mirrored"] if found.is_mirrored[number] else []
    if (bottom - top) * (right - left) < _PART:
        words.append("a part of it" if found.pairs[number, 0] == kept else "shows more around it")
    elif is_smaller:
        words.append("smaller")
    return ", ".join(words) or "saved anew"


def shown_names(uris: Sequence[str]) -> dict[str, str]:
    """Addresses without the folder that all of them begin with; whole where some lie on a server, or nothing is shared.

    >>> shown_names(["/p/a/1.jpg", "/p/b/1.jpg"]), shown_names(["new/a/1.jpg"])
    ({'/p/a/1.jpg': 'a/1.jpg', '/p/b/1.jpg': 'b/1.jpg'}, {'new/a/1.jpg': '1.jpg'})
    """
    folders = [os.path.dirname(uri) for uri in uris]  # noqa: PTH120 - addresses in archives too
    if any("://" in uri for uri in uris) or len({folder.startswith("/") for folder in folders}) != 1:
        return {uri: uri for uri in uris}
    start = os.path.commonpath(folders)
    return {uri: uri.removeprefix(start).lstrip("/") for uri in uris}
