"""Keywords put into an XMP sidecar of another program: words are inserted, and every byte that was there stays, in its order.

An XML library would write the file anew, with other blanks, quotes and prefixes. Here expat, which reads it, says at which byte a list ends,
and there the new words go. Whatever is not plain enough for that is refused: another encoding than UTF-8, a document type, a property
written as an attribute, twice or as a single value, an empty list in one tag. Format: ISO 16684-1, 7.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from cladescope.embedding.xmp import MAX_BYTES, MAX_DEPTH, read_xmp

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
LISTS: Mapping[str, tuple[str, str, str]] = {
    "dc:subject": ("http://purl.org/dc/elements/1.1/", "subject", "Bag"),
    "lr:hierarchicalSubject": ("http://ns.adobe.com/lightroom/1.0/", "hierarchicalSubject", "Bag"),
    "digiKam:TagsList": ("http://www.digikam.org/ns/1.0/", "TagsList", "Seq"),
}
"""Namespace, name and kind of list of the properties that words may be put into."""
_ENCODING = re.compile(rb"^(?:\xef\xbb\xbf)?\s*<\?xml[^>]*encoding\s*=\s*[\"'](?!utf-8[\"'])", re.IGNORECASE)
_CLOSING = re.compile(rb"</(?:([^\s:>/]+):)?([^\s:>/]+)\s*>")


def merged(block: bytes, words: Mapping[str, Sequence[str]]) -> bytes:
    """The XMP with the words that its lists lack; the same bytes where they have them all. `words` are by property, one of `LISTS`.

    Raises ValueError, with the reason, where that cannot be done by inserting alone.

    >>> rdf = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    >>> dc = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    >>> inner = "<dc:subject><rdf:Bag><rdf:li>barn</rdf:li></rdf:Bag></dc:subject>"
    >>> before = f'<rdf:RDF {rdf} {dc}><rdf:Description>{inner}</rdf:Description></rdf:RDF>'.encode()
    >>> after = merged(before, {"dc:subject": ["barn", "owl"]})
    >>> after == before.replace(b"</rdf:Bag>", b"<rdf:li>owl</rdf:li></rdf:Bag>")
    True
    """
    before = read_xmp(block)
    found = _read(block)
    asked = {name: dict.fromkeys(filter(None, map(_shown, wanted))) for name, wanted in words.items()}
    lacking = {name: [one for one in wanted if one not in before.get(name, ())] for name, wanted in asked.items()}
    pieces: list[tuple[int, bytes]] = []
    whole: list[str] = []
    rdf_prefix = _prefix(block, found.rdf_end, "RDF")
    for name, missing in lacking.items():
        if not missing:
            continue
        space, local, kind = LISTS[name]
        if name in before and name not in found.ends:
            raise ValueError(f"its {name} is no list")
        if name in found.ends:
            pieces.append(
                (found.ends[name], _items(missing, _prefix(block, found.ends[name], found.kinds[name])).encode())
            )
        else:
            lead = f"{rdf_prefix}:" if rdf_prefix else ""
            prefix = name.partition(":")[0]
            inner = f"<{lead}{kind}>{_items(missing, rdf_prefix)}</{lead}{kind}>"
            whole.append(f"<{prefix}:{local} xmlns:{prefix}={quoteattr(space)}>{inner}</{prefix}:{local}>")
    if whole:
        lead = f"{rdf_prefix}:" if rdf_prefix else ""
        about = f"{lead}about" if lead else "about"
        text = f"<{lead}Description {about}={quoteattr(found.about)}>{''.join(whole)}</{lead}Description>"
        pieces.append((found.rdf_end, text.encode()))
    after = block
    for place, piece in sorted(pieces, reverse=True):
        after = after[:place] + piece + after[place:]
    expected = {**before, **{name: [*before.get(name, []), *missing] for name, missing in lacking.items() if missing}}
    if read_xmp(after) != expected:
        raise ValueError("the words could not be told from what is there")
    return after


@dataclass
class _Found:
    """Where lists end in a block, in bytes."""

    rdf_end: int = -1
    about: str = ""
    ends: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)


def _read(block: bytes) -> _Found:
    """Where things end. Raises ValueError for what is not plain enough."""
    if len(block) > MAX_BYTES:
        raise ValueError(f"it has {len(block)} bytes")
    if _ENCODING.match(block) or b"\0" in block:
        raise ValueError("it is not in UTF-8")
    block.decode("utf-8")
    parser = expat.ParserCreate(namespace_separator="|")
    found, path, abouts = _Found(), [], set[str]()
    names = {f"{space}|{local}": name for name, (space, local, _) in LISTS.items()}
    lists = {f"{RDF}|{kind}": kind for kind in ("Bag", "Seq")}

    def start(name: str, attributes: dict[str, str]) -> None:
        path.append(name)
        if len(path) > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        if name == f"{RDF}|Description" and path[-2:-1] == [f"{RDF}|RDF"]:
            abouts.add(attributes.get(f"{RDF}|about", attributes.get("about", "")))
        if any(key in names for key in attributes):
            raise ValueError("it has a list as an attribute")

    def end(name: str) -> None:
        at = parser.CurrentByteIndex
        owner = path[-2] if len(path) > 1 else ""
        if name in lists and owner in names and path[-4:-2] == [f"{RDF}|RDF", f"{RDF}|Description"]:
            if names[owner] in found.ends:
                raise ValueError(f"it has {names[owner]} twice")
            found.ends[names[owner]], found.kinds[names[owner]] = at, lists[name]
        if name == f"{RDF}|RDF":
            if found.rdf_end >= 0:
                raise ValueError("it has two blocks of RDF")
            found.rdf_end = at
        path.pop()

    def doctype(*_: object) -> None:
        raise ValueError("it declares a document type")

    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, doctype
    try:
        parser.Parse(block, True)
    except expat.ExpatError as error:
        raise ValueError(f"it is no XML: {error}") from error
    if found.rdf_end < 0 or len(abouts) > 1:
        raise ValueError("it has no RDF" if found.rdf_end < 0 else "it is about several things")
    found.about = next(iter(abouts), "")
    return found


def _prefix(block: bytes, place: int, name: str) -> str:
    """The prefix of the closing tag at a byte. Raises ValueError where none of that name stands there, as of an empty list in one tag."""
    closing = _CLOSING.match(block, place)
    if closing is None or closing[2].decode() != name:
        raise ValueError(f"its {name} has no closing tag of its own")
    return (closing[1] or b"").decode()


def _items(words: Iterable[str], prefix: str) -> str:
    tag = f"{prefix}:li" if prefix else "li"
    return "".join(f"<{tag}>{escape(word)}</{tag}>" for word in words)


def _shown(word: str) -> str:
    """A word as it is read back."""
    return " ".join(word.split())
