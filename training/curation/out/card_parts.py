"""The pieces of a data card, told once and written twice: as Markdown and as one HTML page that needs no other file."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from cladescope.analysis.report import pieces
from cladescope.analysis.report.figures import unique_ids
from cladescope.shown import markdown, shown


@dataclass(frozen=True)
class Table:
    """A table of plain values; numbers are written with commas."""

    head: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    numbers_from: int | None = None
    title: str = ""
    """If there is one, the table opens by it."""


@dataclass(frozen=True)
class Drawn:
    """A figure: its SVG, its file beside the card, and what it shows."""

    svg: str
    file: str
    said: str


@dataclass(frozen=True)
class Section:
    """A part of the card: sentences, tables, figures and lists, in this order."""

    title: str
    pieces: list["str | Table | Drawn | list[str]"] = field(default_factory=list)


def as_markdown(title: str, sections: Iterable[Section]) -> str:
    """The card in Markdown; what comes from data is escaped, and figures are linked."""
    text = [f"# {_markdown(title)}"]
    for section in sections:
        text.append(f"## {_markdown(section.title)}")
        for piece in section.pieces:
            if isinstance(piece, str):
                text.append(_markdown(piece))
            elif isinstance(piece, Table):
                lines = [piece.head, ["---"] * len(piece.head), *([_said(cell) for cell in row] for row in piece.rows)]
                table = "\n".join(f"| {' | '.join(map(_markdown, line))} |" for line in lines)
                text.append(f"{_markdown(piece.title)}:\n\n{table}" if piece.title else table)
            elif isinstance(piece, Drawn):
                text.append(f"![{_markdown(piece.said)}]({piece.file})")
            else:
                text.append("\n".join(f"* {_markdown(one)}" for one in piece))
    return "\n\n".join(text).replace("\n## ## ", "\n## ") + "\n"


def as_html(title: str, sections: Sequence[Section]) -> str:
    """The card as a page: no script, no request, figures inside."""
    keys = [f"s{place}" for place in range(len(sections))]
    links = "".join(f'<a href="#{key}">{_html(section.title)}</a>' for key, section in zip(keys, sections, strict=True))
    body = ""
    for key, section in zip(keys, sections, strict=True):
        inside = "".join(_piece(one, f"{key}f{place}") for place, one in enumerate(section.pieces))
        body += f'<section id="{key}"><h2>{_html(section.title)}</h2>{inside}</section>\n'
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{_html(title)}</title>'
        f"<style>{pieces.CSS}</style></head>\n<body><main><header><h1>{_html(title)}</h1></header>\n"
        f'<nav aria-label="Sections">{links}</nav>\n{body}</main></body></html>\n'
    )


def _piece(piece: "str | Table | Drawn | list[str]", prefix: str) -> str:
    if isinstance(piece, str):
        return f"<p>{_html(piece)}</p>"
    if isinstance(piece, Table):
        cells = [[_html(_said(cell)) for cell in row] for row in piece.rows]
        table = pieces.table([_html(one) for one in piece.head], cells, numbers_from=piece.numbers_from)
        return pieces.closed(shown(piece.title), table) if piece.title else table
    if isinstance(piece, Drawn):
        return f"<figure>{unique_ids(piece.svg, prefix)}<figcaption>{_html(piece.said)}</figcaption></figure>"
    return f"<ul>{''.join(f'<li>{_html(one)}</li>' for one in piece)}</ul>"


def _markdown(text: str) -> str:
    r"""A text of which nothing is a link, a picture or a style.

    >>> _markdown("![x](http://a.org) *b* | c")
    '!\\[x](http://a.org) \\*b\\* \\| c'
    """
    return markdown(re.sub(r"([\\`*\[])", r"\\\1", text))


def _html(text: str) -> str:
    return escape(shown(text))


def _said(value: object) -> str:
    """A value as it stands in a cell.

    >>> _said(1234567), _said(0.25), _said(None), _said(["a", "b"])
    ('1,234,567', '0.25', '', 'a, b')
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int):
        return ", ".join(map(_said, value)) if isinstance(value, list | tuple) else str(value)
    return f"{value:,}"
