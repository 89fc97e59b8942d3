"""Tables of what a person decided of doubtful pictures: keep the label, give another one, or drop the picture.

Such a table is what `audit` writes and its page saves: a row a picture, with `image_id`, `decision` (keep, fix, drop, or nothing
yet) and, for fix, `new_label`: a taxon, or any words where labels are meant (`level` is `label`). `relabel` applies it
(`analysis.classify.decided`).
"""

import csv
from dataclasses import dataclass
from pathlib import Path

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
    line: int = 0


def are_decisions(path: Path) -> bool:
    """Whether a file is a table of decisions, and not of labels."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            line = file.readline()
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    head = next(csv.reader([line], delimiter=_delimiter(line)), [])
    return {"image_id", "decision"} <= {name.strip().lower() for name in head}


def read_decisions(path: Path) -> list[Decision]:
    """What a table says of each picture, once; rows of nothing decided too.

    Raises InputError for a word that is no decision, a fix without a new label, or two decisions of one picture.
    """
    found: dict[str, Decision] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            delimiter = _delimiter(file.readline())
            file.seek(0)
            reader = csv.DictReader(file, delimiter=delimiter)
            for row in reader:
                one = _decision(path, reader.line_num, {(k or "").strip().lower(): v for k, v in row.items()})
                before = found.get(one.image_id)
                if before is not None and before.decision and one.decision and not _agree(before, one):
                    raise InputError(
                        f"{path} decides twice about {one.image_id!r}, in lines {before.line} and {one.line}: leave one"
                    )
                if before is None or not before.decision:
                    found[one.image_id] = one
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error}): save it as CSV in UTF-8") from error
    return list(found.values())


def _decision(path: Path, line: int, row: dict[str, str | None]) -> Decision:
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


def _delimiter(line: str) -> str:
    """What a spreadsheet put between the cells of a header."""
    return max(",;\t", key=line.count)
