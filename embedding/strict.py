"""What rules did to the records of a source: counted, or refused where the caller wants none to be touched."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import pyarrow as pa

from cladescope.embedding.contradictions import Contradictions
from cladescope.embedding.prepare import Failure
from cladescope.embedding.records import Record
from cladescope.embedding.summary import EmbedSummary
from cladescope.errors import InputError
from cladescope.taxonomy import RANKS

_IS_SURE: Final = re.compile("accepted(, (gaps filled|common name given))*")
"""What a backbone said of a name where it took nothing for another and was in no doubt."""


def watched(records: Iterator[Record | Failure], summary: EmbedSummary, *, strict: bool) -> Iterator[Record | Failure]:
    """The records, with what was read as missing, how paths were read and which lineages contradict others counted in the summary.

    Raises InputError for the first one that a rule touched, where `strict`.

    >>> record = Record(image_id="a", uri="/a.jpg", source="s", missing=("NA",))
    >>> list(watched(iter([record]), EmbedSummary(), strict=True))
    Traceback (most recent call last):
    cladescope.errors.InputError: strict: /a.jpg: 'NA' is read as missing; mend the source, or do not ask for strict
    """
    lineages = Contradictions()
    summary.contradictions = lineages.found
    for record in records:
        contradiction = None
        if isinstance(record, Record):
            contradiction = lineages.see(record.labels)
            summary.missing.update(record.missing)
            summary.paths.update([record.path_rule] if record.path_rule else [])
        if strict and (rule := _rule(record) or contradiction) is not None:
            uri = record.uri if isinstance(record, Record) else record.record.uri
            refuse(f"{uri}: {rule}")
        yield record
        del record  # only the consumer may hold what it carries


def count_tags(records: Sequence[Record], fields: Sequence[pa.Field], summary: EmbedSummary, *, strict: bool) -> None:
    """Count what was found written into the files of pictures, and what of it could not be read; `strict` refuses that."""
    for record in records:
        summary.tags.update(field.name for field in fields if record.extra.get(field.name) is not None)
        summary.tag_problems.update(record.tag_problems)
        if strict and record.tag_problems:
            refuse(f"{record.uri}: {record.tag_problems[0]}")


def refuse(what: str) -> None:
    """Raises InputError about something that a rule touched."""
    raise InputError(f"strict: {what}; mend the source, or do not ask for strict")


def refuse_renamed(renamed: Mapping[str, str]) -> None:
    """Raises InputError where a column is kept under another name."""
    for column, name in renamed.items():
        refuse(f"column {column!r} would be kept as {name!r}")


def refuse_notes(notes: Iterable[str]) -> None:
    """Raises InputError where a source was read otherwise than as it stands."""
    for note in notes:
        refuse(note)


def refuse_left_out(left_out: Mapping[str, int]) -> None:
    """Raises InputError where a source leaves something out."""
    for words, n in left_out.items():
        refuse(f"left out: {words} {n:,}")


def backbone_doubt(labels: Mapping[str, str | None]) -> str | None:
    """What a backbone said of a record's name, where it took it for another or was in doubt; None where it only added to it.

    >>> backbone_doubt({"species": "Periparus ater", "verbatim_name": "Parus ater", "taxon_match": "synonym, gaps filled"})
    "the backbone says of 'Parus ater': synonym, gaps filled"
    """
    match = labels.get("taxon_match")
    if match is None or _IS_SURE.fullmatch(match):
        return None
    named = (labels.get(part) for part in ("verbatim_name", *reversed(RANKS)))
    return f"the backbone says of {next(filter(None, named), '')!r}: {match}"


def _rule(record: Record | Failure) -> str | None:
    """What touched a record, or None."""
    if isinstance(record, Failure):
        return f"refused: {record.reason}"
    if record.problem is not None:
        return f"refused: {record.problem}"
    if record.missing:
        return f"{record.missing[0]!r} is read as missing"
    if record.path_rule:
        return f"its path: {record.path_rule}"
    if doubt := backbone_doubt(record.labels):
        return doubt
    if record.labels.get("verbatim_name"):
        return f"{record.labels['verbatim_name']!r} is taken apart, the store keeps {record.labels.get('species')!r}"
    return "a name of its taxon is spelt otherwise in the store" if record.respelt else None
