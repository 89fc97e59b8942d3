"""A store's rows as a Darwin Core archive: occurrences and their pictures as tab-separated text, and the `meta.xml` over them.

Terms: Darwin Core, https://dwc.tdwg.org/terms/; pictures by GBIF's Multimedia extension, https://rs.gbif.org/terms/1.0/Multimedia.
Text in such a file is unquoted, so a tab or line break within a value becomes a blank.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from cladescope.delimited.headers import squash
from cladescope.embedding.labels import clean_labels
from cladescope.embedding.regions import split_region, written
from cladescope.embedding.sources.darwin_core_terms import OWN_TERMS
from cladescope.schema import NAME_COLUMNS, STORED_COLUMNS
from cladescope.taxonomy import RANKS


class Archive(NamedTuple):
    """What an archive says otherwise than the store."""

    split: int
    """Occurrences that were made since rows of one observation differ in more than the picture."""
    flattened: int
    """Texts in which a tab or line break became a blank."""
    left_out: tuple[str, ...]
    """Columns for which there is no term."""


_DWC = "http://rs.tdwg.org/dwc/terms/"
_DCTERMS = "http://purl.org/dc/terms/"
_BREAKS: Final = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_GBIF = "http://rs.gbif.org/terms/1.0/"
_OF_TAXA: Final = frozenset(
    {"taxonRank", "taxonKey", "acceptedTaxonKey", "taxonID", "taxonomicStatus", "acceptedScientificName"}
    | {"identificationQualifier"}
)
"""Terms that tell of the name as it came: corrected labels would contradict them."""
_OWN = tuple(term for term in OWN_TERMS if term not in {*_OF_TAXA, "occurrenceID", "datasetName"})
"""Terms that a source's own column of that name, in any spelling, fills."""
_ALSO: Final = {"decimalLatitude": "latitude", "decimalLongitude": "longitude"}
"""Columns that fill a term where there is none of its own name."""
_NAMES = ("scientificName", "taxonRank", *RANKS, "specificEpithet", "vernacularName")
_PARTS = ("scientificNameAuthorship", "infraspecificEpithet", "identificationQualifier", "verbatimIdentification")
_OCCURRENCE = ("occurrenceID", "datasetName", *_NAMES, *_PARTS)
_MULTIMEDIA = ("occurrenceID", "type", "identifier", "description", "license", "rightsHolder")
_OF_PICTURES: Final = ("creator", "title", "created")
"""Terms of pictures that a source's own column of that name fills."""
_MADE: Final = frozenset({"attribution", "parent_uri", "box"})
"""Columns that an export adds."""
_SAID: Final = frozenset(map(squash, (*_NAMES, *_PARTS, "occurrenceID", "scientific_name", "species_epithet")))
"""Columns of sources whose content the archive says from the labels."""
_BESIDE: Final = ("species", "infraspecific", "authorship", "qualifier", "verbatim_name")
_SPLIT, _FLATTENED = "split", "flattened"


def write_archive(draft: Path, blocks: Iterator[pa.RecordBatch]) -> Archive:
    """Write `occurrence.txt`, `multimedia.txt` and `meta.xml` to a folder, and say what could not stay as it was.

    An occurrence is an `observation_id`, or a row of the store where that is null. Rows of one observation that differ in their
    taxon, or in anything else but the picture, are occurrences of their own: `ID`, `ID#2`, ... `identifier` is the address of the
    picture, and `description` the box where the row is a region of it. Memory: the ids of all occurrences.
    """
    described: dict[str, list[bytes]] = {}
    counts: Counter[str] = Counter()
    own, of_pictures, left_out = dict[str, str](), dict[str, str](), tuple[str, ...]()
    with (
        (draft / "occurrence.txt").open("w", encoding="utf-8", newline="") as occurrences,
        (draft / "multimedia.txt").open("w", encoding="utf-8", newline="") as pictures,
    ):
        for batch in blocks:
            if not described:
                there = {squash(name): name for name in batch.schema.names}
                own = _columns(_OWN, there)
                of_pictures = _columns(_OF_PICTURES, there)
                used = {*own.values(), *of_pictures.values()} | STORED_COLUMNS | NAME_COLUMNS | _MADE
                left_out = tuple(name for name in batch.schema.names if name not in used and squash(name) not in _SAID)
                occurrences.write(_line((*_OCCURRENCE, *own), counts))
                pictures.write(_line((*_MULTIMEDIA, *of_pictures), counts))
            for row in batch.drop_columns(["vector"] if "vector" in batch.schema.names else []).to_pylist():
                told = [row["source"], *_names(row), *(row[column] for column in own.values())]
                key, is_new = _key(row, told, described, counts)
                if is_new:
                    occurrences.write(_line([key, *told], counts))
                parent, box = split_region(row["uri"])
                place = None if box is None else f"box {written(box)}"
                medium = [key, "StillImage", parent, place, row["licence"], row["rights_holder"]]
                pictures.write(_line([*medium, *(row[column] for column in of_pictures.values())], counts))
    meta = _table("core", f"{_DWC}Occurrence", "occurrence.txt", (*_OCCURRENCE, *own))
    media = (*_MULTIMEDIA, *of_pictures)
    meta += _table("extension", f"{_GBIF}Multimedia", "multimedia.txt", media)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<archive xmlns="http://rs.tdwg.org/dwc/text/">\n{meta}</archive>\n'
    (draft / "meta.xml").write_text(text, encoding="utf-8", newline="")
    return Archive(counts[_SPLIT], counts[_FLATTENED], left_out)


