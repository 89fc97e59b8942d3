"""What exported files hold, as Croissant: JSON-LD by which data sets are found and loaded.

Croissant 1.1, https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html, on top of schema.org's Dataset; where the
vectors come from is told in PROV-O's words, as the specification asks. Nothing is invented: what neither the store nor the
user says is left out, and named.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

import cladescope
from cladescope.embedding.encoder import EncoderCard
from cladescope.errors import InputError
from cladescope.index.croissant_parts import (
    CONFORMS_TO,
    CONTEXT,
    MEDIA_TYPES,
    MOST_CREATORS,
    Rights,
    check_about,
    citation,
    creators,
    fields_of,
    file_object,
    finished,
    licence_said,
    rights_said,
)

__all__ = ["MOST_CREATORS", "NAME", "Rights", "describe", "read_about"]

NAME = "croissant.json"


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
    check_about(found, str(path))
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
        "license": [licence_said(name) for name, _ in rights.licences.most_common()],
        "creator": creators(rights),
        "version": f"{version}.0.0",
        "dateCreated": now.isoformat(timespec="seconds"),
        "datePublished": now.date().isoformat(),
        "citeAs": citation(title, now.year, n_rows, rights),
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": f"export of version {version} of the store {store}",
            "prov:endedAtTime": now.isoformat(timespec="seconds"),
            "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": f"cladescope {cladescope.__version__}"},
        },
        **about,
        "distribution": [file_object(path) for path in files],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "pictures",
                "name": "pictures",
                "description": "One record a picture, or a region of one.",
                "key": {"@id": "pictures/image_id"},
                "field": list(fields_of(schema, table.name, encoder=encoder)),
            }
        ],
    }  # fmt: skip
    return finished(found)


def _description(n_rows: int, files: list[Path], rights: Rights, encoder: str) -> str:
    parts = [f"{n_rows:,} pictures of organisms, with names and vectors of the {encoder}."]
    if any(path.suffix == ".npy" for path in files):
        parts.append("Row i of vectors.npy, from 0, is the vector of record i.")
    return " ".join([*parts, *rights_said(rights)])
