"""The figures of a report: SVG that takes the page's ink, so that it reads on light and on dark.

Each panel is a small figure of its own, which the page lays out side by side or below each other.
"""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cladescope.analysis.probes.result import Difference, ProbeReport, ProbeResult
from cladescope.analysis.report.methods import OF_RANKS, OF_TREES, method_name
from cladescope.schema import LEVELS
from cladescope.taxonomy.taxon import RANKS

INK = "#010203"
"""Stands for the page's own ink while matplotlib draws."""
GREY = "#8c9299"
COLOURS = ("#2f80c8", "#d9772b", "#2e9e73", "#b565c4", "#c9a227", "#d5536a")
MARKERS = "osD^vPX"
Panel = tuple[str, str]
"""A title and an SVG."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cladescope",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,
}


def look(place: int) -> tuple[str, str]:
    """Colour and marker of the store at a place.

    >>> look(0) != look(6)
    True
    """
    return COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]


def rank_panels(reports: Sequence[ProbeReport]) -> list[Panel]:
    """A panel for each probe of ranks: value and interval of each store, and in grey the value under permuted labels."""
    found = {
        name: [{result.rank: result for result in report.results if result.probe == name} for report in reports]
        for name in names_of(reports, OF_RANKS)
    }
    limits = _limits([result for one in found.values() for of_store in one for result in of_store.values()])
    return [(name, _by_rank(one, limits)) for name, one in found.items()]


def difference_panels(differences: Sequence[Difference], others: Sequence[str]) -> list[Panel]:
    """A panel for each probe of ranks: difference and interval of each other store, and a line at none."""
    names = dict.fromkeys(one.probe for one in differences if one.rank is not None)
    found = {
        name: [
            {
                one.rank: ProbeResult(probe=name, rank=one.rank, value=one.difference, low=one.low, high=one.high)
                for one in differences
                if (one.probe, one.other) == (name, other)
            }
            for other in others
        ]
        for name in names
    }
    limits = _limits([result for one in found.values() for of_store in one for result in of_store.values()], least=0.0)
    return [(name, _by_rank(one, limits, first=1, zero=True)) for name, one in found.items()]


def _limits(results: Sequence[ProbeResult], *, least: float = 1.0) -> tuple[float, float]:
    """One scale for all panels of a kind, so that heights compare: from 0 to `least`, or as far as numbers and intervals reach."""
    ends = [0.0, least]
    for result in results:
        ends += [one for one in (result.value, result.low, result.high, *(result.null or ())) if one is not None]
    known = np.array(ends)[np.isfinite(ends)]
    pad = 0.04 * float(np.ptp(known)) or 0.04
    return float(known.min()) - pad, float(known.max()) + pad


def names_of(reports: Sequence[ProbeReport], wanted: Sequence[str]) -> list[str]:
    """Names of the probes of some methods, in the order of these."""
    there = dict.fromkeys(result.probe for report in reports for result in report.results)
    return [probe for name in wanted for probe in there if method_name(probe) == name]


def tree_panel(reports: Sequence[ProbeReport]) -> str:
    """The numbers over all ranks that lie in -1 to 1, one below the other; each has its name above it, so that a telephone has room."""
    names = [name for name in names_of(reports, OF_TREES) if name != "LCA height"]

    def draw(axes: Axes) -> None:
        for place, report in enumerate(reports):
            results = {result.probe: result for result in report.results}
            rows = [(row, results[name]) for row, name in enumerate(names) if name in results]
            at = [row + _shift(place, len(reports)) for row, _ in rows]
            _points(axes, at, [result for _, result in rows], place, sideways=True)
        for row, name in enumerate(names):
            axes.text(0, row - 0.38, name, transform=axes.get_yaxis_transform(), va="bottom")
        axes.set_yticks([])
        axes.set_ylim(len(names) - 0.5, -0.9)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=GREY, alpha=0.3, linewidth=0.6)

    return drawn_svg(draw, width=4.0, height=0.5 + 0.13 * len(names) * (len(reports) + 2.5))


def similarity_panel(reports: Sequence[ProbeReport]) -> str:
    """Mean cosine of two species by their taxonomic distance."""

    def draw(axes: Axes) -> None:
        for place, report in enumerate(reports):
            if (curve := report.curves.get("similarity")) is None:
                continue
            colour, marker = look(place)
            at = np.array(curve["distance"]) + 0.6 * _shift(place, len(reports))
            value, low, high = (np.array(curve[name], float) for name in ("similarity", "low", "high"))
            error = np.clip([value - low, high - value], 0, None)
            axes.errorbar(at, value, error, color=colour, marker=marker, markersize=4, linewidth=1, capsize=2)
        axes.set(xlabel="ranks up to where two species meet", ylabel="mean cosine")
        axes.set_xticks(range(1, len(RANKS) + 1))
        axes.grid(axis="y", color=GREY, alpha=0.3, linewidth=0.6)

    return drawn_svg(draw)


def hubness_panel(reports: Sequence[ProbeReport]) -> str:
    """How many pictures are how often among the neighbours of others."""

    def draw(axes: Axes) -> None:
        for place, report in enumerate(reports):
            curve = report.curves["hubness"]
            colour, marker = look(place)
            axes.plot(curve["occurrences"], curve["pictures"], color=colour, marker=marker, markersize=3, linewidth=0.8)
        axes.set(xlabel="times among the nearest of another", ylabel="pictures", ylim=(0, None))
        axes.grid(axis="y", color=GREY, alpha=0.3, linewidth=0.6)

    return drawn_svg(draw)


def swatch(place: int) -> str:
    """The marker and colour of a store, for a legend."""

    def draw(axes: Axes) -> None:
        colour, marker = look(place)
        axes.plot([0], [0], color=colour, marker=marker, markersize=6)
        axes.set_axis_off()

    return drawn_svg(draw, width=0.2, height=0.2)


def _by_rank(
    found: Sequence[dict[str | None, ProbeResult]], limits: tuple[float, float], *, first: int = 0, zero: bool = False
) -> str:
    ranks = [rank for rank in LEVELS if any(rank in results for results in found)]

    def draw(axes: Axes) -> None:
        for place, results in enumerate(found):
            rows = [(row, results[rank]) for row, rank in enumerate(ranks) if rank in results]
            at = [row + _shift(place, len(found)) for row, _ in rows]
            _points(axes, at, [result for _, result in rows], place + first)
        if zero:
            axes.axhline(0, color=GREY, linewidth=1)
        axes.set_xticks(range(len(ranks)), ranks, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.6, len(ranks) - 0.4)
        axes.set_ylim(*limits)
        axes.grid(axis="y", color=GREY, alpha=0.3, linewidth=0.6)

    return drawn_svg(draw)


def _points(
    axes: Axes, at: Sequence[float], results: Sequence[ProbeResult], place: int, *, sideways: bool = False
) -> None:
    """Values with their intervals, and in grey the mean and range under permuted labels."""
    colour, marker = look(place)
    nulls = [(x, result.null) for x, result in zip(at, results, strict=True) if result.null is not None]
    bars = [(x, result.value, result.low, result.high) for x, result in zip(at, results, strict=True)]
    for x, null in nulls:
        ends, middle = ([null[1], null[2]], [null[0]])
        axes.plot(*((ends, [x, x]) if sideways else ([x, x], ends)), color=GREY, linewidth=3, alpha=0.6)
        axes.plot(
            *((middle, [x]) if sideways else ([x], middle)), color=GREY, marker="|" if sideways else "_", markersize=8
        )
    for x, value, low, high in bars:
        if not np.isfinite(value):
            continue
        if low is not None and high is not None:
            axes.plot(*(([low, high], [x, x]) if sideways else ([x, x], [low, high])), color=colour, linewidth=1.2)
        axes.plot(*(([value], [x]) if sideways else ([x], [value])), color=colour, marker=marker, markersize=4)


def _shift(place: int, n: int) -> float:
    """Stores stand beside each other."""
    return 0.5 * ((place + 0.5) / n - 0.5)


def drawn_svg(draw: Callable[[Axes], None], *, width: float = 3.4, height: float = 2.6) -> str:
    """A figure as SVG to stand inside a page: no prolog, no address, its ink that of the page."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # Text stays text: the reader's fonts have the letters that are missing here.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.subplots())
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    # Its style would hold for the whole page.
    text = re.sub(
        r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL
    )
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text)
    text = re.sub(r'(<svg[^>]*?) width="([\d.]+)pt"', r'\1 style="width:100%;max-width:calc(\2px * 1.5)"', text)
    return text.replace(INK, "currentColor")


def unique_ids(svg: str, prefix: str) -> str:
    """The SVG with its ids, and what refers to them, made its own, so that several stand in one page.

    >>> unique_ids('<path id="m1"/><use xlink:href="#m1" clip-path="url(#c)"/>', "a")
    '<path id="a-m1"/><use xlink:href="#a-m1" clip-path="url(#a-c)"/>'
    """
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
