"""What separates the values of a delimited text, found from its first rows, and whether its quotes are quotes."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from posixpath import splitext
from typing import Literal

DELIMITERS = (",", "\t", ";", "|")
HEAD_BYTES = 2**20
_HEAD_ROWS = 50
_QUOTED = re.compile(r'"((?:[^"]++|"")*+)"(?![^\t\r\n])')
_SEP = re.compile(r"sep=(.)\r?\n")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the lines of a text are rows."""

    delimiter: str
    quoted: bool
    """Whether values may stand in double quotes; otherwise a quote is a letter like any other, as in GBIF's downloads."""
    skipped: int = 0
    """Lines before the header: Excel's `sep=;`; -1 where the header is none of the file's own lines."""


def find_dialect(head: str, place: str, *, whole: bool) -> Dialect:
    r"""The dialect of a text, from its first rows; `whole` says whether `head` is all of it.

    The delimiter is the one of comma, tab, semicolon and pipe that cuts these rows into the same number of values as the
    header, the more the better; the ending of `place` decides between equals. Text that is separated by tabs is unquoted
    unless its header stands in quotes or, by `tab_quotes`, its rows show it.

    >>> find_dialect("file;note\na.jpg;wet, cold\n", "t.csv", whole=True)
    Dialect(delimiter=';', quoted=True, skipped=0)
    >>> find_dialect("file\tnote\na.jpg\t6\" pipe\n", "t.csv", whole=True)
    Dialect(delimiter='\t', quoted=False, skipped=0)
    """
    declared = _SEP.match(head)
    head, skipped = (head[declared.end() :], 1) if declared else (head, 0)
    usual = "\t" if splitext(place.lower())[1] in (".tsv", ".tab") else ","
    order = sorted(DELIMITERS, key=lambda mark: mark != usual)
    if declared and declared[1] in DELIMITERS:
        order = [declared[1]]
    best, best_key = Dialect(order[0], True, skipped), (False, 0)
    for mark in order:
        quoted = mark != "\t" or _header_is_quoted(head)
        widths = _widths(head, mark, quoted=quoted, whole=whole)
        if not widths or widths[0] < 2:
            continue
        same = len(set(widths)) == 1
        key = (same, widths[0] if same or best_key == (False, 0) else 0)
        if key > best_key:
            best, best_key = Dialect(mark, quoted, skipped), key
    return best


def tab_quotes(text: str, n_columns: int) -> bool | None:
    r"""Whether whole lines of tab-separated text use quotes: True where a value needs them, False where one is no quote, else None.

    A value needs them where it holds a tab, a doubled quote, or a line end that would leave rows of another length.

    >>> tab_quotes('a\t"two\nlines"\n', 2), tab_quotes('a\t"half\nb\tplain "NORTH"\n', 2), tab_quotes("a\tb\n", 2)
    (True, False, None)
    """
    needed = False
    place = 0
    for opening in re.finditer(r'(?<![^\t\r\n])"', text):
        if opening.start() < place:
            continue
        value = _QUOTED.match(text, opening.start())
        if value is None:
            return False
        place = value.end()
        inside = value[1]
        if "\n" in inside or "\r" in inside:
            start = text.rfind("\n", 0, value.start()) + 1
            end = text.find("\n", value.end())
            lines = re.split(r"\r\n|\r|\n", text[start : end if end >= 0 else None])
            if all(line.count("\t") == n_columns - 1 for line in lines):
                return False
            needed = True
        needed = needed or "\t" in inside or '""' in inside
    return needed or None


def _header_is_quoted(head: str) -> bool:
    names = re.split(r"[\r\n]", head, maxsplit=1)[0].split("\t")
    return len(names) > 1 and all(len(name) > 1 and name[0] == name[-1] == '"' for name in names)


def _widths(head: str, delimiter: str, *, quoted: bool, whole: bool) -> list[int]:
    """Number of values in each of the first rows, those that are whole."""
    style: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    lines = head if whole else head[: head.rfind("\n") + 1] or head
    rows: Iterator[list[str]] = csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter, quoting=style)
    try:
        return [len(row) for row in islice(rows, _HEAD_ROWS) if row]
    except csv.Error:  # a value longer than the module takes
        return []
