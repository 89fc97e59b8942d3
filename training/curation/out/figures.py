"""The figures of a data set, as SVG that is the same for the same numbers: the long tail of its species, the areas of its phyla, and its way through the stages."""

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Curve
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from cladescope.analysis.report.figures import COLOURS, GREY, INK, drawn_svg
from cladescope.shown import shown
from cladescope.training.curation.out.flow_table import Flows

MOST_AREAS: Final = 40
"""Phyla that have an area of their own; the smallest share one."""
MOST_SOURCES: Final = 12
"""Sources that have a band of their own."""
_FONT: Final = 7.5
_FLOOR: Final = -0.25
"""Where what is dropped comes to lie; what is kept lies between 0 and 1."""
_LINE: Final = 0.055
"""Height of a line of text."""

Area = tuple[float, float, float, float]
"""Left, bottom, width and height."""


def long_tail(tail: Sequence[tuple[int, int]]) -> str:
    """Pictures of each species, the richest first, both axes logarithmic. `tail` is numbers of pictures, rising, and how many species have so many."""

    def draw(axes: Axes) -> None:
        rank, across, up = 1, [], []
        for size, n in sorted(tail, reverse=True):
            across += [rank, rank + n - 1]
            up += [size, size]
            rank += n
        axes.plot(across, up, color=COLOURS[0], linewidth=1.5)
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axis.set_minor_formatter(NullFormatter())
        axes.set_xlim(left=0.8)
        axes.set_ylim(bottom=0.8)
        axes.set_xlabel("species, from the one with most pictures")
        axes.set_ylabel("pictures")

    return drawn_svg(draw, width=4.6, height=3.0)


def squarified(sizes: Sequence[float], area: Area) -> list[Area]:
    """Rectangles of these sizes, which fall, side by side in an area, as near to squares as a greedy choice makes them.

    Bruls, Huizing and van Wijk 2000, Squarified treemaps, https://doi.org/10.1007/978-3-7091-6783-0_4.

    >>> squarified([2.0, 1.0, 1.0], (0.0, 0.0, 2.0, 2.0))
    [(0.0, 0.0, 1.0, 2.0), (1.0, 0.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0)]
    """
    left, bottom, width, height = area
    total = float(sum(sizes))
    if not sizes or total <= 0:
        return []
    scale = width * height / total
    short = min(width, height)

    def worst(row: Sequence[float]) -> float:
        depth = sum(row) * scale / short
        return max(max(depth * depth / (one * scale), one * scale / (depth * depth)) for one in row)

    n = 1
    while n < len(sizes) and worst(sizes[: n + 1]) <= worst(sizes[:n]):
        n += 1
    row = sizes[:n]
    depth = sum(row) * scale / short
    placed: list[Area] = []
    at = bottom if width >= height else left
    for one in row:
        long = one * scale / depth
        placed.append((left, at, depth, long) if width >= height else (at, bottom, long, depth))
        at += long
    rest = (
        (left + depth, bottom, width - depth, height)
        if width >= height
        else (left, bottom + depth, width, height - depth)
    )
    return [*placed, *squarified(sizes[n:], rest)]


def phyla(counts: Sequence[tuple[str | None, int]]) -> str:
    """A treemap of the pictures by phylum, as TreeOfLife's papers have it; a name stands where there is room. `counts` falls."""
    named = [(name, n) for name, n in counts if name is not None]
    rest = [("no phylum known", sum(n for name, n in counts if name is None))]
    rest += (
        [(f"{len(named) - MOST_AREAS} others", sum(n for _, n in named[MOST_AREAS:]))]
        if len(named) > MOST_AREAS
        else []
    )
    areas = sorted([*named[:MOST_AREAS], *((name, n) for name, n in rest if n)], key=lambda one: (-one[1], one[0]))

    def draw(axes: Axes) -> None:
        axes.set_axis_off()
        axes.set_xlim(0, 1.6)
        axes.set_ylim(0, 1)
        rectangles = squarified([float(n) for _, n in areas], (0.0, 0.0, 1.6, 1.0))
        for place, ((name, n), (left, bottom, width, height)) in enumerate(zip(areas, rectangles, strict=True)):
            colour = COLOURS[place % len(COLOURS)]
            axes.add_patch(
                Rectangle((left, bottom), width, height, facecolor=colour, alpha=0.45, edgecolor=INK, linewidth=0.4)
            )
            text = shown(name)
            if width > 0.017 * len(text) + 0.02 and height > 0.075:
                axes.text(
                    left + 0.012,
                    bottom + height - 0.02,
                    f"{text}\n{n:,}",
                    fontsize=_FONT,
                    va="top",
                    ha="left",
                    parse_math=False,
                )

    return drawn_svg(draw, width=6.4, height=4.0)


