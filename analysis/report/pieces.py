"""Pieces of a report's page, as HTML: tables, panels with their legends, and numbers as they are shown."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from cladescope.analysis.probes.result import ProbeResult
from cladescope.analysis.report import figures
from cladescope.analysis.report.methods import METHODS, Method, method_name
from cladescope.analysis.shares import TOO_FEW, ends

CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
"""How a page of such pieces looks."""
CELLS = ("value", "95 % interval", "by chance", "its 95 % range", "p", "p, adjusted")


def cells(result: ProbeResult) -> list[str]:
    """Of one number: the cells of `CELLS`."""
    span = "" if result.low is None or result.high is None else interval(result.low, result.high)
    null = ["", ""] if result.null is None else [number(result.null[0]), interval(*result.null[1:])]
    return [f"<b>{number(result.value)}</b>", span, *null, p_value(result.p_value), p_value(result.p_adjusted)]


def closed(title: str, body: str) -> str:
    """A part that opens when its title is clicked."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def better(method: Method) -> str:
    """Whether higher or lower is better; empty where the number does not judge."""
    return "" if method.better == "neither" else method.better


def panels(figures_of: Sequence[figures.Panel], key: str, prefix: str, *, wide: bool = False) -> str:
    """Figures beside each other, or `wide` below each other, under their key; ids in them start with `prefix`."""
    shown = "".join(
        f"<figure><figcaption>{escape(title)}</figcaption>{figures.unique_ids(svg, f'{prefix}{place}')}{_note(title)}</figure>"
        for place, (title, svg) in enumerate(figures_of)
    )
    return f"{key}<div class='panels{' wide' * wide}'>{shown}</div>"


def _note(title: str) -> str:
    """What the numbers of a panel say, where it is of one probe."""
    method = METHODS.get(method_name(title))
    return "" if method is None else f"<p class=note>{escape(method.reads)}</p>"


def legend(
    labels: Sequence[str], prefix: str, *, first: int = 0, nulls: bool = False, zero: bool = False, bars: bool = True
) -> str:
    """What stands for each store from place `first` on, and for intervals, chance and no difference."""
    items = [
        f"<li>{figures.unique_ids(figures.swatch(place), f'{prefix}-key{place}')} {escape(label)}</li>"
        for place, label in enumerate(labels, start=first)
    ]
    if bars:
        items.append("<li>line: 95 % interval</li>")
    if nulls:
        items.append("<li><i class=null></i> by chance: mean and 95 % range with labels given out at random</li>")
    if zero:
        items.append("<li><i class=zero></i> no difference</li>")
    return f"<ul class=legend>{''.join(items)}</ul>"


def p_value(found: float | None) -> str:
    """A p-value with three decimals, never 0; empty for none.

    >>> p_value(0.0499), p_value(0.0001), p_value(None)
    ('0.050', '&lt; 0.001', '')
    """
    return "" if found is None else "&lt; 0.001" if found < 0.001 else f"{found:.3f}"


def number(value: float) -> str:
    """A number with three decimals.

    >>> number(-0.12345), number(float("nan"))
    ('&minus;0.123', 'not defined')
    """
    # A number that rounds to 0 has no sign.
    return "not defined" if value != value else f"{round(value, 3) + 0.0:.3f}".replace("-", "&minus;")


def interval(low: float, high: float) -> str:
    """Two ends, or that there is too little for an interval.

    >>> interval(-0.5, 0.25), interval(0.56, 0.56)
    ('&minus;0.500 to 0.250', 'too few for an interval')
    """
    if low != low or high != high:
        return f"{number(low)} to {number(high)}"
    return " to ".join(ends(low, high, 3) or (TOO_FEW,)).replace("-", "&minus;")


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int | None = None, numbers: int | None = None,
    groups: bool = False,
) -> str:  # fmt: skip
    """A table of cells that are HTML already; from `numbers_from` on they are numbers. With `groups` a first cell like the last stays empty."""
    start = len(head) if numbers_from is None else numbers_from
    stop = len(head) if numbers is None else start + numbers
    kinds = [" class=n" if start <= place < stop else "" for place in range(len(head))]
    top = "".join(f"<th scope=col{kind}>{text}</th>" for kind, text in zip(kinds, head, strict=True))
    body, before = [], ""
    for row in rows:
        new = not groups or row[0] != before
        shown = [f"<th scope=row>{row[0] if new else ''}</th>"]
        shown += [
            f'<td{kind} data-head="{escape(name)}">{text}</td>'
            for kind, name, text in zip(kinds[1:], head[1:], row[1:], strict=True)
        ]
        body.append(f"<tr{' class=new' if groups and new else ''}>{''.join(shown)}</tr>")
        before = row[0]
    return (
        f"<div class=scroll tabindex=0><table><thead><tr>{top}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )
