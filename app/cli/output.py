"""How verbs print: lines, tables, CSV and JSON on stdout, talk on stderr.

Everything that a verb prints goes through here, for names are data: a file called `tit[bold].jpg`, a label with an escape
sequence or one that begins with `=` is shown as it is spelt and interpreted by nothing (`cladescope.shown`).
"""

import csv
import json
import math
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cladescope.files import replacing
from cladescope.outputs import check_out_file
from cladescope.shown import formula_safe, json_safe, shown

WIDE = 240


@contextmanager
def printing_to(out: Path | None, *, overwrite: bool) -> Iterator[None]:
    """Have results go to a file in place of stdout, whole or not at all; to stdout where there is none.

    Raises TakenError where the file is there and is not to be replaced, InputError where it cannot be written.
    """
    if out is None:
        yield
        return
    check_out_file(out, overwrite=overwrite)
    with replacing(out) as draft, draft.open("w", encoding="utf-8", newline="") as file, redirect_stdout(file):
        yield
    say(f"written to {out}")


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout."""
    typer.echo(json_text(document, indent=2))


def json_text(value: object, *, indent: int | None = None) -> str:
    r"""A value as JSON; NaN and infinities are null, and no character in it is an instruction to a terminal.

    >>> json_text({"name": "tit\x9b", "score": float("nan")})
    '{"name": "tit\\u009b", "score": null}'
    """
    plain = json.dumps(_numbers(value), indent=indent, ensure_ascii=False, default=_plain, allow_nan=False)
    return json_safe(plain)


def _numbers(value: object) -> object:
    """A document whose NaN and infinities, which JSON does not know, are null."""
    if isinstance(value, Mapping):
        return {key: _numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return str(value)


def print_line(text: str = "") -> None:
    """One line of a result on stdout."""
    typer.echo(shown(text))


def print_sentence(text: str) -> None:
    """A sentence of a result on stdout; on a terminal it is broken between words."""
    typer.echo(_broken(shown(text)) if sys.stdout.isatty() else shown(text))


def _broken(text: str) -> str:
    """A text for a terminal with its lines broken between words; a command in it stays as it is, to be copied."""
    if "cladescope " in text:
        return text
    return textwrap.fill(text, shutil.get_terminal_size().columns, break_on_hyphens=False, break_long_words=False)


class CsvTable:
    """A table as CSV on stdout, whose rows come one after another."""

    def __init__(self, columns: Sequence[str], *, safe: bool = False) -> None:
        """Print the header. With `safe` no text can be a formula of a spreadsheet; see `shown.formula_safe`."""
        self.columns, self._safe = columns, safe
        # With this end of a line the module quotes cells that hold half of it; `write` makes it the usual one.
        self._writer = csv.writer(self, lineterminator="\r\n")
        self._write(columns)

    def write(self, line: str) -> None:
        """Print a finished line, as the file of `csv.writer`: as it is into a file or a pipe, with escapes on a terminal."""
        line = line.removesuffix("\r\n")
        sys.stdout.write((shown(line) if sys.stdout.isatty() else line) + "\n")

    def add(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Print rows; a column that a row lacks stays empty."""
        for row in rows:
            self._write([row.get(column, "") for column in self.columns])

    def _write(self, cells: Sequence[object]) -> None:
        self._writer.writerow([formula_safe(cell) for cell in cells] if self._safe else cells)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, spare: Sequence[str] = ()) -> None:
    """A table on stdout; numbers stand to the right. Nothing is cut where stdout is no terminal.

    Of the `spare` columns those that are empty are left out, and on a narrow terminal the last ones.
    """
    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    listed = [list(row) for row in rows]
    cells = [[_cell(value) for value in row] for row in listed]
    kept = _fitting(columns, cells, spare, console.width)
    for place in kept:
        numeric = bool(listed) and all(isinstance(row[place], int | float) for row in listed)
        table.add_column(
            Text(shown(columns[place])), justify="right" if numeric else "left", overflow="fold", no_wrap=numeric
        )
    for row in cells:
        table.add_row(*[Text(row[place]) for place in kept])
    console.print(table)


def _fitting(columns: Sequence[str], cells: list[list[str]], spare: Sequence[str], width: int) -> list[int]:
    """Places of the columns to show in so many letters."""
    kept = [place for place, name in enumerate(columns) if name not in spare or any(row[place] for row in cells)]
    for name in reversed(spare):
        widths = [max(len(text) for text in [columns[place], *(row[place] for row in cells)]) for place in kept]
        if sum(widths) + 2 * (len(kept) - 1) <= width:
            break
        kept = [place for place in kept if columns[place] != name]
    return kept


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else shown(str(value))


def say(message: str) -> None:
    """One line of talk, on stderr; on a terminal it is broken between words. Where stderr takes no more, as a log on a full disk, nobody
    can be told, and the command goes on.
    """
    with suppress(OSError):
        typer.echo(_broken(shown(message)) if sys.stderr.isatty() else shown(message), err=True)


def to_copy(path: str | Path) -> str:
    """A path as a word of a command that is shown to be copied: in quotes where it needs them.

    >>> to_copy(Path("mine.safetensors")), to_copy(Path("my birds"))
    ('mine.safetensors', "'my birds'")
    """
    return shlex.quote(str(path))


def talk_console() -> Console:
    """Where bars are drawn: stderr."""
    return Console(stderr=True)
