"""XMP, the block of XML in a picture: its words by property name, read without anything that XML can be made to do.

No entity is declared and nothing outside is looked at: a document type is refused, as is a block of more than `MAX_BYTES` or of
more than `MAX_DEPTH` levels. Format: https://www.adobe.com/devnet/xmp.html, part 1.
"""

from xml.parsers import expat

MAX_BYTES = 2**20
MAX_DEPTH = 50
MAX_VALUES = 5_000
"""Values of one block that are kept."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PREFIXES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/xap/1.0/rights/": "xmpRights",
    "http://ns.adobe.com/lightroom/1.0/": "lr",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://www.digikam.org/ns/1.0/": "digiKam",
    "http://creativecommons.org/ns#": "cc",
}
_LISTS = {f"{_RDF}|{name}" for name in ("Alt", "Bag", "Seq", "li", "RDF", "Description")}


def read_xmp(block: bytes) -> dict[str, list[str]]:
    r"""Values by property, `dc:subject` say, in their order; of a text in several languages the default comes first.

    Raises ValueError where the block is no XML that can be read.

    >>> read_xmp(b'<x xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title> Tit </dc:title></x>')
    {'dc:title': ['Tit']}
    """
    if len(block) > MAX_BYTES:
        raise ValueError(f"the XMP has {len(block)} bytes")
    parser = expat.ParserCreate(namespace_separator="|")
    reader = _Reader()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(block.strip(b"\0 \r\n\t"), True)
    except expat.ExpatError as error:
        raise ValueError(f"the XMP is no XML: {error}") from error
    return reader.found


class _Reader:
    """What has been read of a block."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}
        self._path: list[str] = []
        self._text: list[str] = []
        self._is_default = False
        self._n_values = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= MAX_DEPTH:
            raise ValueError(f"the XMP is nested more than {MAX_DEPTH} deep")
        self._path.append(name)
        self._text = []
        self._is_default = any(key.endswith("|lang") and value == "x-default" for key, value in attributes.items())
        if name == f"{_RDF}|Description":  # properties may be written as its attributes
            for key, value in attributes.items():
                self._keep(key, value)
        elif f"{_RDF}|resource" in attributes:
            self._keep(name, attributes[f"{_RDF}|resource"])

    def text(self, text: str) -> None:
        self._text.append(text)

    def end(self, name: str) -> None:
        self._path.pop()
        owner = name if name not in _LISTS else next((one for one in reversed(self._path) if one not in _LISTS), "")
        self._keep(owner, "".join(self._text), first=self._is_default)
        self._text = []

    def doctype(self, *_: object) -> None:
        raise ValueError("the XMP declares a document type")

    def _keep(self, name: str, value: str, *, first: bool = False) -> None:
        space, _, own = name.rpartition("|")
        value = " ".join(value.split())
        if space not in _PREFIXES or not value:
            return
        self._n_values += 1
        if self._n_values > MAX_VALUES:
            raise ValueError(f"the XMP has more than {MAX_VALUES} values")
        values = self.found.setdefault(f"{_PREFIXES[space]}:{own}", [])
        values.insert(0 if first else len(values), value)
