"""XMP sidecars: what was said of a picture as keywords in `NAME.EXT.xmp` beside it, as digiKam and darktable call theirs; the picture stays as it is.

Written are `dc:subject` (the names, flat), `lr:hierarchicalSubject` and `digiKam:TagsList` (the lineage as a path), and in a namespace
of our own the score and what made it. Into a sidecar that another program wrote, or that was changed since, only the names are put that its lists
lack (`xmp_merging`): nothing that stands in it is changed.
Format: ISO 16684-1; names of the lists as https://exiftool.org/TagNames/XMP.html has them.
"""

import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from cladescope.analysis.classify.answers import Prediction
from cladescope.analysis.classify.said import is_named, name_said
from cladescope.analysis.classify.xmp_merging import merged
from cladescope.embedding.locations import file_of, local_path
from cladescope.embedding.regions import split_region
from cladescope.files import replacing, write_text
from cladescope.steps import counted
from cladescope.taxonomy import RANKS

SUFFIX = ".xmp"
_SEAL = re.compile(r'cladescope:seal="([0-9a-f]*)"')
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(kw_only=True)
class Sidecars:
    """What became of sidecars."""

    written: int = 0
    replaced: int = 0
    """Of these, took the place of one that was written by an earlier run."""
    same: int = 0
    """Had all names already."""
    merged: int = 0
    """Sidecars of another program, or changed ones, that names were put into; nothing else in them is other than it was."""
    of_others: int = 0
    """Such sidecars that are left as they are, since nothing can be put into them safely."""
    why_left: str = ""
    """Why the first of those."""
    not_known: int = 0
    """Pictures that nothing was named on: no sidecar."""
    no_file: int = 0
    refused: int = 0
    reason: str = ""
    """Why the first of the refused could not be written."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def write_sidecars(predicted: Iterable[tuple[str, Prediction]], *, made_by: Mapping[str, str]) -> Sidecars:
    """Write a sidecar beside each picture, an address and what was said first of it. Of a picture's boxes all names stand in one sidecar."""
    found = Sidecars()
    said: dict[Path, list[Prediction]] = {}
    for uri, answer in predicted:
        address = split_region(uri)[0]
        path = local_path(address)
        if path is None or file_of(address) != path or not Path(path).is_file():
            found.no_file += 1
        elif not is_named(answer):
            found.not_known += 1
        else:
            said.setdefault(Path(path), []).append(answer)
    for picture, answers in counted(said.items(), "writing sidecars", len(said)):
        try:
            _write(picture.with_name(picture.name + SUFFIX), answers, made_by, found)
        except OSError as error:
            found.refused += 1
            found.reason = found.reason or f"{picture.name}: {error.strerror or error}"
    return found


def sidecar(answers: Iterable[Prediction], made_by: Mapping[str, str]) -> str:
    """The XMP of what was said of one picture, sealed: a hash in it tells whether it was changed since.

    >>> "<rdf:li>Aves|Parus</rdf:li>" in sidecar([{"class": "Aves", "genus": "Parus", "score": 0.9}], {})
    True
    """
    answers = list(answers)
    lists = keywords(answers)
    score = min((float(answer["score"]) for answer in answers if "score" in answer), default=0.0)
    by = ", ".join(value for key, value in made_by.items() if value and key in ("encoder", "classes"))
    text = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:cladescope="urn:cladescope:predicted:"
    cladescope:seal=""
    cladescope:score="{score:.4f}"
    cladescope:by={_quoted(by)}
    xmp:CreatorTool={_quoted(f"Cladescope {made_by.get('cladescope', '')}".strip())}>
   <dc:subject><rdf:Bag>{_items(lists["dc:subject"])}</rdf:Bag></dc:subject>
   <lr:hierarchicalSubject><rdf:Bag>{_items(lists["lr:hierarchicalSubject"])}</rdf:Bag></lr:hierarchicalSubject>
   <digiKam:TagsList><rdf:Seq>{_items(lists["digiKam:TagsList"])}</rdf:Seq></digiKam:TagsList>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""
    return text.replace('cladescope:seal=""', f'cladescope:seal="{_hash(text)}"', 1)


def keywords(answers: Sequence[Prediction]) -> dict[str, list[str]]:
    """What was said of one picture as the words of each list: names alone, and the lineage as a path.

    >>> keywords([{"class": "Aves", "genus": "Parus", "score": 0.9}])["digiKam:TagsList"]
    ['Aves/Parus']
    """
    paths = list(dict.fromkeys(tuple(_path(answer)) for answer in answers))
    words = dict.fromkeys(name for path in paths for name in reversed(path))
    words |= dict.fromkeys(str(answer["common_name"]) for answer in answers if answer.get("common_name"))
    lists: dict[str, Iterable[str]] = {
        "dc:subject": words,
        "lr:hierarchicalSubject": ("|".join(name.replace("|", "/") for name in path) for path in paths),
        "digiKam:TagsList": ("/".join(name.replace("/", "-") for name in path) for path in paths),
    }
    return {name: [_NO_XML.sub(" ", word) for word in of] for name, of in lists.items()}


def is_ours(text: str) -> bool:
    """Whether a sidecar is as it was written here: nothing of it was changed since."""
    seal = _SEAL.search(text)
    return seal is not None and _hash(text.replace(seal[0], 'cladescope:seal=""', 1)) == seal[1]


def _write(path: Path, answers: Sequence[Prediction], made_by: Mapping[str, str], found: Sidecars) -> None:
    text = sidecar(answers, made_by)
    if path.exists() or path.is_symlink():
        before = b"" if path.is_symlink() else path.read_bytes()
        if before == text.encode():
            found.same += 1
            return
        if not is_ours(before.decode("utf-8", "replace")):
            _merge(path, before, answers, found)
            return
        found.replaced += 1
    write_text(path, text)
    found.written += 1


def _merge(path: Path, before: bytes, answers: Sequence[Prediction], found: Sidecars) -> None:
    """Put names into a sidecar that is not ours, or leave it as it is."""
    try:
        if path.is_symlink():
            raise ValueError("it is a link")
        after = merged(before, keywords(answers))
    except ValueError as error:
        found.of_others += 1
        found.why_left = found.why_left or f"{path.name}: {error}"
        return
    if after == before:
        found.same += 1
        return
    with replacing(path) as draft:
        draft.write_bytes(after)
        shutil.copymode(path, draft)
    found.merged += 1


def _path(answer: Prediction) -> list[str]:
    """The names of an answer from the widest to the narrowest."""
    names = [str(answer[rank]) for rank in RANKS if answer.get(rank)]
    return names or [name_said(answer)]


def _items(words: Iterable[str]) -> str:
    return "".join(f"<rdf:li>{escape(_NO_XML.sub(' ', word))}</rdf:li>" for word in words)


def _quoted(text: str) -> str:
    return '"' + escape(_NO_XML.sub(" ", text), {'"': "&quot;", "\n": " ", "\t": " "}) + '"'


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
