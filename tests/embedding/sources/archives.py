"""Darwin Core archives for tests, written from rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from tests.embedding.reading import put

DWC, GBIF, DC = "http://rs.tdwg.org/dwc/terms/", "http://rs.gbif.org/terms/1.0/", "http://purl.org/dc/terms/"
TABS: Mapping[str, str] = {
    "encoding": "UTF-8", "fieldsTerminatedBy": "\\t", "linesTerminatedBy": "\\n", "fieldsEnclosedBy": "", "ignoreHeaderLines": "1",
}  # fmt: skip
Rows = Sequence[Sequence[str]]


def text(rows: Rows, separator: str = "\t") -> bytes:
    return "".join(separator.join(row) + "\n" for row in rows).encode()


def part(kind: str, row_type: str, files: Sequence[str], body: str, attributes: Mapping[str, str] = TABS) -> str:
    """A `<core>` or `<extension>` of a `meta.xml`."""
    said = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    locations = "".join(f"<location>{file}</location>" for file in files)
    return f'<{kind} rowType="{row_type}"{said}><files>{locations}</files>{body}</{kind}>'


def fields(terms: Sequence[str], key: str = "id") -> str:
    """The id in the first column, and a term in each: `taxonKey` or `dc:license`."""
    names = {"dc": DC, "gbif": GBIF, "ac": "http://rs.tdwg.org/ac/terms/"}
    uris = [f"{names[one.split(':')[0]]}{one.split(':')[1]}" if ":" in one else f"{DWC}{one}" for one in terms]
    return f'<{key} index="0"/>' + "".join(f'<field index="{n}" term="{uri}"/>' for n, uri in enumerate(uris))


def meta(*parts: str) -> bytes:
    return f'<?xml version="1.0"?>\n<archive xmlns="http://rs.tdwg.org/dwc/text/">{"".join(parts)}</archive>'.encode()


def write(folder: Path, occurrences: Rows, media: Rows | None = None, *, media_type: str = f"{GBIF}Multimedia") -> Path:
    """An archive in GBIF's manner; the first rows are the terms, `gbifID` in front."""
    parts = [part("core", f"{DWC}Occurrence", ["occurrence.txt"], fields(occurrences[0]))]
    put(folder / "occurrence.txt", text(occurrences))
    if media is not None:
        parts.append(part("extension", media_type, ["multimedia.txt"], fields(media[0], "coreid")))
        put(folder / "multimedia.txt", text(media))
    put(folder / "meta.xml", meta(*parts))
    return folder
