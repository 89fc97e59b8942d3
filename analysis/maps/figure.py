"""A map as a figure: points coloured by taxon, names beside the clusters, a legend with counts, on white or on black."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from cladescope.analysis.maps.colours import GREY, Lineage, colouring
from cladescope.analysis.maps.label_places import label_places, leader
from cladescope.analysis.maps.named_clusters import large_clusters
from cladescope.shown import shown

MARKERS = "os^Dv<>pPX*h"
INK = {False: ("#ffffff", "#1b1f24", "#5d6670"), True: ("#14171b", "#e6e9ed", "#a4adb8")}
"""Paper, ink and faint ink, on white and on a dark page."""
REACH = 0.04
"""Step between points of one cluster, as a share of the figure's longer side."""


def draw_map(
    points: Real[np.ndarray, "n m"],
    lineages: Sequence[Lineage | None],
    *,
    title: str,
    rank: str,
    dark: bool = False,
) -> Figure:
    """The first two coordinates, of equal scale; every taxon has a colour, the 20 largest a marker and a name too.

    A lineage ends in the taxon's own name; None, and grey, where a picture has none at this `rank`. A name covers no point and
    no other name; where there is no room for one it stands in the legend alone.
    """
    paper, ink, faint = INK[dark]
    found = colouring(lineages, dark=dark)
    figure = Figure(figsize=(7.6, 5.0), layout="constrained", dpi=200, facecolor=paper)
    axes = figure.subplots()
    axes.set_title(shown(title), parse_math=False, loc="left", fontsize=11, color=ink)
    axes.set_axis_off()
    axes.set(aspect="equal")
    axes.set_adjustable("datalim")
    axes.margins(0.09)
    area = float(np.clip(9000 / max(len(points), 1), 1.5, 26))
    edge = 0.35 if area > 6 else 0.0
    code = {lineage: place for place, lineage in enumerate(found.largest)}
    places = np.array([-2 if one is None else code.get(one, -1) for one in lineages], int)
    for kind, size in ((-2, 0.6 * area), (-1, 0.6 * area)):
        at = np.flatnonzero(places == kind)
        if len(at):
            colours = GREY if kind == -2 else [found.colours[lineages[row] or ()] for row in at.tolist()]
            axes.scatter(points[at, 0], points[at, 1], s=size, c=colours, linewidths=0)
    for place, lineage in enumerate(found.largest):
        own = points[places == place]
        marker = MARKERS[place % len(MARKERS)]
        axes.scatter(
            own[:, 0], own[:, 1], s=area, c=found.colours[lineage], marker=marker, linewidths=edge, edgecolors=paper
        )
    handles = [_key(found.colours[one], place, labelled(one[-1], found.sizes[one])) for one, place in code.items()]
    if found.n_further:
        handles.append(_key("none", 0, labelled(found.further(rank), found.n_further), edge=faint))
    if n_none := int((places == -2).sum()):
        handles.append(_key(GREY, 0, labelled(f"grey: no {rank}" if code else "grey: no name", n_none)))
    legend = figure.legend(
        handles=handles, frameon=False, fontsize=7.5, handletextpad=0.8, columnspacing=0.8, loc="outside right upper"
    )
    write_plainly(legend, ink)
    figure.draw_without_rendering()  # settles the limits, by which names keep clear of points
    _write_names(axes, points[:, :2], places, [shown(one[-1]) for one in found.largest], area=area, inks=INK[dark])
    return figure


def labelled(name: str, n: int) -> str:
    """A name in the legend; one that begins with `_` would be left out of it."""
    return f"{' ' * name.startswith('_')}{shown(name)} ({n:,})"


def write_plainly(legend: Legend, ink: str) -> None:
    """Write a legend's names as they are, not as formulas."""
    for text in legend.get_texts():
        text.set_parse_math(False)
        text.set_color(ink)


def _key(colour: str, place: int, name: str, *, edge: str | None = None) -> Line2D:
    marker = MARKERS[place % len(MARKERS)]
    return Line2D([], [], color=colour, marker=marker, markersize=5.5, linestyle="", label=name, markeredgecolor=edge)


def _write_names(
    axes: Axes,
    points: Real[np.ndarray, "n 2"],
    places: np.ndarray,
    names: Sequence[str],
    *,
    area: float,
    inks: tuple[str, str, str],
) -> None:
    """The name of each taxon beside each of its large clusters, with a line to it where it stands apart."""
    paper, ink, faint = inks
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    box = axes.get_window_extent()
    pixels = axes.transData.transform(points) - np.array([box.x0, box.y0])
    reach = REACH * max(box.width, box.height)
    clusters: list[tuple[str, np.ndarray]] = []
    for place, name in enumerate(names):
        own = np.flatnonzero(places == place)
        clusters += [(name, own[rows]) for rows in large_clusters(pixels[own], reach=reach)]
    clusters.sort(key=lambda one: -len(one[1]))
    texts = [
        axes.annotate(
            name, (0, 0), xycoords="axes pixels", annotation_clip=False, fontsize=7.5, color=ink, ha="left", va="bottom", parse_math=False
        )
        for name, _ in clusters
    ]  # fmt: skip
    for text in texts:
        text.set_in_layout(False)
        text.set_path_effects([withStroke(linewidth=2.0, foreground=paper)])  # a line may pass below
    sizes = [(extent.width, extent.height) for extent in (text.get_window_extent() for text in texts)]
    radius = np.sqrt(area / np.pi) * figure.dpi / 72 * 1.25  # markers of corners reach farther than a disc
    line_from = radius + 14
    corners = label_places(
        pixels, [rows for _, rows in clusters], sizes, width=box.width, height=box.height, radius=radius, line_from=line_from
    )  # fmt: skip
    for text, corner, size, (_, rows) in zip(texts, corners, sizes, clusters, strict=True):
        if corner is None:
            text.remove()
            continue
        text.set_position(corner)
        text.xy = corner
        line = leader(pixels[rows], corner, size, least=line_from)
        if line is not None:
            ends = axes.transData.inverted().transform(line + np.array([box.x0, box.y0]))
            axes.plot(*ends.T, color=faint, linewidth=0.6, scalex=False, scaley=False, zorder=0)
