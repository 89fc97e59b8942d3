"""What is in the folder, as Croissant: catalogue, provenance and licences as files, the shards of each split as sets of files.

Croissant 1.1, https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html. Nothing is invented, and no time of writing is told: dates are those of the
configuration's `about`.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

import cladescope
from cladescope.embedding.sources.walk import PICTURE_SUFFIXES
from cladescope.index.croissant_parts import (
    CONFORMS_TO,
    CONTEXT,
    MEANING,
    Rights,
    citation,
    creators,
    fields_of,
    file_object,
    finished,
    licence_said,
    rights_said,
)
from cladescope.training.curation.config import CurateConfig
from cladescope.training.curation.places import without_places

TABLES: Final = {
    "catalogue": ("catalog.parquet", "One record a picture: its split, taxon, source and shard."),
    "provenance": (
        "provenance.parquet",
        "One record a picture: where it came from, whose it is and under which licence.",
    ),
}
_DWC: Final = "http://rs.tdwg.org/dwc/terms/"
_MEANING: Final = {
    **MEANING,
    "species": f"{_DWC}specificEpithet",
    "scientific_name": f"{_DWC}scientificName",
    "common": f"{_DWC}vernacularName",
    "basisOfRecord": f"{_DWC}basisOfRecord",
    "license_name": MEANING["licence"],
    "copyright_owner": MEANING["rights_holder"],
}
_SAID: Final = {
    "uuid": "Key of the picture, and of its sample in the shards.",
    "split": "Part of the data set: train, val, test, or test_species, whose species are in no other.",
    "is_train_small": "Whether a picture of train is also in the smaller set train_small.",
    "species": "The epithet alone.",
    "source_url": "Address of the picture on the web; for one that lay on a disk what its source says of it (columns such as source_url), null where that is nothing.",
    "base_dataset_file_path": "Source, and the picture's place in it; null for a picture of the web.",
    "img_type": "What the organism is shown as.",
    "kind_confidence": "Where img_type was guessed: the share of such guesses that were right among held-out pictures.",
    "content_hash": "BLAKE2b (16 bytes) of the picture's file as it came.",
    "md5": "MD5 of the picture's file as it came.",
    "width": "Pixels across the picture as it came.",
    "height": "Pixels down the picture as it came.",
    "cluster": "Pictures of one number show the same or nearly the same.",
    "row": "Number of the record among all that were gathered.",
    "people": "Kinds of people, faces and hands that a detector found.",
    "taxon_match": "How the name was found in the backbone.",
    "common_name_from": "Which source the common name is from.",
    "common_name_rank": "Rank of the taxon whose name the common name is.",
}
_PURPOSES: Final = {
    "train": "cr:TrainingSplit",
    "val": "cr:ValidationSplit",
    "test": "cr:TestSplit",
    "test_species": "cr:TestSplit",
}


def describe_folder(
    out: Path, config: CurateConfig, splits: Mapping[str, int], rights: Rights
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The document, and what Croissant asks for that nobody said. `splits` is the number of pictures in each part."""
    about = without_places(dict(config.about))
    assert isinstance(about, dict)
    title = str(about.get("name") or config.title)
    n_rows = sum(splits.values())
    year = re.match(r"\d{4}", str(about.get("datePublished", "")))
    sources = [one.name for one in config.sources]
    words = [f"{n_rows:,} pictures of organisms from {', '.join(sources)}, with their taxa, as WebDataset shards."]
    parts = [name for name, n in splits.items() if n]
    endings = ["*.jpg"] if config.out.size else [f"*{suffix}" for suffix in sorted(PICTURE_SUFFIXES)]
    found: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": title,
        "description": " ".join([*words, *rights_said(rights, where="the fields license_name and copyright_owner of provenance")]),
        "license": _once(licence_said(name) for name, _ in rights.licences.most_common()),
        "creator": creators(rights),
        "citeAs": citation(title, int(year[0]), n_rows, rights) if year else None,
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": f"curation of {', '.join(sources)} with seed {config.seed}",
            "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": f"cladescope {cladescope.__version__}"},
        },
        **about,
        "distribution": [
            *(file_object(out / name) for name in ("catalog.parquet", "licenses.csv", "provenance.parquet")),
            *(one for part in parts for one in _file_sets(part, endings)),
        ],
        "recordSet": [
            _splits(parts),
            *(_table(out, name, file, said) for name, (file, said) in TABLES.items()),
            *(_samples(part) for part in parts),
        ],
    }  # fmt: skip
    return finished(found)


