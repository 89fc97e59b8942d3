"""A map as a figure: points coloured by taxon, names beside the clusters, a legend with counts."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Real
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from cladescope.analysis.taxon_colours import taxon_colours

SHOWN = 12
MARKERS = "os^Dv<>pPX*h"
GREY = "#b8b8b8"


def draw_map(points: Real[np.ndarray, "n m"], lineages: Sequence[tuple[str, ...] | None], *, title: str) -> Figure:
    """The first two coordinates; the 12 largest taxa have colour, marker and name, the rest is grey.

    A lineage ends in the taxon's own name; None where a picture has none at this rank.
    """
    sizes = Counter(lineage for lineage in lineages if lineage is not None)
    largest = [lineage for lineage, _ in sizes.most_common(SHOWN)]
    colours = taxon_colours({lineage: sizes[lineage] for lineage in largest})
    figure = Figure(figsize=(7.2, 4.8), layout="constrained", dpi=200)
    axes = figure.subplots()
    axes.set(title=title, xticks=[], yticks=[], aspect="equal")
    axes.set_adjustable("datalim")
    area = float(np.clip(6000 / max(len(points), 1), 1, 16))
    rest = np.array([lineage not in colours for lineage in lineages], bool)
    if rest.any():
        axes.scatter(
            points[rest, 0], points[rest, 1], s=area, c=GREY, linewidths=0, label=f"others or none ({rest.sum():,})"
        )
    taken: list[tuple[float, float]] = []
    width, height = np.ptp(points[:, 0]) or 1.0, np.ptp(points[:, 1]) or 1.0
    for place, lineage in enumerate(largest):
        own = points[np.array([other == lineage for other in lineages], bool), :2]
        axes.scatter(
            own[:, 0],
            own[:, 1],
            s=area,
            c=colours[lineage],
            marker=MARKERS[place],
            linewidths=0,
            label=f"{lineage[-1]} ({len(own):,})",
        )
        x, y = own[np.argmin(np.square(own - np.median(own, axis=0)).sum(axis=1))]
        while any(abs(x - u) < 0.22 * width and abs(y - v) < 0.05 * height for u, v in taken):
            y += 0.01 * height
        taken.append((x, y))
        halo = [withStroke(linewidth=2, foreground="white")]
        axes.text(x, y, lineage[-1], fontsize=7, ha="center", va="center", path_effects=halo, parse_math=False)
    legend = figure.legend(loc="outside right upper", fontsize=7, frameon=False, markerscale=1.5)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write PNG, SVG and PDF."""
    paths = [folder / f"{name}.{kind}" for kind in ("png", "svg", "pdf")]
    for path in paths:
        figure.savefig(path)
    return paths
