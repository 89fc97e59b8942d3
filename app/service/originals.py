"""The file of a stored picture, where it is an ordinary picture on this machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cladescope.app.service.refusal import RefusalError
from cladescope.embedding.decode import HEAD_BYTES, kind_of_bytes
from cladescope.embedding.regions import split_region
from cladescope.embedding.thumbnail import local_file

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WebP": "image/webp",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
    "HEIF": "image/heif",
    "AVIF": "image/avif",
    "JPEG 2000": "image/jp2",
}


class Original(NamedTuple):
    """A picture's file, and what kind of picture its first bytes say that it is."""

    path: Path
    media_type: str


def original_of(row: Mapping[str, Any]) -> Original:
    """The file of a row with `image_id` and `uri`; of a box, that of the whole picture.

    Raises RefusalError for a picture that is elsewhere or inside another file, that has gone, or that is none.
    """
    image_id, uri = row["image_id"], str(row["uri"])
    file = local_file(uri)
    if file is None or file != split_region(uri)[0]:
        where = "on no disk of this machine" if file is None else "inside an archive or table"
        raise RefusalError(404, f"the picture {image_id} is {where}: ask for its thumbnail")
    path = Path(file)
    if not path.is_file():
        raise RefusalError(404, f"the file of the picture {image_id} has gone from the disk")
    try:
        with path.open("rb") as stream:
            kind = kind_of_bytes(stream.read(HEAD_BYTES))
    except OSError:
        raise RefusalError(404, f"the file of the picture {image_id} cannot be read") from None
    if kind is None:
        raise RefusalError(404, f"the file of the picture {image_id} is no picture any more")
    return Original(path, MEDIA_TYPES[kind])
