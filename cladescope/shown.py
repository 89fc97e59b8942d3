"""Names are data: how a text from a file name, a label or a table is shown where characters could be instructions."""

import re

_UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters: escape sequences of a terminal start with ESC or those of C1
    "\u2028\u2029"  # separators of lines and paragraphs
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # directions of writing: a name could stand reversed
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # invisible marks and tags
    "\ud800-\udfff]"  # halves of characters, which no output takes
)
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_LETTERS = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def shown(text: str) -> str:
    r"""A text on one line whose control characters, directions of writing and half characters stand as escapes.

    A terminal takes ESC and the characters U+0080 to U+009F as instructions (ECMA-48), which could recolour the screen,
    retitle the window or hide what was printed; U+202E lets `gpj.exe` read `exe.jpg`. All other letters stay.

    >>> shown("Blåmejse\x1b[2J 日本\u202e.jpg")
    'Blåmejse\\x1b[2J 日本\\u202e.jpg'
    """
    return _UNSHOWN.sub(lambda found: _escape(found[0]), text)


def json_safe(document: str) -> str:
    r"""A JSON text with such characters as JSON's own escapes: it shows nothing odd and means the same.

    >>> json_safe('["\x9b2J"]\n')
    '["\\u009b2J"]\n'
    """
    return _UNSHOWN.sub(lambda found: found[0] if found[0] in "\n\t\r" else _json_escape(found[0]), document)


def markdown(text: str) -> str:
    r"""A text in a page of Markdown, where it neither begins a tag nor ends the cell of a table.

    >>> markdown("a|b <script>")
    'a\\|b &lt;script>'
    """
    return shown(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def formula_safe(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: before a text that looks like one stands an apostrophe.

    A text looks like one where it begins with `=`, `+`, `-`, `@`, one of their wide forms, a tab or a line's end, blanks
    before it not counted. Numbers stay. After OWASP, CSV Injection,
    https://owasp.org/www-community/attacks/CSV_Injection; the apostrophe changes the text, so it is not done unasked. It is
    undone by taking one apostrophe off each cell that begins with some and looks like a formula behind them.

    >>> formula_safe("=cmd|' /C calc'!A0"), formula_safe("-70.5"), formula_safe("Parus major"), formula_safe(-1)
    ("'=cmd|' /C calc'!A0", '-70.5', 'Parus major', -1)
    >>> formula_safe("'=1")  # as it came; without another apostrophe it could not be told from a guarded =1
    "''=1"
    """
    if not isinstance(cell, str) or _NUMBER.fullmatch(cell):
        return cell
    bare = cell.lstrip("'")
    looks_so = bare[:1] in ("\t", "\r", "\n") or bare.lstrip().startswith(_FORMULA)
    return f"'{cell}" if looks_so else cell


def counted(n: int, noun: str, several: str | None = None) -> str:
    """A number and what it counts; `several` where more than one are not called by an added s.

    >>> counted(1, "pair"), counted(2000, "pair"), counted(2, "is", "are")
    ('1 pair', '2,000 pairs', '2 are')
    """
    return f"{n:,} {noun if n == 1 else several or f'{noun}s'}"


def counted_of(n: int, total: int, noun: str) -> str:
    """How many of how many, and whether that is one: the beginning of a sentence.

    >>> counted_of(1, 16, "picture"), counted_of(2, 2000, "picture"), counted_of(1, 1, "picture")
    ('1 of 16 pictures is', '2 of 2,000 pictures are', '1 of 1 picture is')
    """
    return f"{n:,} of {counted(total, noun)} {'is' if n == 1 else 'are'}"


def _escape(letter: str) -> str:
    code = ord(letter)
    if letter in _LETTERS:
        return _LETTERS[letter]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(letter: str) -> str:
    return "".join(f"\\u{unit:04x}" for unit in _units(ord(letter)))


def _units(code: int) -> tuple[int, ...]:
    """A character as UTF-16, which is what JSON's escapes spell."""
    return (code,) if code < 0x10000 else (0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF))