def _columns(terms: Sequence[str], there: Mapping[str, str]) -> dict[str, str]:
    """The column that fills each of some terms; `there` holds the store's columns by their names without case and signs."""
    found = {term: there.get(squash(term)) or there.get(_ALSO.get(term, "")) for term in terms}
    return {term: column for term, column in found.items() if column is not None}


def _key(
    row: Mapping[str, object], told: Sequence[object], described: dict[str, list[bytes]], counts: Counter[str]
) -> tuple[str, bool]:
    """Id of the occurrence that a row is of, and whether it is a new one; `described` is what was told of each before."""
    key = str(row["observation_id"] or row["image_id"])
    digest = hashlib.blake2b(repr(told).encode(), digest_size=8).digest()
    known = described.setdefault(key, [])
    is_new = digest not in known
    if is_new:
        known.append(digest)
        counts[_SPLIT] += len(known) > 1
    place = known.index(digest)
    return (key if place == 0 else f"{key}#{place + 1}"), is_new


def _names(row: Mapping[str, object]) -> list[object]:
    """Values of `_NAMES` and `_PARTS`: the name as it came where it means the taxon that is stored, else the stored one.

    The authors and subspecies of a name that is a synonym of the stored one are not said of that.
    """
    deepest = next((rank for rank in reversed(RANKS) if row[rank] is not None), None)
    words = str(row["species"] or "").removeprefix("× ").split(" ")
    is_candidatus = words[0] == "Candidatus"
    verbatim = row.get("verbatim_name")
    ranks = {rank: None if row[rank] is None else str(row[rank]) for rank in RANKS}
    again = clean_labels({**ranks, "scientific_name": str(verbatim)}) if verbatim else {}
    stays = bool(verbatim) and all(again.get(part) == row.get(part) for part in _BESIDE)
    infraspecific = str(row.get("infraspecific") or "").split(" ")[-1] if stays else None
    return [
        verbatim if stays else None if deepest is None else row[deepest],
        deepest,
        *ranks.values(),
        None if is_candidatus else " ".join(words[1:]),
        row["common_name"],
        row.get("authorship") if stays else None,
        infraspecific,
        row.get("qualifier"),
        verbatim,
    ]


def _line(values: Sequence[object], counts: Counter[str]) -> str:
    texts = ["" if value is None else str(value) for value in values]
    counts[_FLATTENED] += sum(_BREAKS.search(text) is not None for text in texts)
    return "\t".join(" ".join(text.split()) for text in texts) + "\n"


def _table(kind: str, row_type: str, file: str, terms: Sequence[str]) -> str:
    """The part of `meta.xml` that describes one file."""
    key = "id" if kind == "core" else "coreid"
    places = {*_MULTIMEDIA[1:], *_OF_PICTURES}
    fields = "".join(
        f"    <field index={quoteattr(str(place))} term={quoteattr((_DCTERMS if term in places else _GBIF if term == 'species' else _DWC) + term)}/>\n"
        for place, term in enumerate(terms)
        if kind == "core" or place
    )
    return (
        f'  <{kind} encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" fieldsEnclosedBy="" ignoreHeaderLines="1" '
        f"rowType={quoteattr(row_type)}>\n    <files><location>{file}</location></files>\n"
        f'    <{key} index="0"/>\n{fields}  </{kind}>\n'
    )
