"""A map as one HTML file without any other: drag, zoom, colour by any rank, lineages on hover, search by name.

The page itself is `page.html`; this module puts the points and the taxa into it.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

import numpy as np
from jaxtyping import Real

from cladescope.analysis.maps.colours import GREY, colouring

Lineages = Sequence[tuple[str, ...] | None]
"""Of each picture the names from the kingdom to one rank; None where it has none there."""


def map_page(
    points: Real[np.ndarray, "n m"], names: Sequence[str], taxa: Mapping[str, Lineages], *, rank: str, title: str
) -> str:
    """The page; `names` are shown on hover, and the 20 largest taxa of each rank in `taxa` have a name, all a colour.

    It opens at `rank`. About 16 bytes a point, and 4 for each rank.

    >>> page = map_page(np.zeros((1, 2)), ["Aves"], {"class": [("Animalia", "Chordata", "Aves")]}, rank="class", title="One")
    >>> "<title>One</title>" in page
    True
    """
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    data = {
        "xy": _packed(points[:, :2], "<f4"),
        "names": list(number),
        "name": _packed(np.array([number[name] for name in names]), "<u4"),
        "ranks": [_coloured(one, lineages) for one, lineages in taxa.items()],
        "start": list(taxa).index(rank),
    }
    # No name may end the script: "<" stands as an escape of JSON.
    script = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    page = resources.files("cladescope.analysis.maps").joinpath("page.html").read_text(encoding="utf-8")
    head, tail = page.split("@DATA@")
    return head.replace("@TITLE@", escape(title)) + script + tail


def _coloured(rank: str, lineages: Lineages) -> dict[str, Any]:
    """The legend of one rank, and for each picture its line there and its colour."""
    found = colouring(lineages)
    n, n_none = len(found.largest), sum(lineage is None for lineage in lineages)
    lines = [(one[-1], found.sizes[one], found.colours[one]) for one in found.largest]
    lines += [(found.further(rank), found.n_further, "")] if found.n_further else []
    lines += [(f"grey: no {rank}" if found.sizes else "grey: no name", n_none, GREY)] if n_none else []
    place = {lineage: number for number, lineage in enumerate(found.largest)}
    shades = dict.fromkeys([*found.colours.values(), GREY])
    shade = {colour: number for number, colour in enumerate(shades)}
    return {
        "rank": rank,
        "labels": [label for label, _, _ in lines],
        "sizes": [size for _, size, _ in lines],
        "colours": [colour for _, _, colour in lines],
        "shades": list(shades),
        "group": _packed(np.array([len(lines) - 1 if one is None else place.get(one, n) for one in lineages]), "u1"),
        "shade": _packed(np.array([shade[GREY if one is None else found.colours[one]] for one in lineages]), "<u2"),
    }


def _packed(values: Real[np.ndarray, "..."], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()
