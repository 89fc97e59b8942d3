"""Pairs of duplicates as files: a table, and a sheet on which the two of each pair stand side by side."""

import csv
from collections.abc import Sequence
from pathlib import Path

from cladescope.analysis.audit.contact_sheet import Tile, draw, save
from cladescope.analysis.duplicates.answer import Copy, DuplicatePair, shown_names
from cladescope.files import replacing
from cladescope.shown import counted, formula_safe

COLUMNS = (
    *("group", "likeness", "how", "keep_uri", "keep_width", "keep_height", "keep_n_bytes"),
    *("other_uri", "other_width", "other_height", "other_n_bytes"),
)
MOST = 60
"""Pairs on a sheet."""


def write_list(pairs: Sequence[DuplicatePair], path: Path, *, safe_csv: bool = False) -> Path:
    """Write a CSV file with a row a pair, whole or not at all; with `safe_csv` no text in it is a formula to a spreadsheet."""
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for pair in pairs:
            writer.writerow({key: formula_safe(value) if safe_csv else value for key, value in pair.to_dict().items()})
    return path


def draw_pairs(pairs: Sequence[DuplicatePair], path: Path) -> Path:
    """Draw the first pairs, two a row, the kept picture on the left of each; return the path.

    Raises InputError where the file cannot be written or its suffix names no picture format.
    """
    some = pairs[:MOST]
    names = shown_names([copy.uri for pair in some for copy in (pair.keep, pair.other)])
    tiles: list[Tile] = []
    for pair in some:
        for copy, said in (
            (pair.keep, f"{pair.group}. keep"),
            (pair.other, f"{pair.how}, likeness {pair.likeness:.2f}"),
        ):
            tiles.append(Tile(copy.uri, (names[copy.uri], said, size_in_words(copy))))
    of = f"{len(some)} of " * (len(some) < len(pairs))
    title, subtitle = (
        f"Duplicates: {of}{counted(len(pairs), 'pair')}",
        "The picture to keep is on the left of each pair.",
    )
    return save(draw([], tiles, title=title, subtitle=subtitle, n_columns=4, together=2), path)


def size_in_words(copy: Copy) -> str:
    """Pixels and bytes of a picture.

    >>> size_in_words(Copy("a.jpg", 640, 480, 51_300)), size_in_words(Copy("a.jpg", 64, 48, 300))
    ('640 x 480, 51 kB', '64 x 48, 300 bytes')
    """
    n = copy.n_bytes
    size = f"{n / 1e6:.1f} MB" if n >= 1e6 else f"{n / 1e3:.0f} kB" if n >= 1e3 else f"{n} bytes"
    return f"{copy.width} x {copy.height}, {size}"
