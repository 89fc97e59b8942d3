"""An audit as files: one JSON document, tables as CSV and contact sheets."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL.Image import Image

from cladescope.analysis.audit.contact_sheet import Tile, draw, save
from cladescope.analysis.audit.page import TITLES, audit_page, decisions_of
from cladescope.analysis.audit.row_words import files_of, groups_of, lines_of
from cladescope.analysis.audit.run import TABLES, Audit
from cladescope.analysis.decision_table import COLUMNS
from cladescope.errors import InputError
from cladescope.files import replacing, write_json, write_text
from cladescope.shown import counted, formula_safe
from cladescope.steps import step

SHEET = 30
FILES = ("audit.json",)
"""By what an earlier audit in a folder is known."""
PAGE, DECISIONS = "audit.html", "decisions.csv"


def write_audit(
    audit: Audit, folder: Path, *, sheets: bool = True, safe_csv: bool = False, store: str = ""
) -> list[Path]:
    """Write audit.json, a CSV for each table, a sheet of the first 30 pictures of each table that has any, and a page and a
    table to decide on (`page`, `analysis.decision_table`), which name the `store`.

    With `safe_csv` no text in the tables is a formula to a spreadsheet (`shown.formula_safe`). A sheet of an earlier audit in the folder, whose table is empty now, is removed. Raises InputError where the folder
    cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tables: dict[str, list[dict[str, Any]]] = {name: getattr(audit, name) for name in TABLES}
        written.append(write_json(folder / "audit.json", {"summary": audit.summary, **tables}))
        for name, rows in tables.items():
            written.append(_write_csv(rows, folder / f"{name}.csv", safe=safe_csv))
            sheet = folder / f"{name}.png"
            sheet.unlink(missing_ok=True)
            if rows and sheets:
                with step(f"drawing {sheet.name}"):
                    written.append(save(_sheet(name, rows), sheet))
        if sheets:
            with step("drawing the page"):
                written.append(write_text(folder / PAGE, audit_page(audit, store=store)))
        written.append(_write_csv(decisions_of(audit), folder / DECISIONS, safe=safe_csv, columns=COLUMNS))
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}: choose another folder") from error
    return written


def _sheet(name: str, rows: Sequence[Mapping[str, Any]]) -> Image:
    """The first pictures of a table; four a row, so that pairs stay together."""
    some = rows[:SHEET]
    tiles = [
        Tile(row["uri"], (*lines_of(row), *([group] if group else []), file))
        for row, group, file in zip(some, groups_of(some), files_of(some), strict=True)
    ]
    of = f"{len(some)} of " * (len(some) < len(rows))
    return draw([], tiles, title=f"{TITLES[name][0]}: {of}{counted(len(rows), 'picture')}", n_columns=4)


def _write_csv(
    rows: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    safe: bool,
    columns: Sequence[str] = ("image_id", "uri", "lineage"),
) -> Path:
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else columns)
        writer.writeheader()
        writer.writerows({key: formula_safe(value) for key, value in row.items()} if safe else row for row in rows)
    return path
