"""What exported files hold, as Croissant: JSON-LD by which data sets are found and loaded.

Croissant 1.1, https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html, on top of schema.org's Dataset; where the
vectors come from is told in PROV-O's words, as the specification asks. Nothing is invented: what neither the store nor the
user says is left out, and named.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.types as kinds

import cladescope
from cladescope.embedding.encoder import EncoderCard
from cladescope.errors import InputError
from cladescope.licences import read_licence
from cladescope.taxonomy import RANKS

NAME = "croissant.json"
CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
WANTED = ("name", "description", "license", "url", "creator", "datePublished")
"""What Croissant requires of a data set, beside its files."""
MOST_CREATORS = 100
"""Rights holders who are named as creators; a table of pictures may have thousands."""
MEDIA_TYPES = {".parquet": "application/x-parquet", ".csv": "text/csv", ".npy": "application/x-npy"}

_DWC = "http://rs.tdwg.org/dwc/terms/"
_MEANING = {
    **{rank: _DWC + rank for rank in RANKS[:-1]},
    "species": f"{_DWC}scientificName",
    "common_name": f"{_DWC}vernacularName",
    "observation_id": f"{_DWC}occurrenceID",
    "licence": "http://purl.org/dc/terms/license",
    "rights_holder": "http://purl.org/dc/terms/rightsHolder",
}
"""Columns that mean what a term of another vocabulary means."""
_SAID = {
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


def read_about(path: Path) -> dict[str, Any]:
    """What a user says of a data set: a JSON object of schema.org's and Croissant's properties (name, creator, url, citeAs, ...).

    Raises InputError where the file cannot be read or holds something else.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a file: expected one of JSON, an object of properties")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}): expected an object of properties") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds a {type(found).__name__}, expected a JSON object of properties, such as name")
    if taken := [name for name in found if name.startswith("@") or name in ("distribution", "recordSet", "conformsTo")]:
        raise InputError(f"{path} gives {taken[0]!r}, which describes the files themselves: leave it out")
    return found


def describe(
    folder: Path,
    schema: pa.Schema,
    *,
    n_rows: int,
    rights: Rights,
    card: EncoderCard,
    store: str,
    version: int,
    vectors: str | None = None,
    about: Mapping[str, Any],
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The document about the files in `folder`, whose table has the columns of `schema`, and what Croissant asks for and nobody said.

    `store` is the store's name and `version` that of its pictures, `vectors` the name of the vectors that were written, None for
    its own. `about` goes before what is found here.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix in MEDIA_TYPES)
    table = next(path for path in files if path.suffix != ".npy")
    now = datetime.now(UTC)
    encoder = f"encoder {card.name}, weights {card.weight_hash or 'unknown'}"
    encoder += "" if vectors is None else f" (the store's vectors {vectors})"
    title = str(about.get("name") or store)
    found: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": title,
        "description": _description(n_rows, files, rights, encoder),
        "license": [_licence(name) for name, _ in rights.licences.most_common()],
        "creator": [{"@type": "Person", "name": name} for name, _ in rights.holders.most_common(MOST_CREATORS)],
        "version": f"{version}.0.0",
        "dateCreated": now.isoformat(timespec="seconds"),
        "datePublished": now.date().isoformat(),
        "citeAs": _citation(title, now.year, n_rows, rights),
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": f"export of version {version} of the store {store}",
            "prov:endedAtTime": now.isoformat(timespec="seconds"),
            "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": f"cladescope {cladescope.__version__}"},
        },
        **about,
        "distribution": [_file(path) for path in files],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "pictures",
                "name": "pictures",
                "description": "One record a picture, or a region of one.",
                "key": {"@id": "pictures/image_id"},
                "field": list(_fields(schema, table.name, encoder)),
            }
        ],
    }  # fmt: skip
    document = {name: value for name, value in found.items() if value not in (None, "", [])}
    return document, tuple(name for name in WANTED if name not in document)


def _description(n_rows: int, files: list[Path], rights: Rights, encoder: str) -> str:
    parts = [f"{n_rows:,} pictures of organisms, with names and vectors of the {encoder}."]
    if any(path.suffix == ".npy" for path in files):
        parts.append("Row i of vectors.npy, from 0, is the vector of record i.")
    if rights.without_licence:
        parts.append(f"Of {rights.without_licence:,} pictures no licence is known.")
    if len(rights.licences) > 1:
        parts.append("Licences differ from picture to picture: see the field licence.")
    if len(rights.holders) > MOST_CREATORS:
        parts.append(
            f"Of {len(rights.holders):,} rights holders the {MOST_CREATORS} with most pictures are named as creators; "
            "the field attribution names each."
        )
    return " ".join(parts)


def _citation(title: str, year: int, n_rows: int, rights: Rights) -> str:
    """A BibTeX entry; braces of a title would end it."""
    names = [name for name, _ in rights.holders.most_common(5)]
    authors = " and ".join(f"{{{_plain(name)}}}" for name in names) + (" and others" if len(rights.holders) > 5 else "")
    key = re.sub(r"\W+", "", _plain(title)).lower() or "pictures"
    author = f" author = {{{authors}}}," if names else ""
    return (
        f"@misc{{{key}{year},{author} title = {{{_plain(title)}}}, year = {{{year}}}, "
        f"note = {{{n_rows} pictures, each with an attribution of its own}}}}"
    )


def _plain(text: str) -> str:
    return re.sub(r"[{}\\]", "", text)


def _licence(name: str) -> str | dict[str, str]:
    """A licence as Croissant wants it: its address where that is known for certain, else its name.

    >>> _licence("CC BY-NC 4.0"), _licence("cc0"), _licence("Ask me")
    ('https://creativecommons.org/licenses/by-nc/4.0/', 'https://creativecommons.org/publicdomain/zero/1.0/', {'@type': 'CreativeWork', 'name': 'Ask me'})
    """
    bare = name.strip()
    if bare.startswith(("http://", "https://")):
        return bare
    found = read_licence(bare)
    if found is not None and found.address is not None:
        return found.address
    return {"@type": "CreativeWork", "name": bare}


def _file(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": MEDIA_TYPES[path.suffix],
        "sha256": digest,
    }


def _fields(schema: pa.Schema, table: str, encoder: str) -> Iterator[dict[str, Any]]:
    """The columns of the table; in text a list is JSON, thus text."""
    is_text = table.endswith(".csv")
    for column in schema:
        if is_text and column.name == "vector":
            continue
        is_list = (
            kinds.is_list(column.type) or kinds.is_large_list(column.type) or kinds.is_fixed_size_list(column.type)
        )
        one: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"pictures/{quote(column.name, safe='')}",
            "name": column.name,
            "dataType": "sc:Text" if is_text and is_list else _type(column.type.value_type if is_list else column.type),
            "source": {"fileObject": {"@id": table}, "extract": {"column": column.name}},
        }
        if column.name in _SAID:
            one["description"] = _SAID[column.name]
        if column.name in _MEANING:
            one["equivalentProperty"] = _MEANING[column.name]
        if is_list and not is_text:
            shape = column.type.list_size if kinds.is_fixed_size_list(column.type) else -1
            one |= {"isArray": True, "arrayShape": str(shape)}
        if column.name == "vector":
            one["prov:wasAttributedTo"] = {"@type": "prov:SoftwareAgent", "prov:label": encoder}
        yield one


def _type(type_: pa.DataType) -> str:
    """Croissant's word for a column's type.

    >>> _type(pa.string()), _type(pa.float32()), _type(pa.int64()), _type(pa.timestamp("us"))
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
