"""Contact sheets: pictures in a grid, each with its label, and what was asked beside them; drawn with Pillow."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from cladescope.analysis.duplicates.answer import shown_names
from cladescope.analysis.likeness import HARDLY, Likeness
from cladescope.analysis.shares import percent
from cladescope.embedding.regions import split_region
from cladescope.embedding.thumbnail import thumbnail
from cladescope.errors import InputError, PictureError
from cladescope.files import replacing
from cladescope.index.hits import Hit, SearchResult
from cladescope.shown import shown

logger = logging.getLogger(__name__)

TILE, QUERY = 224, 300
"""Sides of the pictures."""
GAP = 14
LINE = 19
FONT_SIZE, SMALL_SIZE, HEADING_SIZE = 14, 11, 22
COLUMNS, BESIDE = 5, 4
"""Pictures in a row: of a sheet of its own, and beside a query."""
PAPER, INK, FAINT, MISSING, BACK = "#ffffff", "#1b1f24", "#5d6670", "#e4e7eb", "#f3f4f6"
QUERY_FRAME = "#0b6e99"
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a sheet and the lines under it; the first line is set in ink, the others fainter."""

    uri: str
    lines: tuple[str, ...]
    small: str = ""
    """What stands after the last line in small type."""


def draw_answer(
    answer: SearchResult,
    path: Path,
    *,
    queries: Sequence[str] = (),
    caption: str = "",
    likeness: Likeness | None = None,
) -> Path:
    """Draw a query's pictures beside its hits, under what these agree on, as one labelled sheet; return its path.

    A query that is stored is not drawn among its own hits. `likeness` puts words before the scores; without it, numbers stand alone.

    Raises InputError where the file cannot be written or its suffix names no picture format.
    """
    agreed = answer.consensus
    asked = {_place(uri) for uri in queries}
    hits = [hit for hit in answer.hits if _place(hit.uri) not in asked]
    heads = [
        Tile(uri, ("your picture" if len(queries) == 1 else f"your picture {n}", Path(uri).name))
        for n, uri in enumerate(queries, 1)
    ]
    files = shown_names([split_region(hit.uri)[0] for hit in hits])
    tiles = [_tile(hit, place, files[split_region(hit.uri)[0]], likeness) for place, hit in enumerate(hits, 1)]
    name = agreed.label or (None if agreed.taxon is None else agreed.taxon.name)
    is_alike = likeness is None or any(likeness.word(hit.score) != HARDLY for hit in hits)
    if not hits:
        title = "Nothing was found"
    elif not is_alike:
        title = "Nothing here is much like it"
    elif name is None:
        has_names = any(hit.taxon is not None or hit.label for hit in hits)
        title = "No name that most of the hits share" if has_names else "What looks most like it"
    else:
        title = name
    said = (
        ""
        if name is None
        else f"{agreed.label or agreed.taxon}: what the hits agree on, {percent(agreed.share)} of their votes"
    )
    is_left_out = answer.own_left_out or len(hits) < len(answer.hits)
    left_out = "the query is stored too, and left out of its hits" if is_left_out else ""
    below = "; ".join(one for one in (said, left_out) if one)
    return save(draw(heads, tiles, title=f"{caption}: {title}" if caption else title, subtitle=below), path)


