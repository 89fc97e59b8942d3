"""The description of a Darwin Core archive, `meta.xml`: which files it has, how their lines are rows, what their columns mean.

Format: Darwin Core text guide, https://dwc.tdwg.org/text/. A term is known by the last part of its URI. Attributes are read as
people write them: `\\t` as two letters, as the character itself, or as the blank that XML makes of it.
"""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from xml.parsers import expat

from cladescope.delimited import Dialect
from cladescope.errors import InputError

MAX_BYTES = 2**22
"""Most bytes of a `meta.xml`."""
_ESCAPED = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\r\\n": "\r\n", " ": "\t"}
_LINE_ENDS = ("", "\n", "\r\n", "\r", "\\n", "\\r\\n", "\\r", " ")


@dataclass(kw_only=True)
class Part:
    """A core or an extension."""

    row_type: str
    """Last part of the URI of what a row is: `Occurrence`, `Multimedia`."""
    is_core: bool
    dialect: Dialect
    codec: str | None = None
    """Name of Python's codec; None for UTF-8, which is checked."""
    header_lines: int = 0
    locations: list[str] = field(default_factory=list)
    key: int | None = None
    """Column of the core's id."""
    columns: dict[str, int] = field(default_factory=dict)
    """Column of each term, from 0."""
    defaults: dict[str, str] = field(default_factory=dict)
    """Value of a term where a row has none."""
    separators: dict[str, str] = field(default_factory=dict)
    """What separates several values of a term in one field, where that is said."""
    by_header: bool = False
    """Whether `key` and `columns` are not known, and the header of the files says them."""


def read_meta(content: bytes, place: str) -> list[Part]:
    """The core and the extensions that a `meta.xml` describes, the core first; `place` names it in messages.

    Raises InputError where it is no XML, declares entities, has no core or several, or describes files in a way that is not
    understood.

    >>> meta = b'<archive><core rowType="http://rs.tdwg.org/dwc/terms/Occurrence"><files><location>o.csv</location></files>'
    >>> (core,) = read_meta(meta + b'<id index="0"/><field index="1" term="http://a.org/sex"/></core></archive>', "meta.xml")
    >>> core.row_type, core.locations, core.key, core.columns, core.dialect.delimiter
    ('Occurrence', ['o.csv'], 0, {'sex': 1}, ',')
    """
    reading = _Reading(place)
    try:
        reading.parse(content)
    except expat.ExpatError as error:
        raise InputError(
            f"{place} is no XML that can be read ({error}): download or write the archive again"
        ) from error
    n_cores = sum(part.is_core for part in reading.parts)
    if n_cores != 1:
        raise InputError(
            f"{place} describes {n_cores} cores: expected one <core> in <archive>, as Darwin Core's text guide says"
        )
    for part in reading.parts:
        if not part.locations:
            raise InputError(f"{place} names no file of {part.row_type}: expected <files><location>")
    return sorted(reading.parts, key=lambda part: not part.is_core)


def usual_parts() -> list[Part]:
    """The core and the extension of a download of GBIF, by the usual names of their files."""
    names = {"Occurrence": "occurrence.txt", "Multimedia": "multimedia.txt"}
    return [
        Part(
            row_type=row_type,
            is_core=row_type == "Occurrence",
            dialect=Dialect("\t", quoted=False),
            header_lines=1,
            locations=[location],
            by_header=True,
        )
        for row_type, location in names.items()
    ]


def last_part(uri: str) -> str:
    """The name at the end of a URI.

    >>> last_part("http://rs.tdwg.org/dwc/terms/sex"), last_part("dwc:sex"), last_part("sex")
    ('sex', 'sex', 'sex')
    """
    return uri.strip().rstrip("/").replace("#", "/").replace(":", "/").rpartition("/")[2]


class _Reading:
    """A `meta.xml` while it is read, element by element."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.parts: list[Part] = []
        self._part: Part | None = None
        self._text: list[str] | None = None

    def parse(self, content: bytes) -> None:
        parser: Any = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = lambda text: None if self._text is None else self._text.append(text)
        parser.Parse(content, True)

    def _refuse(self, *declared: object) -> None:
        raise InputError(f"{self.place} declares a document type or entities: expected a plain XML without <!DOCTYPE>")

    def _start(self, qualified: str, attributes: Mapping[str, str]) -> None:
        name = qualified.rpartition(" ")[2].lower()
        if name in ("core", "extension"):
            self._part = self._described(attributes, is_core=name == "core")
            self.parts.append(self._part)
        elif self._part is None:
            return
        elif name == "location":
            self._text = []
        elif name in ("id", "coreid"):
            self._part.key = self._index(attributes.get("index"))
        elif name == "field":
            term = last_part(attributes.get("term", ""))
            if attributes.get("index") is not None and term not in self._part.columns:
                self._part.columns[term] = self._index(attributes["index"])
            if attributes.get("default"):
                self._part.defaults.setdefault(term, attributes["default"])
            if attributes.get("delimitedBy"):
                self._part.separators[term] = attributes["delimitedBy"]

    def _end(self, qualified: str) -> None:
        name = qualified.rpartition(" ")[2].lower()
        if name == "location" and self._part is not None and self._text is not None:
            self._part.locations.append("".join(self._text).strip().replace("\\", "/").removeprefix("./"))
            self._text = None
        elif name in ("core", "extension"):
            self._part = None

    def _described(self, attributes: Mapping[str, str], *, is_core: bool) -> Part:
        row_type = last_part(attributes.get("rowType", ""))
        delimiter = attributes.get("fieldsTerminatedBy") or ","
        delimiter = _ESCAPED.get(delimiter, delimiter)
        quote = attributes.get("fieldsEnclosedBy", '"')
        if len(delimiter.encode()) != 1 or delimiter in '"\r\n':
            self._unknown("fieldsTerminatedBy", delimiter, "one plain character")
        if quote.strip() not in ("", '"', '\\"', "&quot;"):
            self._unknown("fieldsEnclosedBy", quote, "a double quote or nothing")
        if attributes.get("linesTerminatedBy", "\n") not in _LINE_ENDS:
            self._unknown("linesTerminatedBy", attributes["linesTerminatedBy"], r"\n or \r\n")
        n_lines = attributes.get("ignoreHeaderLines", "0").strip() or "0"
        if not n_lines.isdecimal() or len(n_lines) > 3:
            self._unknown("ignoreHeaderLines", n_lines, "a number of lines")
        return Part(
            row_type=row_type,
            is_core=is_core,
            dialect=Dialect(delimiter, bool(quote.strip()), skipped=0 if int(n_lines) else -1),
            codec=self._codec(attributes.get("encoding") or "UTF-8"),
            header_lines=int(n_lines),
        )

    def _codec(self, encoding: str) -> str | None:
        try:
            name = codecs.lookup(encoding.strip()).name
        except LookupError:
            self._unknown("encoding", encoding, "the name of one, such as UTF-8")
        return None if name in ("utf-8", "ascii", "utf-8-sig") else name

    def _index(self, written: str | None) -> int:
        if written is None or not written.strip().isdecimal() or len(written) > 6:
            self._unknown("index", written, "the number of a column, from 0")
        return int(written)

    def _unknown(self, attribute: str, value: str | None, expected: str) -> NoReturn:
        raise InputError(f"{self.place} has {attribute}={value!r}: expected {expected}")
