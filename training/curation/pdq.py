"""PDQ, a perceptual hash of 256 bits, of a picture and of its mirror image: by the package pdqhash, which wraps its authors' code.

PDQ: Davis and Rosen 2019, https://github.com/facebook/ThreatExchange/tree/main/pdq. Two hashes of unlike pictures differ in some 128 bits; its authors take up
to 31 for alike. A quality below 50 of 100 is that of a picture with little in it, whose hash says little.
"""

from importlib.util import find_spec
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from cladescope.errors import InputError
from cladescope.packages import not_installed
from cladescope.training.curation.config import CurateConfig

POOR_QUALITY: Final = 50
"""Quality below which a hash says little."""
_MIRRORED: Final = 5
"""Place of the mirror image among the eight turns that the package answers with."""
_SIDE: Final = 512
"""Pictures are made smaller to this longer side first, as PDQ's authors advise."""


def is_installed() -> bool:
    """Whether the package is there."""
    return find_spec("pdqhash") is not None


def check_installed(config: CurateConfig) -> None:
    """Raises InputError where a configuration needs PDQ hashes and the package is not there."""
    needed = config.duplicates.near in ("same", "alike") or any(one.pictures for one in config.exclude)
    if needed and not is_installed():
        raise InputError(
            f"{not_installed('pdqhash')} (it is compiled, with a C++ compiler); or set duplicates.near to copies and exclude no pictures"
        )


def pdq_of(image: Image.Image) -> tuple[bytes, bytes, int]:
    """The hashes of an RGB picture and of its mirror image, 32 bytes each, and their quality, from 0 to 100.

    >>> squares = np.kron(np.random.default_rng(0).integers(0, 256, (8, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    >>> picture = Image.fromarray(squares)
    >>> own, mirrored, _ = pdq_of(picture)
    >>> len(own), len(mirrored), own == mirrored
    (32, 32, False)
    """
    import pdqhash

    if max(image.size) > _SIDE:
        image = image.copy()
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    pixels: UInt8[np.ndarray, "h w 3"] = np.asarray(image.convert("RGB"))
    turns, quality = pdqhash.compute_dihedral(np.ascontiguousarray(pixels))
    own, mirrored = (np.packbits(np.asarray(turns[place], np.uint8)).tobytes() for place in (0, _MIRRORED))
    return own, mirrored, int(quality)


def as_hashes(column: list[bytes]) -> UInt8[np.ndarray, "n 32"]:
    """Hashes as rows of bytes.

    >>> as_hashes([bytes(32)]).shape
    (1, 32)
    """
    found: UInt8[np.ndarray, "n 32"] = np.frombuffer(b"".join(column), np.uint8).reshape(-1, 32)
    return found
