"""Names on a map: each large value of a column has its name in the middle of its clusters."""

from typing import Any

import numpy as np
from jaxtyping import Float32

from cladescope.analysis.maps.coded import Coded
from cladescope.analysis.maps.named_clusters import large_clusters

NAMED = 300
"""Values that are named, the largest."""
REACH = 0.04
"""Step between points of one cluster, as a share of the map's longer side (as in a figure of a map)."""


def cluster_names(points: Float32[np.ndarray, "n 2"], found: Coded) -> list[dict[str, Any]]:
    """The names with where they stand, the clusters of the most pictures first; none for a column of numbers.

    A name stands at the picture that is nearest to the median of its cluster. Which of them have room, the reader's screen decides.
    """
    values = found.legend["values"][:NAMED]
    if not values or not len(points):
        return []
    reach = REACH * max(float((points.max(axis=0) - points.min(axis=0)).max()), 1e-6)
    order = np.argsort(found.codes, kind="stable")
    ends = np.searchsorted(found.codes[order], np.arange(len(values) + 1))
    placed = []
    for value, start, stop in zip(values, ends[:-1], ends[1:], strict=True):
        own = points[order[start:stop]]
        for cluster in large_clusters(own, reach=reach):
            of = own[cluster]
            middle = of[np.abs(of - np.median(of, axis=0)).sum(axis=1).argmin()]
            x, y = middle.tolist()
            placed.append(
                {"text": value["name"], "common_name": value["common_name"], "x": x, "y": y, "images": len(cluster)}
            )
    return sorted(placed, key=lambda one: -int(one["images"]))
