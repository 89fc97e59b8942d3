"""Thumbnails of stored pictures: made once, kept in the store's folder, and a plain tile where a picture cannot be shown."""

import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from platformdirs import user_cache_path

from cladescope.embedding.thumbnail import local_file, thumbnail
from cladescope.errors import InputError
from cladescope.files import replacing
from cladescope.index import remote

logger = logging.getLogger(__name__)

FOLDER = "thumbnails"
"""Within a store's folder; it may be deleted at any time."""
SIDES = (128, 256, 512)
"""Lengths of the longer side that are made, in pixels."""
TILE = (216, 216, 216)
QUALITY = 82
_DECODING = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))
"""Pictures decoded at a time; each takes up to 2 GiB (`embedding.bounds`), and a photograph of a camera some 100 MB."""

_KEEPING = threading.Lock()
"""Two requests may make the same thumbnail at once, and would write into one draft."""


class Thumbnail(NamedTuple):
    """A small picture as a JPEG."""

    data: bytes
    state: str
    """`shown`; or, of a tile, `gone`, `unreadable`, or `remote` for one that lies on no disk of this machine."""


def thumbnail_of(row: Mapping[str, Any], side: int, *, folder: Path) -> Thumbnail:
    """The thumbnail of a row with `uri` and `content_hash`, out of a folder or put there; a tile is not kept.

    A picture is shown as it was when its thumbnail was made, also after its file has gone.
    """
    uri = str(row["uri"])
    place = _place(folder, f"{row['content_hash']} {uri} {side}")
    try:
        return Thumbnail(place.read_bytes(), "shown")
    except OSError:
        pass
    if (file := local_file(uri)) is None:
        return Thumbnail(tile(side), "remote")
    if not Path(file).is_file():
        return Thumbnail(tile(side), "gone")
    try:
        with _DECODING:
            data = _jpeg(thumbnail(uri, side))
    except (InputError, OSError) as error:
        logger.info("no thumbnail of %s: %s", uri, error)
        return Thumbnail(tile(side), "unreadable")
    try:
        for needed in (folder, place.parent):  # not the store's own folder, if the store has been deleted meanwhile
            needed.mkdir(exist_ok=True)
        with _KEEPING, replacing(place, durable=False) as draft:
            draft.write_bytes(data)
    except OSError as error:
        logger.info("the thumbnail of %s is not kept: %s", uri, error)
    return Thumbnail(data, "shown")


def folder_for(store_path: Path, folder: str = FOLDER) -> Path:
    """Where a store's thumbnails, or what else is made of it, are kept: in its folder, or in the user's cache where nothing may be written there."""
    if remote.url_of(store_path) is None and os.access(store_path, os.W_OK):
        return store_path / folder
    name = hashlib.blake2b(str(store_path.absolute()).encode(), digest_size=8).hexdigest()
    kept = user_cache_path("cladescope") / folder
    with contextlib.suppress(OSError):  # whoever writes there says that nothing is kept
        kept.mkdir(parents=True, exist_ok=True)
    return kept / f"{store_path.name}-{name}"


@cache
def tile(side: int) -> bytes:
    """A plain grey square."""
    return _jpeg(Image.new("RGB", (side, side), TILE))


def _place(folder: Path, what: str) -> Path:
    name = hashlib.blake2b(what.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return folder / name[:2] / f"{name[2:]}.jpg"


def _jpeg(image: Image.Image) -> bytes:
    file = BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
