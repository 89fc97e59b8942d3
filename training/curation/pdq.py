"""PDQ, a perceptual hash of 256 bits for whole photographs (Meta 2019, The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm)."""

import numpy as np
from jaxtyping import UInt8


def pdq_of(rgb: UInt8[np.ndarray, "h w 3"]) -> tuple[bytes, bytes, int]:
    """The hash of a picture, that of its mirror image (left for right), 32 bytes each, and the quality, up to 100."""
    import pdqhash

    hashes, quality = pdqhash.compute_dihedral(np.ascontiguousarray(rgb))
    # As the package has them: as it is, turned by 90, 180 and 270 degrees, flipped upside down, mirrored, and about both diagonals.
    return np.packbits(hashes[0]).tobytes(), np.packbits(hashes[5]).tobytes(), int(quality)
