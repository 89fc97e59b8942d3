"""A picture of a store as small as it is shown: decoded, cut to its region, and whole."""

from PIL import Image, ImageOps

from cladescope.embedding.decode import decode
from cladescope.embedding.locations import read_bytes
from cladescope.embedding.regions import cropped, split_region


def thumbnail(uri: str, side: int) -> Image.Image:
    """The picture at an address, its longer side `side` pixels. Raises PictureError where it cannot be read."""
    parent, region = split_region(uri)
    data = read_bytes(parent)
    found = decode(data, min_side=side) if region is None else cropped(decode(data), region).picture
    return ImageOps.contain(found.image, (side, side))
