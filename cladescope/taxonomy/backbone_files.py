"""The tables of published taxonomies: delimited text, Parquet, and archives of Darwin Core (a zip or a folder of them).

Says of each table what kind it is, by its columns, and gives its rows as text. What the rows mean is said elsewhere.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal
from xml.etree import ElementTree

import pyarrow as pa
from pyarrow import parquet

from cladescope.delimited import DelimitedText, local_opener
from cladescope.delimited.encoding import ByteStream, Opener
from cladescope.delimited.headers import squash
from cladescope.errors import InputError
from cladescope.json_list import json_entries
from cladescope.taxonomy.taxon import RANKS

Kind = Literal["taxa", "vernacular", "birds", "ranks"]
_ENDINGS: Final = (".tsv", ".csv", ".txt", ".tab", ".parquet")
_BATCH: Final = 1 << 16
_META_BYTES: Final = 1 << 20


@dataclass(frozen=True, eq=False)
class TaxonomyTable:
    """One table of a taxonomy; memory for reading is a few blocks of it."""

    place: str
    """What messages call it."""
    kind: Kind
    columns: dict[str, str]
    """The table's column of each term, the term in small letters and without prefix: `scientificname`."""
    text: DelimitedText | Path
    """A `Path` is that of a Parquet file or of a JSON list."""

    def batches(self, terms: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows, with a column of text for each term that the table has.

        Raises InputError for a damaged table, with its line.
        """
        wanted = {term: self.columns[term] for term in dict.fromkeys(terms) if term in self.columns}
        if isinstance(self.text, DelimitedText):
            batches = self.text.batches(list(wanted.values()))
        elif self.text.suffix.lower() == ".json":
            batches = _json_batches(self.text, list(wanted.values()))
        else:
            batches = _parquet_batches(self.text, list(wanted.values()))
        for batch in batches:
            yield pa.record_batch([batch[column] for column in wanted.values()], names=list(wanted))


def taxonomy_tables(path: Path) -> list[TaxonomyTable]:
    """The tables in a file, a zip or a folder, the taxa first.

    Raises InputError where there is none, or one is damaged or of no known kind.
    """
    if path.is_dir():
        return _archive(path, {entry.name: local_opener(entry) for entry in sorted(path.iterdir()) if entry.is_file()})
    if not path.is_file():
        raise InputError(f"{path} is not a file, expected a taxonomy: Taxon.tsv, a zip of it, a table with ranks")
    if path.suffix.lower() == ".zip":
        return _archive(path, dict(_members(path)))
    if path.suffix.lower() == ".parquet":
        try:
            names = parquet.read_schema(path).names
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]})") from error
        return [_table(str(path), _terms(names), path)]
    if path.suffix.lower() == ".json":
        first = next(json_entries(path), None)
        names = list(first) if isinstance(first, dict) else [*RANKS, "common_name"] if _is_entry(first) else []
        return [_table(str(path), _terms(names), path)]
    text = DelimitedText(str(path), local_opener(path))
    return [_table(str(path), _terms(text.columns), text)]


def _terms(names: Sequence[str]) -> dict[str, str]:
    """Columns by term: a term's address and its prefix make no difference, nor do case, blanks, `_` and `-`."""
    return {squash(re.split(r"[/#:]", name.strip())[-1]): name for name in reversed(names)}


def _kind(terms: dict[str, str]) -> Kind | None:
    names = terms.keys()
    if {"taxonid", "vernacularname"} <= names and not {"scientificname", "taxonrank"} <= names:
        return "vernacular"
    if {"taxonid", "taxonrank"} <= names and names & {"scientificname", "canonicalname"}:
        return "taxa"
    if {"sciname", "order", "family"} <= names:
        return "birds"
    return "ranks" if set(RANKS) & names else None


def _table(place: str, terms: dict[str, str], text: DelimitedText | Path) -> TaxonomyTable:
    kind = _kind(terms)
    if kind is None:
        raise InputError(
            f"{place} has the columns {', '.join(list(terms.values())[::-1][:8])}: expected taxonID, scientificName and "
            f"taxonRank, or taxonID and vernacularName, or some of {', '.join(RANKS)}"
        )
    return TaxonomyTable(place, kind, terms, text)


def _members(path: Path) -> Iterator[tuple[str, Opener]]:
    """The files of a zip, by name without folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [one.filename for one in archive.infolist() if not one.is_dir() and "__MACOSX" not in one.filename]
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(
            f"{path} cannot be read as a zip ({error}): it is damaged or cut off, fetch it again"
        ) from error
    for name in names:
        yield Path(name).name, _member(path, name)


def _member(path: Path, name: str) -> Opener:
    @contextmanager
    def opened() -> Iterator[ByteStream]:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
                yield stream
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
            raise InputError(
                f"{name} of {path} cannot be read ({error}): the zip is damaged, fetch it again"
            ) from error

    return opened


def _archive(path: Path, files: dict[str, Opener]) -> list[TaxonomyTable]:
    """The tables of an archive: those that its `meta.xml` names, else those whose columns are known."""
    described = _described(path, files["meta.xml"]) if "meta.xml" in files else {}
    found: list[TaxonomyTable] = []
    for name, opener in files.items():
        if Path(name).suffix.lower() not in _ENDINGS or Path(name).suffix.lower() == ".parquet":
            continue
        if described and name not in described:
            continue
        place = f"{path}:{name}"
        text = DelimitedText(place, opener)
        terms = _terms(text.columns)
        if _kind(terms) is None and name in described:
            if described[name].no_header:
                raise InputError(
                    f"{place} has no header line (its meta.xml says ignoreHeaderLines 0): write one with the terms"
                )
            terms |= {term: text.columns[at] for at, term in described[name].terms.items() if at < len(text.columns)}
        if (kind := _kind(terms)) is not None:
            found.append(TaxonomyTable(place, kind, terms, text))
    if missing := described.keys() - files.keys():
        raise InputError(
            f"{path} lacks {sorted(missing)[0]}, which its meta.xml names: the archive is cut off, fetch it again"
        )
    if not any(table.kind != "vernacular" for table in found):
        shown = ", ".join(list(files)[:8]) or "no file"
        raise InputError(
            f"{path} holds {shown}: expected a table of taxa such as Taxon.tsv (of the Catalogue of Life the Darwin Core archive)"
        )
    return sorted(found, key=lambda table: table.kind == "vernacular")


@dataclass(frozen=True, slots=True)
class _Described:
    """What a `meta.xml` says of a table: the term of each column by its place, and whether its first line is a row."""

    terms: dict[int, str]
    no_header: bool


def _described(path: Path, opener: Opener) -> dict[str, _Described]:
    """Of each table of taxa or of common names that a `meta.xml` names, what it says."""
    with opener() as stream:
        written = stream.read(_META_BYTES)
    if b"<!DOCTYPE" in written or b"<!ENTITY" in written:
        raise InputError(f"meta.xml of {path} declares entities, which no archive needs: mend it")
    try:
        root = ElementTree.fromstring(written)
    except ElementTree.ParseError as error:
        raise InputError(f"meta.xml of {path} is no XML ({error}): the archive is damaged, fetch it again") from error
    found: dict[str, _Described] = {}
    for part in root:
        kind = part.get("rowType", "").rpartition("/")[2].lower()
        locations = [one.text.strip() for one in part.iter() if one.tag.endswith("location") and one.text]
        if kind not in ("taxon", "vernacularname") or not locations:
            continue
        terms = {}
        for one in part:
            tag = one.tag.rpartition("}")[2]
            if tag in ("id", "coreid") and one.get("index", "").isdigit():
                terms[int(one.get("index", ""))] = "taxonid"
        for one in part:
            if one.tag.rpartition("}")[2] == "field" and one.get("index", "").isdigit():
                terms[int(one.get("index", ""))] = squash(re.split("[/#:]", one.get("term", ""))[-1])
        found[Path(locations[0]).name] = _Described(terms, part.get("ignoreHeaderLines", "0").strip() == "0")
    return found


def _is_entry(entry: object) -> bool:
    """Whether an entry is TreeOfLife's: [[kingdom, ..., genus, epithet], common name]."""
    return isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], list) and len(entry[0]) == len(RANKS)


def _json_batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The entries of a list: objects with ranks, or TreeOfLife's."""
    entries = json_entries(path)
    while part := list(islice(entries, _BATCH)):
        if not all(isinstance(entry, dict) or _is_entry(entry) for entry in part):
            raise InputError(
                f"{path} holds entries of several kinds: expected objects with ranks, or [[names], common name]"
            )
        whole = [
            entry if isinstance(entry, dict) else dict(zip((*RANKS, "common_name"), (*entry[0], entry[1]), strict=True))
            for entry in part
        ]
        told = [[entry.get(name) for entry in whole] for name in columns]
        texts = [pa.array([value if isinstance(value, str) else None for value in one], pa.string()) for one in told]
        yield pa.record_batch(texts, names=columns)


def _parquet_batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH, columns=columns):
                yield pa.record_batch([batch[name].cast(pa.large_string()) for name in columns], names=columns)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InputError(f"{path} cannot be read as a taxonomy ({str(error).splitlines()[0]})") from error
