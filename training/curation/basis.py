"""What a picture shows an organism as (`sections.KINDS`), by what its source says: Darwin Core's `basisOfRecord`, or `img_type` of a TreeOfLife catalogue."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_KINDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("human observation", "living specimen", "citizen science", "live", "living", "observation"), "live"
    ),
    **dict.fromkeys(("preserved specimen", "museum specimen", "museum", "specimen", "herbarium sheet"), "specimen"),
    **dict.fromkeys(("fossil specimen", "fossil"), "fossil"),
    **dict.fromkeys(("machine observation", "camera trap"), "camera trap"),
    **dict.fromkeys(("drawing", "illustration", "painting", "botanical illustration"), "drawing"),
    **dict.fromkeys(("microscope", "microscopy", "micrograph", "photomicrograph"), "microscope"),
}
_NEUTRAL: Final = frozenset(
    {"", "occurrence", "unknown", "unidentified", "material sample", "material citation", "material entity"}
    | {"literature", "event", "taxon", "scientific image", "uncategorised", "uncategorized"}
)
_DROPPED: Final = {
    "live": "shows a live organism",
    "microscope": "taken through a microscope",
    "camera trap": "taken by a camera trap",
}


@lru_cache(10_000)
def read_basis(text: str | None) -> tuple[str | None, bool]:
    """The one kind that a text says, None where it says none or several; and whether its words are known.

    Parts are between `:`, `/`, `,` and `;`. Words that are known to say nothing of what is shown (`Occurrence`, `MATERIAL_SAMPLE`) say none.

    >>> [read_basis(text)[0] for text in ("PRESERVED_SPECIMEN", "PreservedSpecimen", "Museum Specimen: Plant", "Scientific image/ Drawing")]
    ['specimen', 'specimen', 'specimen', 'drawing']
    >>> [read_basis(text) for text in ("MACHINE_OBSERVATION", "Occurrence", "Seen by Ann", None)]
    [('camera trap', True), (None, True), (None, False), (None, True)]
    """
    parts = [_plain(part) for part in re.split(r"[:/,;]", text or "")]
    kinds = {_KINDS[part] for part in parts if part in _KINDS}
    if len(kinds) == 1:
        return kinds.pop(), True
    return None, not kinds and all(part in _NEUTRAL for part in parts)


def dropped_as(kind: str) -> str:
    """Why a picture of a kind that is not kept is dropped.

    >>> dropped_as("drawing"), dropped_as("live")
    ('shows a drawing', 'shows a live organism')
    """
    return _DROPPED.get(kind, f"shows a {kind}")


def _plain(text: str) -> str:
    """Words in small letters with single blanks between.

    >>> _plain("MachineObservation"), _plain("Camera-trap")
    ('machine observation', 'camera trap')
    """
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return " ".join(re.sub(r"[\W_]+", " ", parted).lower().split())
