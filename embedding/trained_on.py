"""What an encoder says that it was trained on: `trained_on.json` in its folder, which `train` writes, else its list of taxa.

Whoever scores an encoder on pictures that it was trained on fools himself: `evaluate` asks here, and says also what is not known.
"""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cladescope.embedding.prompts import TAXA_FILE
from cladescope.embedding.shipped import shipped_folder
from cladescope.taxonomy.taxon import RANKS

TRAINED_FILE: Final = "trained_on.json"
UNTRAINED: Final = frozenset({"pixels"})
"""Encoders that nothing was ever trained for."""


@dataclass(frozen=True, kw_only=True)
class TrainedOn:
    """What is known of an encoder's training, and of what it started from."""

    taxa: tuple[tuple[str, ...], ...] = ()
    """Names at the seven ranks and the common name, empty where there is none."""
    labels: tuple[str, ...] = ()
    """Classes that were no taxa."""
    pictures: frozenset[str] = frozenset()
    """Hashes of the files that are recorded (BLAKE2b, 16 bytes, as in a store)."""
    has_all_pictures: bool = False
    """Whether it saw no others."""
    unknown: tuple[str, ...] = ()
    """What it started from, was averaged with or learnt from that does not say what it was trained on."""

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "taxa": [list(row) for row in self.taxa],
            "labels": list(self.labels),
            "pictures": sorted(self.pictures),
            "has_all_pictures": self.has_all_pictures,
            "unknown": list(self.unknown),
        }

    def joined(self, other: "TrainedOn") -> "TrainedOn":
        """Both together.

        >>> TrainedOn(labels=("b",), has_all_pictures=True).joined(TrainedOn(labels=("a",))).labels
        ('a', 'b')
        """
        return TrainedOn(
            taxa=tuple(sorted({*self.taxa, *other.taxa})),
            labels=tuple(sorted({*self.labels, *other.labels})),
            pictures=self.pictures | other.pictures,
            has_all_pictures=self.has_all_pictures and other.has_all_pictures,
            unknown=tuple(dict.fromkeys((*other.unknown, *self.unknown))),
        )


def folder_of(name: str) -> Path:
    """Where the files of an encoder would lie: of one that ships, or of a checkpoint folder.

    >>> folder_of("tiny").name, folder_of("local-dir:/runs/a/export").name
    ('tiny', 'export')
    """
    return shipped_folder(name) if "/" not in name else Path(name.removeprefix("local-dir:"))


def trained_on(name: str) -> TrainedOn | None:
    """What an encoder of that name says of its training; None where it says nothing. A file that cannot be read says nothing.

    >>> len(trained_on("tiny").taxa), trained_on("tiny").has_all_pictures, trained_on("hf-hub:imageomics/bioclip-2")
    (652, False, None)
    """
    if name in UNTRAINED:
        return TrainedOn(has_all_pictures=True)
    folder = folder_of(name)
    try:
        if (folder / TRAINED_FILE).is_file():
            found = json.loads((folder / TRAINED_FILE).read_text(encoding="utf-8"))
            return TrainedOn(
                taxa=_rows(found["taxa"]),
                labels=tuple(map(str, found["labels"])),
                pictures=frozenset(map(str, found["pictures"])),
                has_all_pictures=bool(found["has_all_pictures"]),
                unknown=tuple(map(str, found["unknown"])),
            )
        if (folder / TAXA_FILE).is_file():
            with (folder / TAXA_FILE).open(encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file)
                return TrainedOn(taxa=_rows([row.get(name) or "" for name in (*RANKS, "common_name")] for row in rows))
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return None


def _rows(values: Iterable[Iterable[object]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(str(value) for value in row) for row in values)
