"""Rank by rank into the largest taxon: a map of all pictures by their first rank, then of its largest taxon by the next.

As figure 5 of Stevens et al. 2024, BioCLIP, https://arxiv.org/abs/2311.18803, which shows t-SNE of one taxon after another.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int, Real
from matplotlib.figure import Figure

from cladescope.analysis.maps.colours import colouring
from cladescope.analysis.maps.figure import INK, MARKERS, labelled, write_plainly
from cladescope.analysis.maps.layout import MIN_POINTS, fit_map
from cladescope.errors import InputError
from cladescope.shown import shown

LEAST = 10
"""Pictures of a panel: fewer show nothing."""
MOST = 1500
"""Pictures of a panel, drawn at random where its taxon has more."""
SHOWN = 6
COLUMNS = 3


@dataclass(frozen=True, eq=False)
class Panel:
    """One taxon's pictures, laid out apart from all others."""

    within: str
    """The taxon; empty for all pictures."""
    rank: str
    """The rank by which it is coloured."""
    rows: Int[np.ndarray, " m"]
    n_pictures: int
    """Pictures of the taxon, of which `rows` are some."""
    points: Float32[np.ndarray, "m 2"]


def drill_down(
    vectors: Real[np.ndarray, "n d"],
    taxa: Mapping[str, Sequence[tuple[str, ...] | None]],
    *,
    method: str = "tsne",
    most: int = MOST,
    seed: int = 0,
) -> list[Panel]:
    """A panel for each rank, widest first; `taxa` has for each rank the lineage of each picture down to it.

    A rank at which the taxon has one value, or that fewer than `LEAST` of its pictures have, is passed over, and so are
    pictures without the rank. Each panel has a layout of its own (`maps.fit_map`).

    Raises InputError where no rank has two taxa of enough pictures.
    """
    rng = np.random.default_rng(seed)
    rows, within = np.arange(len(vectors)), ""
    panels = []
    for rank, lineages in taxa.items():
        known = np.array([row for row in rows.tolist() if lineages[row] is not None], np.int64)
        sizes = Counter(lineages[row] for row in known.tolist())
        if len(known) < max(LEAST, MIN_POINTS):
            continue
        if len(sizes) > 1:
            some = known if len(known) <= most else np.sort(rng.choice(known, most, replace=False))
            layout = fit_map(vectors[some], method=method, seed=seed)
            panels.append(Panel(within, rank, some, len(known), layout.points))
        largest = min(sizes, key=lambda lineage: (-sizes[lineage], lineage or ()))
        assert largest is not None
        rows, within = np.array([row for row in known.tolist() if lineages[row] == largest]), largest[-1]
    if not panels:
        raise InputError(f"no rank has two taxa among {LEAST} pictures or more: there is nothing to drill into")
    return panels


def draw_drill_down(
    panels: Sequence[Panel], taxa: Mapping[str, Sequence[tuple[str, ...] | None]], *, title: str
) -> Figure:
    """The panels as one figure, each with the six largest taxa of its rank in colour and a legend with their counts."""
    n_rows = -(-len(panels) // COLUMNS)
    columns = min(COLUMNS, len(panels))
    figure = Figure(figsize=(3.3 * columns, 4.1 * n_rows + 0.4), layout="constrained", dpi=150)
    figure.suptitle(shown(title), fontsize=11, parse_math=False)
    cells = figure.subplots(n_rows, columns, squeeze=False).ravel()
    for place, (panel, axes) in enumerate(zip(panels, cells, strict=False)):
        lineages = [taxa[panel.rank][row] for row in panel.rows.tolist()]
        found = colouring(lineages, SHOWN)
        area = float(np.clip(4000 / len(panel.rows), 3, 16))
        further = np.flatnonzero([lineage not in found.largest for lineage in lineages])
        if len(further):
            colours = [found.colours[lineages[row] or ()] for row in further.tolist()]
            label = labelled(found.further(panel.rank), len(further))
            axes.scatter(*panel.points[further].T, s=0.6 * area, c=colours, linewidths=0, label=label)
        for number, lineage in enumerate(found.largest):
            own = panel.points[np.array([other == lineage for other in lineages])]
            marker, label = MARKERS[number], labelled(lineage[-1], len(own))
            axes.scatter(*own.T, s=area, c=found.colours[lineage], marker=marker, linewidths=0, label=label)
        drawn = (
            f"{len(panel.rows):,} of {panel.n_pictures:,}"
            if len(panel.rows) < panel.n_pictures
            else f"{panel.n_pictures:,}"
        )
        axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
        axes.set_axis_off()
        heading = f"{'abcdefg'[place]}  {panel.within or 'all'} by {panel.rank} ({drawn})"
        axes.set_title(shown(heading), fontsize=9, loc="left", parse_math=False)
        legend = axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.02), fontsize=7, frameon=False, markerscale=1.6, ncols=2,
            columnspacing=0.8, handletextpad=0.2,
        )  # fmt: skip
        write_plainly(legend, INK[False][1])
    for axes in cells[len(panels) :]:
        axes.set_axis_off()
    return figure
