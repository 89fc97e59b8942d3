"""The probes along the checkpoints of a training run: a panel a probe, a line a rank."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cladescope.analysis.probes.result import ProbeReport, ProbeResult
from cladescope.errors import InputError
from cladescope.shown import shown
from cladescope.taxonomy.taxon import RANKS

COLUMNS = 3
OVERALL = "#000000"


def draw_training_curve(reports: Sequence[ProbeReport], labels: Sequence[str]) -> Figure:
    """Every probe that judges, over the reports in their order; `labels` names each, such as its step.

    The line of a rank runs over the reports that have it, with its 95 % interval as a band; probes over all ranks are black.

    Raises InputError for fewer than two reports, and where they share no probe.

    >>> one = ProbeResult(probe="1-NN purity", rank="order", value=0.5, low=0.4, high=0.6)
    >>> report = ProbeReport(store="a.store", encoder={}, results=(one,))
    >>> draw_training_curve([report, report], ["step 1", "step 2"]).axes[0].get_title(loc="left")
    '1-NN purity'
    """
    if len(reports) < 2:
        raise InputError(f"a curve of {len(reports)} checkpoint: compare at least two stores, in the order of training")
    found: dict[str, dict[str | None, list[tuple[int, ProbeResult]]]] = {}
    for place, report in enumerate(reports):
        for result in report.results:
            if result.higher_is_better is not None and np.isfinite(result.value):
                found.setdefault(result.probe, {}).setdefault(result.rank, []).append((place, result))
    drawn = {probe: lines for probe, lines in found.items() if any(len(line) > 1 for line in lines.values())}
    if not drawn:
        raise InputError("the stores share no probe: there is no curve to draw")
    n_rows = -(-len(drawn) // COLUMNS)
    figure = Figure(figsize=(3.6 * COLUMNS, 2.6 * n_rows + 0.5), layout="constrained", dpi=150)
    cells = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
    colours = dict(zip(RANKS, _viridis(len(RANKS)), strict=True))
    handles = {}
    for axes, (probe, lines) in zip(cells, drawn.items(), strict=False):
        for rank, line in lines.items():
            places, results = [place for place, _ in line], [result for _, result in line]
            colour = OVERALL if rank is None else colours[rank]
            values = [result.value for result in results]
            (handles[rank or "all ranks"],) = axes.plot(
                places, values, color=colour, marker="o", markersize=3, linewidth=1
            )
            low = [result.value if result.low is None else result.low for result in results]
            high = [result.value if result.high is None else result.high for result in results]
            axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
        better = all(result.higher_is_better for line in lines.values() for _, result in line)
        axes.set_title(probe if better else f"{probe} (lower is better)", fontsize=9, loc="left")
        axes.set_xticks(
            range(len(reports)), list(map(shown, labels)), fontsize=7, rotation=30, ha="right", parse_math=False
        )
        axes.tick_params(axis="y", labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in cells[len(drawn) :]:
        axes.set_axis_off()
    _name_lines(figure, handles)
    return figure


def draw_nearest_curve(steps: Sequence[int], shares: Mapping[str, Sequence[float | None]]) -> Figure:
    """How often the nearest picture is a relative along a run: a panel for each part that is held out, a line for each rank.

    `shares` are called `PART_RANK`; None where an evaluation has none.

    >>> draw_nearest_curve([0, 9], {"species_order": [0.2, 0.4], "species_family": [0.1, 0.3]}).axes[0].get_title(loc="left")
    'nearest of held-out species'
    """
    parts = list(dict.fromkeys(name.rpartition("_")[0] for name in shares))
    figure = Figure(figsize=(4.2 * len(parts), 3.2), layout="constrained", dpi=150)
    colours = dict(zip(RANKS, _viridis(len(RANKS)), strict=True))
    handles = {}
    for axes, part in zip(figure.subplots(1, len(parts), squeeze=False).ravel(), parts, strict=True):
        for rank in RANKS:
            if (line := shares.get(f"{part}_{rank}")) is not None:
                values = [np.nan if value is None else value for value in line]
                (handles[rank],) = axes.plot(steps, values, color=colours[rank], marker="o", markersize=3, linewidth=1)
        axes.set_title(f"nearest of held-out {part}", fontsize=9, loc="left")
        axes.set_xlabel("step", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(0, 1)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    _name_lines(figure, handles)
    return figure


def _name_lines(figure: Figure, handles: Mapping[str, Line2D]) -> None:
    """A legend below all panels, the ranks from the highest down."""
    order = [name for name in (*RANKS, "all ranks") if name in handles]
    figure.legend(
        [handles[name] for name in order],
        order,
        loc="outside lower center",
        ncols=len(order),
        fontsize=8,
        frameon=False,
    )


def _viridis(n: int) -> list[str]:
    """Colours from dark to light, which keep their order without hue: the widest rank is the darkest."""
    return [to_hex(colour) for colour in colormaps["viridis"](np.linspace(0, 0.92, n))]
