"""A map as one HTML file without any other: drag, zoom, colour by any rank, lineages on hover, search by name.

The page itself is `map_page.html`; this module puts the points and the taxa into it.
"""

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

import numpy as np
from jaxtyping import Real

from cladescope.analysis.maps.colours import taxon_colours
from cladescope.analysis.maps.figure import GREY, SHOWN

Lineages = Sequence[tuple[str, ...] | None]
"""Of each picture the names from the kingdom to one rank; None where it has none there."""


def map_page(
    points: Real[np.ndarray, "n m"], names: Sequence[str], taxa: Mapping[str, Lineages], *, rank: str, title: str
) -> str:
    """The page; `names` are shown on hover, and the 12 largest taxa of each rank in `taxa` have a colour.

    It opens at `rank`. About 16 bytes a point, and 2 for each rank.

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
    """The legend of one rank, and the place of each picture in it."""
    sizes = Counter(lineage for lineage in lineages if lineage is not None)
    largest = [lineage for lineage, _ in sizes.most_common(SHOWN)]
    colours = taxon_colours({lineage: sizes[lineage] for lineage in largest})
    place = {lineage: number for number, lineage in enumerate(largest)}
    group = [len(largest) if lineage is None else place.get(lineage, len(largest)) for lineage in lineages]
    labels, shown = [lineage[-1] for lineage in largest], [sizes[lineage] for lineage in largest]
    return {
        "rank": rank,
        "labels": [*labels, "others or none"],
        "sizes": [*shown, len(lineages) - sum(shown)],
        "colours": [*(colours[lineage] for lineage in largest), GREY],
        "group": _packed(np.array(group), "u1"),
    }


def _packed(values: Real[np.ndarray, "..."], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()