def draw(
    queries: Sequence[Tile],
    tiles: Sequence[Tile],
    *,
    title: str,
    subtitle: str = "",
    n_columns: int | None = None,
    together: int | None = None,
) -> Image.Image:
    """A sheet: the title, the queries below each other at the left and in a frame, the tiles in rows beside them, or of the whole
    width where there is no query; a row has `n_columns` of them, usually 4 or 5, with more room after as many as belong `together`.
    A picture that cannot be read leaves a grey field that says so."""
    n_columns = n_columns or (BESIDE if queries else COLUMNS)
    tiles = _without_empty_lines(tiles)
    rows = [tiles[start : start + n_columns] for start in range(0, len(tiles), n_columns)]
    n_lines = max((len(tile.lines) for tile in [*queries, *tiles]), default=0)
    below = 6 + n_lines * LINE + GAP
    aside = QUERY + 3 * GAP if queries else 0
    columns = max([3, *(len(row) for row in rows)])
    apart = [GAP * 3 * (place // together if together else 0) for place in range(columns)]
    width = aside + columns * (TILE + GAP) + GAP + apart[-1]
    heading, font = ImageFont.load_default(HEADING_SIZE), ImageFont.load_default(FONT_SIZE)
    titles = _wrapped(title, heading, width - 2 * GAP)
    faint = _wrapped(subtitle, font, width - 2 * GAP) if subtitle else []
    top = GAP + len(titles) * (HEADING_SIZE + 8) + len(faint) * LINE + GAP
    height = top + max(len(rows) * (TILE + below), len(queries) * (QUERY + below)) + GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    y = GAP - 4
    for line in titles:
        pen.text((GAP, y), line, fill=INK, font=heading)
        y += HEADING_SIZE + 8
    for line in faint:
        pen.text((GAP, y), line, fill=FAINT, font=font)
        y += LINE
    for number, tile in enumerate(queries):
        _draw_tile(sheet, pen, tile, (GAP + 4, top + number * (QUERY + below)), side=QUERY, framed=True)
    for number, row in enumerate(rows):
        for place, tile in enumerate(row):
            corner = (aside + GAP + place * (TILE + GAP) + apart[place], top + number * (TILE + below))
            _draw_tile(sheet, pen, tile, corner, side=TILE)
    return sheet


def save(sheet: Image.Image, path: Path) -> Path:
    """Write a sheet, whole or not at all, in the format that its suffix names. Raises InputError where that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft:
            sheet.save(draft)
    except ValueError as error:
        raise InputError(f"cannot draw {path}: its suffix names no picture format, use .png or .jpg") from error
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def _place(uri: str) -> str:
    """By what a query is known among its hits: a file by where it truly lies."""
    return uri if "://" in uri else os.path.realpath(uri)


def _tile(hit: Hit, place: int, file: str, likeness: Likeness | None) -> Tile:
    name = hit.taxon.name if hit.taxon is not None else hit.label
    family = hit.taxon.path[4] if hit.taxon is not None and len(hit.taxon.path) > 4 else None
    score = f"{hit.score:.3f}"
    said, small = (score, "") if likeness is None else (likeness.word(hit.score), score)
    lines = (f"{place}. {name or file}", hit.common_name or family or "", file if name else "", said)
    return Tile(hit.uri, lines, small)


def _draw_tile(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    tile: Tile,
    corner: tuple[int, int],
    *,
    side: int,
    framed: bool = False,
) -> None:
    left, top = corner
    font, small = ImageFont.load_default(FONT_SIZE), ImageFont.load_default(SMALL_SIZE)
    box = (left, top, left + side, top + side)
    try:
        picture = thumbnail(tile.uri, side)
        offset = (left + (side - picture.width) // 2, top + (side - picture.height) // 2)
        pen.rectangle(box, fill=BACK)
        sheet.paste(picture, offset)
    except PictureError as error:
        logger.warning("no picture on the sheet for %s: %s", tile.uri, error)
        pen.rectangle(box, fill=MISSING)
        pen.text((left + 12, top + side // 2 - 8), "picture not found", fill=FAINT, font=font)
    if framed:
        pen.rectangle((left - 4, top - 4, left + side + 3, top + side + 3), outline=QUERY_FRAME, width=3)
    for number, line in enumerate(tile.lines):
        text, y = _cut(line, font, side), top + side + 6 + number * LINE
        pen.text((left, y), text, fill=FAINT if number else INK, font=font)
        if tile.small and number == len(tile.lines) - 1:
            pen.text((left + font.getlength(text) + 8, y + 3), tile.small, fill=FAINT, font=small)


def _without_empty_lines(tiles: Sequence[Tile]) -> list[Tile]:
    """The tiles without lines that are empty in all of them; others stay, so that what is below stands at one height.

    >>> _without_empty_lines([Tile("a.jpg", ("a", "", "b")), Tile("b.jpg", ("c", ""))])[0].lines
    ('a', 'b')
    """
    filled = {number for tile in tiles for number, line in enumerate(tile.lines) if line}
    return [replace(tile, lines=tuple(line for n, line in enumerate(tile.lines) if n in filled)) for tile in tiles]


def _cut(text: str, font: Font, width: int) -> str:
    """A text shortened in the middle until it fits, so that both genus and epithet, or name and suffix, can be seen.

    >>> _cut("Vanessa atalanta", ImageFont.load_default(14), 60)
    'Van…nta'
    """
    text = shown(text)
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = text[: kept // 2] + "…" + text[len(text) - (kept - kept // 2) :]
        if font.getlength(short) <= width:
            return short
    return "…"


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    lines = [""]
    for word in shown(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
