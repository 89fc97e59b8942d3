"""Contact sheets: pictures in a grid, each with its label, drawn with Pillow."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from cladescope.embedding.decode import decode
from cladescope.embedding.locations import read_bytes
from cladescope.embedding.regions import cropped, split_region
from cladescope.errors import InputError, PictureError
from cladescope.files import replacing
from cladescope.index.hits import Hit, SearchResult
from cladescope.shown import shown

logger = logging.getLogger(__name__)

TILE = 224
GAP = 14
LINE = 19
FONT_SIZE = 14
HEADING_SIZE = 18
COLUMNS = 5
PAPER, INK, FAINT, MISSING = "#ffffff", "#1b1f24", "#5d6670", "#e4e7eb"
QUERY_FRAME = "#0b6e99"


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a sheet and the lines under it; the first line is set in ink, the others fainter."""

    uri: str
    lines: tuple[str, ...]


def draw_answer(answer: SearchResult, path: Path, *, queries: Sequence[str] = (), caption: str = "") -> Path:
    """Draw a query's pictures, its hits and their consensus as one labelled sheet; return its path.

    Raises InputError where the file cannot be written or its suffix names no picture format.
    """
    agreed = answer.consensus
    named = agreed.label or agreed.taxon
    verdict = "no consensus" if named is None else f"consensus: {named} ({agreed.share:.2f})"
    heads = [Tile(uri, ("query", Path(uri).name)) for uri in queries]
    tiles = [Tile(hit.uri, _lines(hit)) for hit in answer.hits]
    title = f"{caption}: {verdict}" if caption else verdict
    return save(draw(heads, tiles, title=title), path)


def draw(queries: Sequence[Tile], tiles: Sequence[Tile], *, title: str) -> Image.Image:
    """A sheet: the title, the queries in a framed row of their own, the tiles in rows of five. A picture that cannot be
    read leaves a grey field that says so."""
    rows = _in_rows(queries) + _in_rows(tiles)
    n_framed = len(_in_rows(queries))
    n_lines = max((len(tile.lines) for row in rows for tile in row), default=0)
    cell = TILE + 6 + n_lines * LINE + GAP
    columns = max((len(row) for row in rows), default=1)
    heading = ImageFont.load_default(HEADING_SIZE)
    width = max(columns, 3) * (TILE + GAP) + GAP
    titles = _wrapped(title, heading, width - 2 * GAP)
    top = GAP + len(titles) * (HEADING_SIZE + 8)
    sheet = Image.new("RGB", (width, top + len(rows) * cell + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(titles):
        pen.text((GAP, GAP + number * (HEADING_SIZE + 8) - 4), line, fill=INK, font=heading)
    for number, row in enumerate(rows):
        for place, tile in enumerate(row):
            corner = (GAP + place * (TILE + GAP), top + number * cell)
            _draw_tile(sheet, pen, tile, corner, framed=number < n_framed)
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


def _in_rows(tiles: Sequence[Tile]) -> list[Sequence[Tile]]:
    return [tiles[start : start + COLUMNS] for start in range(0, len(tiles), COLUMNS)]


def _lines(hit: Hit) -> tuple[str, ...]:
    name = hit.taxon.name if hit.taxon is not None else hit.label or Path(hit.uri).name
    family = hit.taxon.path[4] if hit.taxon is not None and len(hit.taxon.path) > 4 else None
    return (f"{hit.position}. {name}", hit.common_name or "", f"{hit.score:.3f}  {family or ''}".rstrip())


def _draw_tile(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, tile: Tile, corner: tuple[int, int], *, framed: bool
) -> None:
    left, top = corner
    try:
        parent, box = split_region(tile.uri)
        data = read_bytes(parent)
        found = decode(data, min_side=TILE) if box is None else cropped(decode(data), box).picture
        picture = ImageOps.contain(found.image, (TILE, TILE))
        offset = (left + (TILE - picture.width) // 2, top + (TILE - picture.height) // 2)
        sheet.paste(picture, offset)
    except PictureError as error:
        logger.warning("no picture on the sheet for %s: %s", tile.uri, error)
        pen.rectangle((left, top, left + TILE, top + TILE), fill=MISSING)
        pen.text(
            (left + 12, top + TILE // 2 - 8),
            "picture not found",
            fill=FAINT,
            font=ImageFont.load_default(FONT_SIZE),
        )
    if framed:
        pen.rectangle((left - 4, top - 4, left + TILE + 3, top + TILE + 3), outline=QUERY_FRAME, width=3)
    font = ImageFont.load_default(FONT_SIZE)
    for number, line in enumerate(tile.lines):
        text = _cut(line, font, TILE)
        pen.text((left, top + TILE + 6 + number * LINE), text, fill=FAINT if number else INK, font=font)


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
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


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines = [""]
    for word in shown(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
