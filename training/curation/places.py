"""Where a picture came from, as the data set may tell it: an address of the web as it is, a local one from its source's folder on."""

import os
from datetime import date
from functools import lru_cache
from pathlib import Path

from cladescope.embedding.columns import is_url
from cladescope.embedding.locations import local_path
from cladescope.training.curation.ends import fixed_part


def web_address(uri: str) -> str | None:
    """An address that others can open; None for a picture of this machine.

    >>> web_address("https://a.org/tit.jpg"), web_address("/home/jane/tit.jpg"), web_address("file:///home/jane/tit.jpg")
    ('https://a.org/tit.jpg', None, None)
    """
    return uri if is_url(uri) and local_path(uri) is None else None


def place_within(uri: str, source_path: str) -> str | None:
    """A local address from the folder of its source on, so that no name of this machine's folders is told; None for one of the web.

    The folder is that of the source, or the one that its file lies in. Of a picture elsewhere only the name of its file is told.

    >>> place_within("/data/birds/a/tit.jpg", "/data/birds"), place_within("/data/s.tar#a/tit.jpg", "/data/s.tar")
    ('a/tit.jpg', 's.tar#a/tit.jpg')
    >>> place_within("/home/jane/tit.jpg", "/data/birds.csv"), place_within("https://a.org/tit.jpg", "/data/birds.csv")
    ('tit.jpg', None)
    >>> place_within("/data/val/s.tar#a/tit.jpg", "/data/{train,val}/*.tar")
    'val/s.tar#a/tit.jpg'
    """
    path = local_path(uri)
    if path is None:
        return None
    for base in _bases(source_path):
        if len(base) > 1 and path.startswith(f"{base}/"):
            return path[len(base) + 1 :]
    outer, mark, member = path.partition("#")
    return f"{Path(outer).name}{mark}{member}"


@lru_cache
def _bases(source_path: str) -> tuple[str, ...]:
    """The folders that a source's pictures may lie in, the innermost first; as they are written, and without links."""
    fixed = fixed_part(source_path)
    written = (fixed, os.path.realpath(fixed))
    return tuple(dict.fromkeys((*written, *(str(Path(one).parent) for one in written))))


def without_places(values: object) -> object:
    """A configuration's values for JSON, with the last name of each local path in place of the path.

    >>> without_places({"sources": ({"name": "birds", "path": "/home/jane/birds"},), "seed": 17})
    {'sources': [{'name': 'birds', 'path': 'birds'}], 'seed': 17}
    """
    if isinstance(values, dict):
        return {key: without_places(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [without_places(value) for value in values]
    if isinstance(values, str) and Path(values).is_absolute():
        return Path(values).name
    if isinstance(values, date):
        return values.isoformat()
    return values