def sankey(flows: Flows) -> str:
    """Bands from the sources through the stages to the splits; what a stage drops leaves it downwards. A band is as wide as its number of pictures."""
    sources = flows.sources()
    bands = sources[:MOST_SOURCES]
    total = max(1, next(iter(flows.stages.values())).taken_in.total())
    groups = {name: [name] for name in bands} | (
        {"other sources": sources[MOST_SOURCES:]} if sources[MOST_SOURCES:] else {}
    )
    stages = list(flows.stages)
    deepest = max(flow.dropped.total() for flow in flows.stages.values()) / total

    def draw(axes: Axes) -> None:
        axes.set_axis_off()
        axes.set_xlim(-0.9, len(stages) + 1.3)
        axes.set_ylim(_FLOOR - 0.12 - deepest / 2, 1.12)
        tops = _stacked(
            [sum(flows.stages[stages[0]].taken_in[one] for one in names) / total for names in groups.values()]
        )
        numbers = [sum(flows.stages[stages[0]].taken_in[one] for one in names) for names in groups.values()]
        heights = _apart([top - n / total / 2 for top, n in zip(tops, numbers, strict=True)])
        for place, (name, n) in enumerate(zip(groups, numbers, strict=True)):
            axes.text(
                -0.08,
                heights[place],
                f"{shown(name)}  {n:,}",
                fontsize=_FONT,
                ha="right",
                va="center",
                parse_math=False,
            )
            _band(axes, (0.0, tops[place]), (0.5, tops[place]), n / total, COLOURS[place % len(COLOURS)])
        _stages(axes, flows, groups, total)
        _splits(axes, flows, groups, total, len(stages))

    return drawn_svg(draw, width=1.05 * len(stages) + 2.2, height=4.2)


def _stages(axes: Axes, flows: Flows, groups: dict[str, list[str]], total: int) -> None:
    """From stage to stage, and what falls out."""
    stages = list(flows.stages)
    for number, stage in enumerate(stages):
        taken = flows.stages[stage].taken_in
        dropped = flows.dropped(stage)
        tops = _stacked([sum(taken[one] for one in names) / total for names in groups.values()])
        left = _stacked([sum(taken[one] - dropped[one] for one in names) / total for names in groups.values()])
        axes.text(number + 0.55, 1.03, stage, fontsize=_FONT, ha="center", va="bottom", parse_math=False)
        n_dropped = dropped.total()
        at = _FLOOR + n_dropped / total / 2
        for place, names in enumerate(groups.values()):
            colour = COLOURS[place % len(COLOURS)]
            stays = sum(taken[one] - dropped[one] for one in names) / total
            falls = sum(dropped[one] for one in names) / total
            if number or stays:
                _band(axes, (number + 0.5, tops[place]), (number + 1.5, left[place]), stays, colour)
            if falls:
                _band(axes, (number + 0.5, tops[place] - stays), (number + 1.05, at), falls, colour, alpha=0.25)
                at -= falls
        if n_dropped:
            axes.text(
                number + 1.08,
                _FLOOR - n_dropped / total / 2 - 0.02,
                f"{n_dropped:,} dropped",
                fontsize=_FONT,
                ha="right",
                va="top",
                parse_math=False,
            )


def _splits(axes: Axes, flows: Flows, groups: dict[str, list[str]], total: int, n_stages: int) -> None:
    """From what the last stage leaves to the splits."""
    splits = sorted(
        {split for _, split in flows.kept},
        key=lambda split: (-sum(n for (_, one), n in flows.kept.items() if one == split), split),
    )
    sizes = [sum(n for (_, one), n in flows.kept.items() if one == split) for split in splits]
    ends = _stacked([n / total for n in sizes], gap=0.05)
    starts = _stacked(
        [sum(n for (one, _), n in flows.kept.items() if one in names) / total for names in groups.values()]
    )
    filled = dict(zip(splits, ends, strict=True))
    for place, names in enumerate(groups.values()):
        start = starts[place]
        for split in splits:
            share = sum(flows.kept[one, split] for one in names) / total
            if share:
                _band(
                    axes,
                    (n_stages + 0.5, start),
                    (n_stages + 0.85, filled[split]),
                    share,
                    COLOURS[place % len(COLOURS)],
                )
                start -= share
                filled[split] -= share
    heights = _apart([top - n / total / 2 for top, n in zip(ends, sizes, strict=True)])
    for split, n, height in zip(splits, sizes, heights, strict=True):
        axes.text(n_stages + 0.9, height, f"{split}  {n:,}", fontsize=_FONT, ha="left", va="center", parse_math=False)


def _apart(heights: Sequence[float]) -> list[float]:
    """Falling heights of labels, moved down where one would lie on the one above it.

    >>> _apart([0.5, 0.49]) == [0.5, 0.5 - _LINE]
    True
    """
    placed: list[float] = []
    for height in heights:
        placed.append(min(height, placed[-1] - _LINE) if placed else height)
    return placed


def _stacked(sizes: Sequence[float], *, gap: float = 0.0) -> list[float]:
    """Tops of bands that lie below each other from 1 down."""
    tops, at = [], 1.0
    for size in sizes:
        tops.append(at)
        at -= size + gap
    return tops


def _band(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], width: float, colour: str, *, alpha: float = 0.5
) -> None:
    """A band whose upper edge goes from `start` to `end`."""
    if width <= 0:
        return
    (x, y), (to, there) = start, end
    middle = (x + to) / 2
    points = [
        (x, y), (middle, y), (middle, there), (to, there), (to, there - width), (middle, there - width), (middle, y - width), (x, y - width), (x, y),
    ]  # fmt: skip
    codes = [Curve.MOVETO, *[Curve.CURVE4] * 3, Curve.LINETO, *[Curve.CURVE4] * 3, Curve.CLOSEPOLY]
    axes.add_patch(PathPatch(Curve(points, codes), facecolor=colour, edgecolor=GREY, linewidth=0.2, alpha=alpha))
