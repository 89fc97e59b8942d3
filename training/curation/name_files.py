"""Files of common names, each read into a backbone, so that its names are looked up on the disk and by their lineage."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import parquet

from cladescope.delimited import DelimitedText, local_opener
from cladescope.delimited.headers import squash
from cladescope.errors import InputError
from cladescope.taxonomy import RANKS
from cladescope.taxonomy.backbone import Backbone
from cladescope.taxonomy.name_parser import parse_name

logger = logging.getLogger(__name__)

_COMMON: Final = ("common_name", "common", "vernacular_name", "vernacular")
_SCIENTIFIC: Final = ("scientific_name", "canonical_name", "name", "taxon")
_TABLES: Final = (".csv", ".tsv", ".txt", ".tab", ".parquet", ".json")


@dataclass(frozen=True, eq=False)
class NameFile:
    """A file of common names."""

    names: Backbone
    has_ranks: bool
    """Whether its rows say more of a taxon than a scientific name."""


@dataclass(frozen=True)
class _Chosen:
    """The columns of a table that are read: its ranks by their names, or the scientific name."""

    ranks: Mapping[str, str]
    scientific: str
    common: str


def name_file(path: Path, folder: Path) -> NameFile:
    """The common names in a file; what is made of it is kept in a folder.

    A file is a table with some of the seven ranks and `common_name`, one with `scientific_name` and `common_name`, a JSON object of scientific and
    common names as BioCLIP's `scientific_to_common.json`, TreeOfLife's list of ranks and common names in JSON, or a published taxonomy with a file of common names (a zip or a folder).

    Raises InputError where it cannot be read, or has no column of common names or none to know a taxon by.
    """
    held = _held(path)
    if held is None:
        return NameFile(Backbone.build([path], folder), has_ranks=True)
    if not isinstance(held, _Chosen):
        return NameFile(_built(_by_name(held.items(), path), path, folder), has_ranks=False)
    if held.ranks:
        table = _table(path, [*held.ranks.values(), held.common]).rename_columns([*held.ranks, "common_name"])
        return NameFile(_built(_ranked(table, path), path, folder), has_ranks=True)
    one, other = _table(path, [held.scientific, held.common]).columns
    listed = zip(one.to_pylist(), other.to_pylist(), strict=True)
    return NameFile(_built(_by_name(listed, path), path, folder), has_ranks=False)


def check_name_file(path: Path) -> None:
    """Raises InputError where `name_file` would find no names in a file, by the head of a table; other files are read whole, a published taxonomy not."""
    _held(path)


def _held(path: Path) -> _Chosen | Mapping[str, str] | None:
    """What of a table is read, or the pairs of a JSON object; None for a published taxonomy, or a list as TreeOfLife's. Raises InputError for what is none of these."""
    if not path.exists():
        raise InputError(f"{path} is not there, expected a file of common names: check names.common_names")
    if path.is_dir() or path.suffix.lower() == ".zip":
        return None
    if path.suffix.lower() not in _TABLES:
        raise InputError(
            f"{path} ends in {path.suffix!r}, expected a file of common names: one of {', '.join(_TABLES)}"
        )
    if _is_list(path):
        return None
    pairs = _object_of(path)
    if pairs is not None:
        return pairs
    columns = _columns(path)
    common = next((columns[squash(name)] for name in _COMMON if squash(name) in columns), None)
    if common is None:
        raise InputError(
            f"{path} has the columns {', '.join(columns.values())}, none of common names: expected common_name"
        )
    if set(RANKS) & columns.keys():
        kept = {rank: columns[rank] for rank in RANKS if rank in columns}
        if "species" not in kept and squash("scientific_name") in columns:
            kept["species"] = columns[squash("scientific_name")]
        return _Chosen(kept, "", common)
    scientific = next((columns[squash(name)] for name in _SCIENTIFIC if squash(name) in columns), None)
    if scientific is None:
        raise InputError(
            f"{path} has the columns {', '.join(columns.values())}, none to know a taxon by: expected scientific_name, or some of {', '.join(RANKS)}"
        )
    return _Chosen({}, scientific, common)


