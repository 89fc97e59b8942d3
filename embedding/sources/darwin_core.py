"""Darwin Core archives, as GBIF and its publishers hand them out: occurrences, and pictures in an extension or of each occurrence.

A record is a picture of an occurrence, known by both: a picture twice in an occurrence is one, a picture of two occurrences is
two. What the files are is said by `meta.xml` (`meta_xml`), what is kept by `darwin_core_terms`, and `darwin_core_sql` joins.
"""

import logging
from collections.abc import Collection, Mapping

from cladescope.delimited.encoding import Opener
from cladescope.embedding.records import Source
from cladescope.embedding.sources.darwin_core_sql import (
    add_media,
    choose_pictures,
    make_occurrences,
    picture_rows,
    split_media,
)
from cladescope.embedding.sources.darwin_core_terms import OCCURRENCE_TERMS, PICTURE_TERMS
from cladescope.embedding.sources.headed import numbered_text
from cladescope.embedding.sources.joined import Joining
from cladescope.embedding.sources.meta_xml import MAX_BYTES, Part, read_meta, usual_parts
from cladescope.embedding.sources.package import Package, table_of
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError

logger = logging.getLogger(__name__)

CORES = ("Occurrence", "SimpleDarwinRecord")
"""Kinds of cores whose rows are occurrences."""
PICTURES = ("Multimedia", "Image")
"""Kinds of extensions whose rows are media."""
_KEYS = ("gbifID", "id", "coreid", "coreId", "occurrenceID")
"""Columns that join files without a `meta.xml`, the preferred first."""
_OF_PICTURES = frozenset(term for terms in PICTURE_TERMS.values() for term in terms)


def open_package(package: Package, *, name: str | None, rules: TableRules, allowed: Collection[str]) -> Source:
    """The pictures of an archive, an occurrence's together, in the order of the occurrences.

    Memory: that of `Joining`. Raises InputError for an archive that cannot be read, of another core than occurrences, or without
    pictures, and says why.
    """
    core, *extensions = _parts(package)
    media = [part for part in extensions if part.row_type in PICTURES]
    if ignored := [location for part in extensions if part not in media for location in part.locations]:
        logger.warning("%s: no pictures are expected in %s, which is not read", package.place, ", ".join(ignored))
    with Joining() as joining:
        terms = _read(package, joining, "core", core, OCCURRENCE_TERMS)
        defaults = {term: value for term, value in core.defaults.items() if term in OCCURRENCE_TERMS}
        make_occurrences(joining, "core", terms, defaults, has_key=core.key is not None or core.by_header)
        for number, part in enumerate(media):
            there = _read(package, joining, f"extension_{number}", part, _OF_PICTURES)
            add_media(joining, f"extension_{number}", there, part.defaults)
        if not media:
            if "associatedMedia" not in {*terms, *defaults}:
                raise InputError(
                    f"{package.place} has no pictures: neither an extension of the type Multimedia nor the term "
                    "associatedMedia; ask for an archive with media"
                )
            split_media(joining, core.separators.get("associatedMedia"))
        left_out = choose_pictures(joining)
        if not joining.count("FROM picture"):
            why = ", ".join(f"{words} {n:,}" for words, n in left_out.items() if n) or "no occurrences"
            raise InputError(f"{package.place} has no pictures ({why}): ask for an archive with media")
        rows = joining.rows(*picture_rows(joining, sorted({*terms, *defaults})))
    return table_of(package, rows, name=name, rules=rules, allowed=allowed, left_out=left_out)


def _parts(package: Package) -> list[Part]:
    """The core and the extensions, by `meta.xml` or by the usual names of GBIF's files."""
    if not package.holds("meta.xml"):
        logger.warning("%s has no meta.xml: its files are taken for those of a download of GBIF", package.place)
        return usual_parts()
    place = package.address("meta.xml")
    parts = read_meta(package.content("meta.xml", MAX_BYTES), place)
    core = parts[0]
    if core.row_type not in CORES:
        raise InputError(
            f"{place} has a core of the type {core.row_type or 'that it leaves out'}: expected Occurrence; ask for an "
            "archive of occurrences"
        )
    for part in parts:
        lost = next((one for one in part.locations if not package.holds(one)), None)
        if lost is not None and (part.is_core or part.row_type in PICTURES):
            raise InputError(f"{place} names the file {lost}, which {package.place} lacks: download the archive again")
        if part.key is None and len(parts) > 1:
            what = "<id index> of its core" if part.is_core else f"<coreid index> of its extension {part.row_type}"
            raise InputError(f"{place} lacks the {what}: it says which rows belong together; write the archive again")
    return parts


def _read(package: Package, joining: Joining, table: str, part: Part, wanted: Collection[str]) -> list[str]:
    """Put those of the wanted terms that the files of a part have into a table, with its `key`; which these are."""
    terms: dict[str, int] = {}
    for location in part.locations:
        place = package.address(location)
        opener = package.opener(location)
        columns, key = (part.columns, part.key) if not part.by_header else _of_header(opener, place)
        terms = {term: column for term, column in columns.items() if term in wanted}
        places = {"key": 0 if key is None else key, **terms}
        text = numbered_text(place, opener, part.dialect, codec=part.codec, header_lines=part.header_lines)
        _check(package, place, places, text.columns, part.dialect.delimiter)
        joining.read(table, text, {name: str(column) for name, column in places.items()})
    return list(terms)


def _of_header(opener: Opener, place: str) -> tuple[dict[str, int], int]:
    """Terms by the header of a file of tabs, and the column that joins it to others."""
    with opener() as stream:
        names = stream.readline(2**20).decode("utf-8-sig", "replace").strip("\r\n").split("\t")
    columns = {name.strip(): number for number, name in enumerate(names)}
    key = next((columns[name] for name in _KEYS if name in columns), None)
    if key is None:
        raise InputError(
            f"{place} has none of the columns {', '.join(_KEYS)}: name its columns in a meta.xml beside it"
        )
    return columns, key


def _check(package: Package, place: str, places: Mapping[str, int], columns: Collection[str], delimiter: str) -> None:
    """Raises InputError where a term has a column that the file has not."""
    for term, column in places.items():
        if column >= len(columns):
            what = "the id" if term == "key" else term
            raise InputError(
                f"{package.address('meta.xml')} says that {what} is column {column}, counted from 0, and {place} has "
                f"{len(columns)} columns between {delimiter!r}: correct the index or fieldsTerminatedBy"
            )
