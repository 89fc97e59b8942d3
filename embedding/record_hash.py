"""The content hash of a record's picture, read again where it lies."""

from typing import TYPE_CHECKING

from cladescope.embedding.locations import is_web_file, read_bytes
from cladescope.embedding.prepare import content_hash, region_hash
from cladescope.embedding.records import Record
from cladescope.embedding.regions import split_region
from cladescope.errors import PictureError

if TYPE_CHECKING:
    from cladescope.embedding.web import Web


def record_hash(record: Record, web: "Web | None") -> str | None:
    """Hash of a record's picture, None where it cannot be read; one of the web is fetched by `web`."""
    try:
        if record.data is not None:
            return content_hash(record.data)
        parent, box = split_region(record.uri)
        if web is not None and is_web_file(parent):
            found = content_hash(web.fetch(parent, public_only=record.public_only))
        else:
            found = content_hash(read_bytes(parent))
        return found if box is None else region_hash(found, box)
    except (PictureError, OSError, ValueError):
        return None
