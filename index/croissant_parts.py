"""What descriptions of data sets in Croissant are made of: the words of its context, rights, licences, files and fields.

Croissant 1.1, https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.types as kinds

from cladescope.errors import InputError
from cladescope.licences import read_licence
from cladescope.taxonomy import RANKS

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
WANTED = ("name", "description", "license", "url", "creator", "datePublished")
"""What Croissant requires of a data set, beside its files."""
MOST_CREATORS = 100
"""Rights holders who are named as creators; a table of pictures may have thousands."""
MEDIA_TYPES = {".parquet": "application/x-parquet", ".csv": "text/csv", ".npy": "application/x-npy"}

_DWC = "http://rs.tdwg.org/dwc/terms/"
MEANING: Mapping[str, str] = {
    **{rank: _DWC + rank for rank in RANKS[:-1]},
    "species": f"{_DWC}scientificName",
    "common_name": f"{_DWC}vernacularName",
    "observation_id": f"{_DWC}occurrenceID",
    "licence": "http://purl.org/dc/terms/license",
    "rights_holder": "http://purl.org/dc/terms/rightsHolder",
}
"""Columns that mean what a term of another vocabulary means."""
SAID: Mapping[str, str] = {
    "image_id": "Key of the picture.",
    "uri": "Address of the picture; `#box=x,y,width,height` for a region of one.",
    "source": "The collection that the picture is from.",
    "content_hash": "BLAKE2b (16 bytes) of the picture's file.",
    "attribution": "Whom to name with the picture, and its licence.",
    "vector": "The picture's vector, of unit length.",
}
_TERMS = (
    *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject", "fileProperty"),
    *("fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
    *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)  # fmt: skip
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS},
}
"""What the short words of the document stand for; the specification's appendix lists them."""


@dataclass
class Rights:
    """Whose the exported pictures are, and under which licences, by number of pictures."""

    holders: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    without_licence: int = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a block of rows."""
        self.holders.update(filter(None, batch.column("rights_holder").to_pylist()))
        self.licences.update(filter(None, batch.column("licence").to_pylist()))
        self.without_licence += batch.column("licence").null_count


def check_about(found: Mapping[str, Any], where: str) -> None:
    """Raise InputError where what is said of a data set describes its files, which is done here.

    >>> check_about({"name": "Birds"}, "about.json")
    """
    if taken := [name for name in found if name.startswith("@") or name in ("distribution", "recordSet", "conformsTo")]:
        raise InputError(f"{where} gives {taken[0]!r}, which describes the files themselves: leave it out")


def finished(found: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A document without what is empty, and what Croissant asks for that is not in it.

    >>> finished({"name": "Birds", "url": "", "creator": []})
    ({'name': 'Birds'}, ('description', 'license', 'url', 'creator', 'datePublished'))
    """
    document = {name: value for name, value in found.items() if value not in (None, "", [])}
    return document, tuple(name for name in WANTED if name not in document)


def creators(rights: Rights) -> list[dict[str, str]]:
    """Those who hold the rights to most pictures."""
    return [{"@type": "Person", "name": name} for name, _ in rights.holders.most_common(MOST_CREATORS)]


def rights_said(rights: Rights, where: str | None = None) -> list[str]:
    """Sentences of a description about licences and holders; empty where there is nothing to say. `where` says where a picture's own stand."""
    said = []
    if rights.without_licence:
        said.append(f"Of {rights.without_licence:,} pictures no licence is known.")
    if len(rights.licences) > 1:
        said.append(f"Licences differ from picture to picture: see {where or 'the field licence'}.")
    if len(rights.holders) > MOST_CREATORS:
        said.append(
            f"Of {len(rights.holders):,} rights holders the {MOST_CREATORS} with most pictures are named as creators; "
            f"{where or 'the field attribution'} name{'s' * (where is None)} each."
        )
    return said


