"""A map as a figure: points coloured by taxon, names beside the clusters, a legend with counts."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from scipy.spatial import cKDTree

from cladescope.analysis.maps.colours import taxon_colours
from cladescope.shown import shown

SHOWN = 12
MARKERS = "os^Dv<>pPX*h"
GREY = "#b8b8b8"
MOST_FOR_DENSITY = 5000
"""Points of a taxon among which its label's place is looked for."""


def draw_map(points: Real[np.ndarray, "n m"], lineages: Sequence[tuple[str, ...] | None], *, title: str) -> Figure:
    """The first two coordinates; the 12 largest taxa have colour, marker and name, the rest is grey.

    A lineage ends in the taxon's own name; None where a picture has none at this rank.
    """
    sizes = Counter(lineage for lineage in lineages if lineage is not None)
    largest = [lineage for lineage, _ in sizes.most_common(SHOWN)]
    colours = taxon_colours({lineage: sizes[lineage] for lineage in largest})
    figure = Figure(figsize=(7.2, 4.8), layout="constrained", dpi=200)
    axes = figure.subplots()
    axes.set_title(shown(title), parse_math=False)
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.set_adjustable("datalim")
    area = float(np.clip(6000 / max(len(points), 1), 1, 16))
    rest = np.array([lineage not in colours for lineage in lineages], bool)
    if rest.any():
        axes.scatter(
            points[rest, 0], points[rest, 1], s=area, c=GREY, linewidths=0, label=f"others or none ({rest.sum():,})"
        )
    labels: list[tuple[str, str, np.ndarray]] = []
    for place, lineage in enumerate(largest):
        own = points[np.array([other == lineage for other in lineages], bool), :2]
        axes.scatter(
            own[:, 0],
            own[:, 1],
            s=area,
            c=colours[lineage],
            marker=MARKERS[place],
            linewidths=0,
            label=labelled(lineage[-1], len(own)),
        )
        labels.append((shown(lineage[-1]), colours[lineage], _densest(own)))
    legend = figure.legend(loc="outside right upper", fontsize=7, frameon=False, markerscale=1.5)
    for text in legend.get_texts():
        text.set_parse_math(False)
    figure.draw_without_rendering()  # settles the limits, by which labels keep clear of each other
    _write_labels(axes, labels)
    return figure


def labelled(name: str, n: int) -> str:
    """A name in the legend; one that begins with `_` would be left out of it."""
    return f"{' ' * name.startswith('_')}{shown(name)} ({n:,})"


def _densest(own: Real[np.ndarray, "n 2"]) -> np.ndarray:
    """The top of the place where most of a taxon's points lie: within a tenth of its own spread of one of them."""
    some = own if len(own) <= MOST_FOR_DENSITY else own[:: len(own) // MOST_FOR_DENSITY]
    radius = max(float(np.ptp(own, axis=0).max()) / 10, 1e-9)
    tree = cKDTree(some)
    middle = int(np.argmax(tree.query_ball_point(some, radius, return_length=True)))
    near = some[tree.query_ball_point(some[middle], radius)]
    return np.array([near[:, 0].mean(), near[:, 1].max()])


def _write_labels(axes: Axes, labels: Sequence[tuple[str, str, np.ndarray]]) -> None:
    """Names at their places; one that would lie on another is moved to the nearest free height, with a line to its place."""
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    line, letter = 0.035 * (north - south), 0.0105 * (east - west)
    taken: list[tuple[float, float, float]] = []
    halo = [withStroke(linewidth=2.2, foreground="white")]
    for name, colour, (x, top) in sorted(labels, key=lambda one: -one[2][1]):
        half, y = letter * len(name) / 2, top + 0.7 * line  # above the points, not on them
        x_text = float(np.clip(x, west + half, east - half))

        def is_free(at: float, x_text: float = x_text, half: float = half) -> bool:
            return all(abs(x_text - u) > half + v or abs(at - w) > line for u, v, w in taken)

        steps = sorted(range(-40, 41), key=abs)
        at = next((y + step * line / 2 for step in steps if is_free(y + step * line / 2)), y)
        at = min(at, north - line / 2)
        taken.append((x_text, half, at))
        if at != y:
            axes.plot([x, x_text], [top, at], color=colour, linewidth=0.7, scalex=False, scaley=False)
        axes.text(x_text, at, name, fontsize=7, ha="center", va="center", path_effects=halo, parse_math=False)
