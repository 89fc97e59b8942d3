"""A picture of a store as small as it is shown: decoded, cut to its region, and whole."""

import base64
from io import BytesIO

from PIL import Image, ImageOps

from cladescope.embedding.decode import decode
from cladescope.embedding.given import MEMORY
from cladescope.embedding.locations import file_of, read_bytes
from cladescope.embedding.regions import cropped, split_region


def thumbnail(uri: str, side: int) -> Image.Image:
    """The picture at an address, its longer side `side` pixels. Raises PictureError where it cannot be read."""
    parent, region = split_region(uri)
    data = read_bytes(parent)
    found = decode(data, min_side=side) if region is None else cropped(decode(data), region).picture
    return ImageOps.contain(found.image, (side, side))


def photograph(uri: str, side: int) -> str:
    """The same as a JPEG within an address, for a page that opens offline. Raises PictureError where it cannot be read."""
    file = BytesIO()
    thumbnail(uri, side).convert("RGB").save(file, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def local_file(uri: str) -> str | None:
    """The file of this machine in which a stored picture lies; None for one of the web, of object storage or of memory."""
    return None if uri.startswith(MEMORY) else file_of(uri)