def citation(title: str, year: int, n_rows: int, rights: Rights) -> str:
    """A BibTeX entry; braces of a title would end it."""
    names = [name for name, _ in rights.holders.most_common(5)]
    authors = " and ".join(f"{{{plain(name)}}}" for name in names) + (" and others" if len(rights.holders) > 5 else "")
    key = re.sub(r"\W+", "", plain(title)).lower() or "pictures"
    author = f" author = {{{authors}}}," if names else ""
    return (
        f"@misc{{{key}{year},{author} title = {{{plain(title)}}}, year = {{{year}}}, "
        f"note = {{{n_rows} pictures, each with an attribution of its own}}}}"
    )


def plain(text: str) -> str:
    """A text without what a BibTeX entry could not hold."""
    return re.sub(r"[{}\\]", "", text)


def licence_said(name: str) -> str | dict[str, str]:
    """A licence as Croissant wants it: its address where that is known for certain, else its name.

    >>> licence_said("CC BY-NC 4.0"), licence_said("cc0"), licence_said("Ask me")
    ('https://creativecommons.org/licenses/by-nc/4.0/', 'https://creativecommons.org/publicdomain/zero/1.0/', {'@type': 'CreativeWork', 'name': 'Ask me'})
    """
    bare = name.strip()
    if bare.startswith(("http://", "https://")):
        return bare
    found = read_licence(bare)
    if found is not None and found.address is not None:
        return found.address
    return {"@type": "CreativeWork", "name": bare}


def file_object(path: Path, name: str | None = None) -> dict[str, Any]:
    """A file of a data set, with its size and SHA-256; `name` is its place in the data set, by default the file's own name."""
    name = path.name if name is None else name
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": MEDIA_TYPES[path.suffix],
        "sha256": digest,
    }


def fields_of(
    schema: pa.Schema, table: str, *, record_set: str = "pictures", encoder: str | None = None,
    said: Mapping[str, str] = SAID, meaning: Mapping[str, str] = MEANING,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The columns of the table; in text a list is JSON, thus text. `said` and `meaning` describe columns by their names; `encoder` made the vectors."""
    is_text = table.endswith(".csv")
    for column in schema:
        if is_text and column.name == "vector":
            continue
        is_list = (
            kinds.is_list(column.type) or kinds.is_large_list(column.type) or kinds.is_fixed_size_list(column.type)
        )
        one: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{record_set}/{quote(column.name, safe='')}",
            "name": column.name,
            "dataType": "sc:Text"
            if is_text and is_list
            else data_type(column.type.value_type if is_list else column.type),
            "source": {"fileObject": {"@id": table}, "extract": {"column": column.name}},
        }
        if column.name in said:
            one["description"] = said[column.name]
        if column.name in meaning:
            one["equivalentProperty"] = meaning[column.name]
        if is_list and not is_text:
            shape = column.type.list_size if kinds.is_fixed_size_list(column.type) else -1
            one |= {"isArray": True, "arrayShape": str(shape)}
        if column.name == "vector" and encoder is not None:
            one["prov:wasAttributedTo"] = {"@type": "prov:SoftwareAgent", "prov:label": encoder}
        yield one


def data_type(type_: pa.DataType) -> str:
    """Croissant's word for a column's type.

    >>> data_type(pa.string()), data_type(pa.float32()), data_type(pa.int64()), data_type(pa.timestamp("us"))
    ('sc:Text', 'cr:Float32', 'cr:Int64', 'sc:DateTime')
    """
    if kinds.is_boolean(type_):
        return "sc:Boolean"
    if kinds.is_integer(type_) or kinds.is_floating(type_):
        word = "Float" if kinds.is_floating(type_) else "Int" if kinds.is_signed_integer(type_) else "UInt"
        return f"cr:{word}{type_.bit_width}"
    if kinds.is_date(type_):
        return "sc:Date"
    return "sc:DateTime" if kinds.is_timestamp(type_) else "sc:Text"
