"""What pictures show an organism as, by what their sources say: live, a specimen, a drawing and so on (`sections.KINDS`).

Two things are read: Darwin Core's `basisOfRecord` in any spelling, and `img_type` of a TreeOfLife catalogue, which says more and comes first.
"""

import re
from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("human observation", "living specimen", "citizen science", "live", "living", "observation"), "live"),
    **dict.fromkeys(("preserved specimen", "museum specimen", "specimen", "herbarium sheet"), "specimen"),
    **dict.fromkeys(("fossil specimen", "fossil"), "fossil"),
    **dict.fromkeys(("machine observation", "camera trap"), "camera trap"),
    **dict.fromkeys(("drawing", "illustration", "painting", "botanical illustration"), "drawing"),
    **dict.fromkeys(("microscope", "microscopy", "micrograph", "photomicrograph"), "microscope"),
}  # fmt: skip
SAYS_NOTHING: Final = frozenset(
    {"", "occurrence", "unknown", "unidentified", "material sample", "material citation", "material entity", "literature", "event", "taxon"}
)  # fmt: skip
"""Words that are known and say nothing of what is shown."""
_IMG_TYPE: Final = r'"img_type"\s*:\s*"(?P<kind>[^"\\]*)"'


def kind_of(text: str | None) -> str | None:
    """The kind that a text says; None where it says none.

    >>> [kind_of(text) for text in ("PRESERVED_SPECIMEN", "PreservedSpecimen", "Museum Specimen: Plant", "Camera-trap", "Occurrence")]
    ['specimen', 'specimen', 'specimen', 'camera trap', None]
    """
    return _WORDS.get(_plain(text or ""))


def says_nothing(text: str | None) -> bool:
    """Whether a text is one of those that are known to say no kind, or no text.

    >>> [says_nothing(text) for text in ("MATERIAL_SAMPLE", None, "Seen by Ann")]
    [True, True, False]
    """
    return _plain(text or "") in SAYS_NOTHING


def _plain(text: str) -> str:
    """Words in small letters with blanks between, without what follows a colon.

    >>> _plain("MachineObservation"), _plain("Museum Specimen: Plant")
    ('machine observation', 'museum specimen')
    """
    first = text.split(":", 1)[0]
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", first)
    return " ".join(re.sub(r"[\W_]+", " ", parted).lower().split())


def said_types(raw: pa.ChunkedArray) -> pa.ChunkedArray:
    """`img_type` in the JSON of each record, null where it has none."""
    found = pc.extract_regex(raw, _IMG_TYPE)
    return pa.chunked_array([pc.struct_field(chunk, "kind") for chunk in found.chunks], pa.string())


def shows(kind: str) -> str:
    """The reason for which a picture of a kind that is not kept is dropped.

    >>> shows("drawing"), shows("live"), shows("camera trap")
    ('shows a drawing', 'shows a live organism', 'is of a camera trap')
    """
    if kind == "camera trap":
        return "is of a camera trap"
    return {"live": "shows a live organism", "microscope": "is of a microscope"}.get(kind, f"shows a {kind}")