def _is_list(path: Path) -> bool:
    """Whether a file is a list in JSON, as TreeOfLife's of its taxa."""
    if path.suffix.lower() != ".json":
        return False
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.read(1 << 10).lstrip().startswith("[[")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): expected scientific and common names") from error


def _object_of(path: Path) -> Mapping[str, str] | None:
    """The pairs of a JSON object; None for any other file."""
    if path.suffix.lower() != ".json":
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}): expected scientific and common names") from error
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise InputError(f"{path} is no JSON object of texts: expected scientific names and their common names")
    return found


def _columns(path: Path) -> dict[str, str]:
    """The columns of a table by their squashed names."""
    if path.suffix.lower() == ".parquet":
        try:
            names = list(parquet.read_schema(path).names)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]})") from error
    else:
        names = list(DelimitedText(str(path), local_opener(path)).columns)
    return {squash(name): name for name in reversed(names)}


def _table(path: Path, columns: list[str]) -> pa.Table:
    """Some columns of a table, as text."""
    if path.suffix.lower() == ".parquet":
        found = parquet.read_table(path, columns=columns).select(columns)
    else:
        batches = DelimitedText(str(path), local_opener(path)).batches(columns)
        found = pa.table({name: pa.array([], pa.string()) for name in columns})
        parts = [pa.Table.from_batches([batch]).select(columns) for batch in batches]
        found = pa.concat_tables(parts) if parts else found
    return pa.table({name: found[name].cast(pa.string()) for name in columns})


def _ranked(table: pa.Table, path: Path) -> pa.Table:
    """Rows with ranks, but those of a subspecies or of a species in doubt: a species is not called as they are."""
    if "species" not in table.column_names:
        return table
    genera = table["genus"].to_pylist() if "genus" in table.column_names else [None] * len(table)
    written = table["species"].to_pylist()
    kept: list[bool] = []
    names: list[str | None] = []
    for genus, species in zip(genera, written, strict=True):
        is_epithet = bool(genus and species and species[:1].islower())
        found = parse_name(f"{genus} {species}" if is_epithet else species or "")
        kept.append(not (found.infraspecific or found.qualifier))
        # A word alone is the taxon of the row once more, as `scientificName` has it.
        names.append(found.species or (species if is_epithet else None))
    _tell_left_out(path, kept)
    at = table.column_names.index("species")
    return table.set_column(at, "species", pa.array(names, pa.string())).filter(pa.array(kept, pa.bool_()))


def _by_name(pairs: Iterable[tuple[str | None, str | None]], path: Path) -> pa.Table:
    """Names of several words as species, of one as genera: at which rank is not asked where names alone are known."""
    rows: dict[str, list[str | None]] = {"genus": [], "species": [], "common_name": []}
    kept: list[bool] = []
    for scientific, common in pairs:
        if scientific and common:
            found = parse_name(scientific)
            kept.append(not (found.infraspecific or found.qualifier))
            if kept[-1]:
                rows["genus"].append(None if found.species else found.name or scientific)
                rows["species"].append(found.species)
                rows["common_name"].append(common)
    _tell_left_out(path, kept)
    return pa.table({name: pa.array(values, pa.string()) for name, values in rows.items()})


def _tell_left_out(path: Path, kept: list[bool]) -> None:
    if n := kept.count(False):
        logger.warning("%s: %d common names of subspecies or of species in doubt are not used", path, n)


def _built(table: pa.Table, path: Path, folder: Path) -> Backbone:
    folder.mkdir(parents=True, exist_ok=True)
    if not table.num_rows or not table["common_name"].null_count < table.num_rows:
        raise InputError(f"{path} holds no common names: expected rows with a taxon and its common name")
    file = folder / "names.parquet"
    parquet.write_table(table, file)
    return Backbone.build([file], folder / "backbone", release=path.name)
