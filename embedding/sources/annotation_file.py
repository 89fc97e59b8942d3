"""Annotations in JSON: which of the known kinds a file is."""

import json
from collections.abc import Collection, Set
from typing import Any

from cladescope.embedding.labels import MISSING
from cladescope.embedding.locations import open_location
from cladescope.embedding.records import Source
from cladescope.embedding.sources.coco import CocoSource
from cladescope.embedding.sources.megadetector import MegaDetectorSource
from cladescope.errors import InputError


def open_annotations(uri: str, name: str, allowed: Collection[str] = (), missing: Set[str] = MISSING) -> Source:
    """The source in a JSON file: COCO's annotations or MegaDetector's results. Reads the whole file.

    `allowed` are schemes that its pictures' addresses may have beside the usual ones, `missing` words that say that a label is
    not known.

    Raises InputError where it is neither, and says what it holds.
    """
    with open_location(uri) as stream:
        content = stream.read()
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise InputError(f"{uri} is no JSON that can be read ({what})") from error
    if isinstance(document, dict) and isinstance(document.get("images"), list):
        if isinstance(document.get("annotations"), list):
            return CocoSource(uri, document, name=name, allowed=allowed, missing=missing)
        if "detection_categories" in document or any(
            "detections" in one for one in document["images"] if isinstance(one, dict)
        ):
            return MegaDetectorSource(uri, document, name=name, allowed=allowed)
    found = (
        f"the keys {', '.join(map(repr, list(document)[:10]))}" if isinstance(document, dict) else "no object of keys"
    )
    raise InputError(
        f"{uri} holds {found}: expected COCO's 'images' and 'annotations', or MegaDetector's 'images' with 'detections'"
    )
