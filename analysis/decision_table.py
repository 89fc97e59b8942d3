"""Tables of what a person decided of doubtful pictures: keep the label, give another one, or drop the picture.

Such a table is what `audit` writes and its page saves: a row a picture, with `image_id`, `decision` (keep, fix, drop, or nothing
yet) and, for fix, `new_label`: a taxon, or any words where labels are meant (`level` is `label`). `relabel` applies it
(`analysis.classify.decided`).
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cladescope.delimited import Dialect, local_opener, read_text
from cladescope.delimited.dialect import HEAD_BYTES, find_dialect
from cladescope.errors import InputError

COLUMNS = ("image_id", "uri", "table", "level", "given", "suggested", "decision", "new_label")
"""Columns of a table of decisions; applying one needs `image_id`, `decision` and `new_label`."""
KEEP, FIX, DROP = "keep", "fix", "drop"
_WORDS = {
    "keep": KEEP,
    "k": KEEP,
    "ok": KEEP,
    "fix": FIX,
    "f": FIX,
    "relabel": FIX,
    "drop": DROP,
    "d": DROP,
    "delete": DROP,
    "": "",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided of one picture."""

    image_id: str
    decision: str
    new_label: str = ""
    level: str = ""
    """What the new label is: `label`, a rank, or anything else for a taxon of whatever rank."""
    line: int = 0


def are_decisions(path: Path) -> bool:
    """Whether a file is a table of decisions, also one that lacks a column that it needs, and not of labels."""
    try:
        text = read_text(str(path), local_opener(path))
    except InputError:
        return False
    names = set(_header(text, _dialect(path, text)))
    if "decision" in names:
        return not names.isdisjoint({"image_id", "new_label"})
    return {"suggested", "new_label"} <= names


def read_decisions(path: Path) -> list[Decision]:
    """What a table says of each picture, once; rows of nothing decided too. Its encoding and delimiter are found.

    Raises InputError for a table without a column that is needed, a row longer than the header, a word that is no decision,
    a fix without a new label, or two decisions of one picture.
    """
    text = read_text(str(path), local_opener(path))
    dialect = _dialect(path, text)
    header = _header(text, dialect)
    for name in ("image_id", "decision"):
        if name not in header:
            raise InputError(
                f"{path} is a table of decisions without the column {name}: keep the columns image_id, decision and new_label "
                "as `audit` wrote them"
            )
    found: dict[str, Decision] = {}
    try:
        for line, cells in islice(_rows(text, dialect), 1, None):
            if any(map(str.strip, cells[len(header) :])):
                raise InputError(
                    f"line {line} of {path} has {len(cells)} cells, expected {len(header)}: a text with {dialect.delimiter!r} in it "
                    "stands in quotes"
                )
            one = _decision(path, line, dict(zip(header, cells, strict=False)))
            before = found.get(one.image_id)
            if before is not None and before.decision and one.decision and not _agree(before, one):
                raise InputError(
                    f"{path} decides twice about {one.image_id!r}, in lines {before.line} and {one.line}: leave one"
                )
            if before is None or not before.decision:
                found[one.image_id] = one
    except csv.Error as error:
        raise InputError(f"{path} cannot be read ({error}): save it as CSV") from error
    return list(found.values())


def _decision(path: Path, line: int, row: dict[str, str]) -> Decision:
    said = (row.get("decision") or "").strip()
    decision = _WORDS.get(said.lower())
    if decision is None:
        raise InputError(f"line {line} of {path} decides {said!r}, expected keep, fix, drop or nothing")
    new = " ".join((row.get("new_label") or "").split())
    if decision == FIX and not new:
        raise InputError(f"line {line} of {path} says fix and has no new_label: write one")
    image_id = (row.get("image_id") or "").strip()
    if not image_id:
        raise InputError(f"line {line} of {path} has no image_id: keep that column as it was written")
    return Decision(image_id, decision, new, (row.get("level") or "").strip().lower(), line)


def _agree(one: Decision, other: Decision) -> bool:
    return (one.decision, one.new_label) == (other.decision, other.new_label)


def _dialect(path: Path, text: str) -> Dialect:
    head = text[:HEAD_BYTES]
    return find_dialect(head, str(path), whole=head == text)


def _header(text: str, dialect: Dialect) -> list[str]:
    """The names of the columns, in small letters."""
    _, first = next(_rows(text, dialect), (0, []))
    return [name.strip().lower() for name in first]


def _rows(text: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """The line where each row ends, and its cells, of which a hand may have left out the last ones; empty rows are none."""
    lines = islice(io.StringIO(text, newline=""), dialect.skipped, None)
    reader = csv.reader(lines, delimiter=dialect.delimiter)
    for cells in reader:
        if any(map(str.strip, cells)):
            yield reader.line_num + dialect.skipped, cells
