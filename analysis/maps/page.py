"""Maps as one HTML file without any other: the explorer's map, tree and grid, with points, names and small pictures inside.

The page is `bundle/`, built out of `web/`; this module puts the data of `page_data` into it. Names are data: none is markup, and no script but
the page's own runs.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib import resources
from typing import Any

import cladescope
from cladescope.analysis.maps.page_data import FORMAT, PageMap

PICTURES = 250
"""Small pictures in a part."""


def map_page(maps: Sequence[PageMap], *, title: str) -> str:
    """The page of one map or of several. Base64 makes four bytes of three.

    >>> from cladescope.analysis.pictures import Pictures
    >>> import numpy as np, pyarrow as pa
    >>> one = PageMap(name="one", points=np.zeros((1, 2), np.float32), pictures=Pictures(np.empty((1, 0)), pa.table({"image_id": ["a"], "uri": ["a.jpg"]})))
    >>> "<title>One</title>" in map_page([one], title="One")
    True
    """
    blocks, told = [], []
    for place, one in enumerate(maps):
        shown = one.small
        told.append(one.about(pictures_inside=PICTURES))
        for name, part in one.parts():
            blocks.append(_block(f"{place}/{name}", base64.b64encode(part).decode()))
        for start in range(0, max(shown.jpegs, default=-1) + 1, PICTURES):
            several = b"".join(shown.jpegs.get(at, b"") for at in range(start, start + PICTURES))
            blocks.append(_block(f"{place}/pictures/{start // PICTURES}", base64.b64encode(several).decode()))
    index = _block("index", data_text(index_of(told)), kind="application/json")
    script, style = bundle("page.js"), bundle("page.css")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return (
        f"{head(title, policy)}<style>{style}</style></head>\n"
        f'<body><div id="app"></div>\n{index}{"".join(blocks)}<script>{script}</script></body></html>\n'
    )


def head(title: str, policy: str) -> str:
    """The start of a page up to its styles."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,">'
    )


def index_of(maps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the page reads first."""
    return {"format": FORMAT, "made": cladescope.__version__, "maps": list(maps)}


def data_text(value: Any) -> str:
    """A value as JSON that no name in it can end: "<" stands as an escape, and so do halves of characters."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


@cache
def bundle(name: str) -> str:
    """A file of the page as it is built."""
    return resources.files("cladescope.analysis.maps").joinpath("bundle", name).read_text(encoding="utf-8").strip()


def _block(name: str, text: str, kind: str = "text/plain") -> str:
    """Data within the page, which a browser does not run."""
    return f'<script type="{kind}" id="cladescope-{name}">{text}</script>\n'


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