def _file_sets(part: str, endings: list[str]) -> list[dict[str, Any]]:
    """The shards of a part, and the pictures and texts in them."""
    shards = {
        "@type": "cr:FileSet",
        "@id": f"shards-{part}",
        "name": f"shards-{part}",
        "description": f"WebDataset shards of {part}.",
        "encodingFormat": "application/x-tar",
        "includes": f"shards/{part}/shard-*.tar",
    }
    inside = {"@type": "cr:FileSet", "containedIn": {"@id": f"shards-{part}"}}
    return [
        shards,
        {
            **inside, "@id": f"pictures-{part}", "name": f"pictures-{part}", "encodingFormat": "image/jpeg" if endings == ["*.jpg"] else "image/*",
            "includes": endings[0] if len(endings) == 1 else endings,
        },
        {**inside, "@id": f"texts-{part}", "name": f"texts-{part}", "encodingFormat": "text/plain", "includes": "*.sci_com.txt"},
    ]  # fmt: skip


def _splits(parts: list[str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": "sc:URL"},
        ],
        "data": [{"splits/name": part, "splits/url": _PURPOSES[part]} for part in parts],
    }


def _table(out: Path, name: str, file: str, said: str) -> dict[str, Any]:
    fields = list(fields_of(pq.read_schema(out / file), file, record_set=name, said=_SAID, meaning=_MEANING))
    for one in fields:
        if one["@id"] == "catalogue/split":
            one["references"] = {"field": {"@id": "splits/name"}}
        if one["@id"] == "provenance/uuid":
            one["references"] = {"field": {"@id": "catalogue/uuid"}}
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": said,
        "key": {"@id": f"{name}/uuid"},
        "field": fields,
    }


def _samples(part: str) -> dict[str, Any]:
    """A picture and its text, joined by the names of their files in the shards."""
    name = f"samples-{part}"

    def field(own: str, data_type: str, files: str, extract: Mapping[str, str], **more: Any) -> dict[str, Any]:
        source = {"fileSet": {"@id": f"{files}-{part}"}, "extract": extract}
        source |= {"transform": more.pop("transform")} if "transform" in more else {}
        return {
            "@type": "cr:Field",
            "@id": f"{name}/{own}",
            "name": own,
            "dataType": data_type,
            "source": source,
            **more,
        }

    key = {"regex": r"^([^.]+)\."}
    # Programs take two sets of files for joined only where one names the other, and not by a field.
    pictures = {"fileSet": {"@id": f"pictures-{part}"}, "extract": {"fileProperty": "filename"}, "transform": key}
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Pictures of {part} as they are in the shards.",
        "key": {"@id": f"{name}/uuid"},
        "field": [
            field("uuid", "sc:Text", "pictures", {"fileProperty": "filename"}, transform=key, references={"field": {"@id": "catalogue/uuid"}}),
            field("image", "sc:ImageObject", "pictures", {"fileProperty": "content"}),
            field("text_uuid", "sc:Text", "texts", {"fileProperty": "filename"}, transform=key, references=pictures),
            field("text", "sc:Text", "texts", {"fileProperty": "content"}),
        ],
    }  # fmt: skip


def _once(values: Iterable[Any]) -> list[Any]:
    """Values, each where it comes first: a licence may be written in several ways."""
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found
