"""Lists of what to exclude, as they are written: taxa as paths, names or tables, pictures as ids or names of files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cladescope.delimited import local_opener, read_text
from cladescope.embedding.labels import clean_labels
from cladescope.errors import InputError
from cladescope.taxonomy import RANKS, Taxon
from cladescope.training.data.exclusion import read_path


def read_taxa(path: Path) -> tuple[Taxon | str, ...]:
    """The distinct taxa of a list; a text is a name alone, of which the list does not say more.

    A list is a text with a path a line (`A > B > C`, or seven names joined by `-`), JSON (a list of these, an object whose keys are these as in BioCLIP's
    `unseen_in_training.json`, or a list of objects with ranks), a table with ranks, or any of these with names alone (`Genus species`).

    Raises InputError where it is missing, damaged, or names no taxon.
    """
    _check_there(path)
    found = _json(path) if path.suffix.lower() == ".json" else None
    entries: list[Taxon | str]
    if isinstance(found, Mapping) or (isinstance(found, list) and all(isinstance(one, str) for one in found)):
        entries = [_entry(path, text) for text in found]
    else:
        from cladescope.analysis.classify.name_lists import read_listed  # loads LanceDB
        from cladescope.analysis.classify.taxon_lists import taxa_of

        listed = read_listed(path)
        entries = [*taxa_of(listed.table), *(_entry(path, text) for text in listed.names)]
    if not entries:
        raise InputError(f"{path} names no taxon: expected a path a line, JSON, or a table with ranks")
    return tuple(dict.fromkeys(entries))


def read_ids(path: Path) -> tuple[str, ...]:
    """The distinct ids or names of files of a list: a line each, or JSON with these as its values.

    Raises InputError where it is missing, damaged, or names none.
    """
    _check_there(path)
    if path.suffix.lower() == ".json":
        found = list(_texts(_json(path)))
    else:
        found = [line.strip() for line in read_text(str(path), local_opener(path)).splitlines()]
    if not any(found):
        raise InputError(f"{path} names no picture: expected an id or the name of a file a line, or JSON of these")
    return tuple(dict.fromkeys(filter(None, found)))


def _entry(path: Path, text: str) -> Taxon | str:
    """The taxon of a path; the clean name where a text has no more."""
    if ">" in text or text.count("-") >= (len(RANKS) - 1 if " " in text else 2):
        try:
            return read_path(text)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    rank = "species" if len(text.split()) > 1 else "genus"
    taxon = Taxon.from_ranks(clean_labels({rank: text}))
    if taxon is None or taxon.rank != rank:
        raise InputError(
            f"{path} names {text!r}: expected a path such as 'Animalia > Chordata > Aves', seven names joined by '-', or 'Genus species'"
        )
    return taxon.name


def _texts(value: object) -> Iterator[str]:
    """All texts and numbers among the values of JSON."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif value is not None:
        yield str(value).strip()


def _json(path: Path) -> Any:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no JSON ({error}): expected an object or a list") from error
    if not isinstance(found, dict | list):
        raise InputError(f"{path} holds {type(found).__name__}: expected an object or a list")
    return found


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path} is not there: expected a list of what to exclude")
