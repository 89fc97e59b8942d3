"""A store's rows as a Darwin Core archive: occurrences and their pictures as tab-separated text, and the `meta.xml` over them.

Terms: Darwin Core, https://dwc.tdwg.org/terms/; pictures by GBIF's Multimedia extension, https://rs.gbif.org/terms/1.0/Multimedia.
Text in such a file is unquoted, so a tab or line break within a value becomes a blank.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from cladescope.delimited.headers import squash
from cladescope.embedding.regions import split_region, written
from cladescope.taxonomy import RANKS

_DWC = "http://rs.tdwg.org/dwc/terms/"
_DCTERMS = "http://purl.org/dc/terms/"
_OWN = (
    *("basisOfRecord", "eventDate", "year", "month", "day", "decimalLatitude", "decimalLongitude", "country"),
    *("countryCode", "locality", "recordedBy", "identifiedBy", "sex", "lifeStage", "individualCount"),
)
"""Terms that a source's own column of that name, in any spelling, fills."""
_OCCURRENCE = ("occurrenceID", "scientificName", "taxonRank", *RANKS[:-1], "specificEpithet", "vernacularName")
_MULTIMEDIA = ("occurrenceID", "type", "identifier", "description", "license", "rightsHolder")


def write_archive(draft: Path, blocks: Iterator[pa.RecordBatch]) -> None:
    """Write `occurrence.txt`, `multimedia.txt` and `meta.xml` to a folder.

    An occurrence is an `observation_id`, or a row of the store where that is null; it is described by the first of its rows.
    `identifier` is the address of the picture, and `description` the box where the row is a region of it. Memory: the ids of
    all occurrences.
    """
    done, own = set[str](), dict[str, str]()
    with (
        (draft / "occurrence.txt").open("w", encoding="utf-8", newline="") as occurrences,
        (draft / "multimedia.txt").open("w", encoding="utf-8", newline="") as pictures,
    ):
        pictures.write(_line(_MULTIMEDIA))
        for batch in blocks:
            if not done:
                there = {squash(name): name for name in batch.schema.names}
                own = {term: there[squash(term)] for term in _OWN if squash(term) in there}
                occurrences.write(_line((*_OCCURRENCE, *own)))
            for row in batch.drop_columns(["vector"] if "vector" in batch.schema.names else []).to_pylist():
                key = str(row["observation_id"] or row["image_id"])
                if key not in done:
                    done.add(key)
                    occurrences.write(_line([key, *_names(row), *(row[column] for column in own.values())]))
                parent, box = split_region(row["uri"])
                place = None if box is None else f"box {written(box)}"
                pictures.write(_line([key, "StillImage", parent, place, row["licence"], row["rights_holder"]]))
    meta = _table("core", f"{_DWC}Occurrence", "occurrence.txt", (*_OCCURRENCE, *own))
    meta += _table("extension", "http://rs.gbif.org/terms/1.0/Multimedia", "multimedia.txt", _MULTIMEDIA)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<archive xmlns="http://rs.tdwg.org/dwc/text/">\n{meta}</archive>\n'
    (draft / "meta.xml").write_text(text, encoding="utf-8", newline="")


def _names(row: Mapping[str, object]) -> list[object]:
    """Scientific name, its rank, the ranks above the species, the epithet, the common name."""
    deepest = next((rank for rank in reversed(RANKS) if row[rank] is not None), None)
    species = str(row["species"] or "")
    return [
        None if deepest is None else row[deepest],
        deepest,
        *(row[rank] for rank in RANKS[:-1]),
        species.partition(" ")[2],
        row["common_name"],
    ]


def _line(values: Sequence[object]) -> str:
    return "\t".join(" ".join(str(value).split()) if value is not None else "" for value in values) + "\n"


def _table(kind: str, row_type: str, file: str, terms: Sequence[str]) -> str:
    """The part of `meta.xml` that describes one file."""
    key = "id" if kind == "core" else "coreid"
    places = set(_MULTIMEDIA[1:])
    fields = "".join(
        f"    <field index={quoteattr(str(place))} term={quoteattr((_DCTERMS if term in places else _DWC) + term)}/>\n"
        for place, term in enumerate(terms)
        if kind == "core" or place
    )
    return (
        f'  <{kind} encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" fieldsEnclosedBy="" ignoreHeaderLines="1" '
        f"rowType={quoteattr(row_type)}>\n    <files><location>{file}</location></files>\n"
        f'    <{key} index="0"/>\n{fields}  </{kind}>\n'
    )
