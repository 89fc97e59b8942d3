"""PDQ hashes of pictures, by the package `pdqhash`: 256 bits that stay nearly the same where a picture is resized or encoded anew.

Meta 2019, PDQ and TMK + PDQF, https://github.com/facebook/ThreatExchange/tree/main/pdq; as there, a large picture is squeezed to 512 pixels first.
"""

from importlib.util import find_spec
from typing import Final, NamedTuple

import numpy as np
from PIL import Image

from cladescope.errors import InputError
from cladescope.packages import not_installed
from cladescope.training.curation.config import CurateConfig

SIDE: Final = 512
"""Most pixels along a side of what is hashed."""
_MIRRORED: Final = 5
"""Which of the eight turned and mirrored hashes is that of left and right exchanged."""


class Pdq(NamedTuple):
    """Hashes of a picture, 32 bytes each, and how much there is to hash, 0 to 100."""

    hash: bytes
    mirrored: bytes
    quality: int


def is_installed() -> bool:
    """Whether pictures can be hashed."""
    return find_spec("pdqhash") is not None


def check_installed(config: CurateConfig) -> None:
    """Raises InputError where the package is missing, and a configuration asks for what needs it."""
    needed = config.duplicates.near in ("same", "alike") or any(one.pictures for one in config.exclude)
    if needed and not is_installed():
        raise InputError(
            f"{not_installed('pdqhash')}; or set duplicates.near to copies, and name no pictures in [[exclude]]"
        )


def pdq_of(image: Image.Image) -> Pdq:
    """Hashes of an RGB picture and of its mirror image.

    >>> [len(one) for one in pdq_of(Image.new("RGB", (40, 30), "teal"))[:2]]      # doctest: +SKIP
    [32, 32]
    """
    import pdqhash

    if max(image.size) > SIDE:
        image = image.resize((min(image.width, SIDE), min(image.height, SIDE)), Image.Resampling.BILINEAR)
    hashes, quality = pdqhash.compute_dihedral(np.asarray(image))
    plain, mirrored = (np.packbits(hashes[one].astype(np.uint8)).tobytes() for one in (0, _MIRRORED))
    return Pdq(plain, mirrored, int(quality))
