"""An audit as one page that opens offline: every doubtful picture with its file name, and keys to keep, fix or drop it.

The page itself is `page.html`. What is decided there is saved as a table that `relabel` applies (`analysis.decision_table`).
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from shlex import quote
from typing import Any

from cladescope.analysis.audit.row_words import end_of, files_of, groups_of, lines_of
from cladescope.analysis.audit.run import TABLES, Audit
from cladescope.analysis.decision_table import COLUMNS
from cladescope.embedding.thumbnail import photograph
from cladescope.errors import PictureError
from cladescope.schema import LABEL
from cladescope.shown import counted, shown

SHOWN = 120
"""Pictures of each table that the page shows; each takes some 10 kB."""
SIDE = 240
TITLES = {
    "label_errors": ("Labels that may be wrong", "These look more like pictures of another name, which Fix suggests."),
    "duplicates": (
        "The same picture more than once",
        "Groups of equal or nearly equal pictures. Drop what you do not need twice.",
    ),
    "leaks": (
        "In two parts of the data",
        "The same picture or observation in parts that should share none, such as train and test, or in two stores.",
    ),
    "outliers": (
        "Unlike the others of their name",
        "Far from other pictures of their own name: odd views, other things, bad crops.",
    ),
}
"""Of each table what it is called on the page, and what its pictures are."""


def audit_page(audit: Audit, *, store: str = "") -> str:
    """The page of an audit of `store`, as HTML without any other file. Reads the pictures that it shows."""
    tables = [_table(name, getattr(audit, name)) for name in TITLES if getattr(audit, name)]
    names = {
        end_of(row[key])
        for name in TABLES
        for row in getattr(audit, name)
        for key in ("lineage", "suggested")
        if row.get(key)
    }
    data = {
        "key": f"cladescope audit {store} {audit.summary['pictures']}",
        "verdict": _verdict(audit),
        "command": f"cladescope relabel {quote(store) if store else 'STORE'} decisions.csv",
        "columns": COLUMNS,
        "level": level_of(audit),
        "names": sorted(names),
        "tables": tables,
    }
    script = json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    page = resources.files("cladescope.analysis.audit").joinpath("page.html").read_text(encoding="utf-8")
    head, tail = page.split("@DATA@")
    title = escape(shown(f"Audit of {Path(store).name}" if store else "Audit"))
    return head.replace("@TITLE@", title) + script + tail


def level_of(audit: Audit) -> str:
    """What new labels are: `label` where labels were doubted, else `taxon`."""
    return LABEL if list(audit.summary.get("label_errors_by_rank", {})) == [LABEL] else "taxon"


def decisions_of(audit: Audit) -> list[dict[str, str]]:
    """A table of decisions about every picture of an audit, in which nothing is decided yet."""
    level = level_of(audit)
    rows: dict[str, dict[str, str]] = {}
    for name in TITLES:
        for row in getattr(audit, name):
            given, suggested = row["lineage"] or "", row.get("suggested", "")
            about = {"image_id": row["image_id"], "uri": row["uri"], "table": name, "level": level}
            rows.setdefault(
                row["image_id"],
                {**about, "given": given, "suggested": suggested, "decision": "", "new_label": suggested},
            )
    return list(rows.values())


def _verdict(audit: Audit) -> str:
    words = {
        "label_errors": ("may have a wrong label", "may have a wrong label"),
        "duplicates": ("is there more than once", "are there more than once"),
        "leaks": ("is in two parts of the data", "are in two parts of the data"),
        "outliers": ("is unlike the others of its name", "are unlike the others of their name"),
    }
    counts = [counted(len(rows), *said) for name, said in words.items() if (rows := getattr(audit, name))]
    n = f"{counted(audit.summary['pictures'], 'picture')} looked at"
    return f"{n}: {', '.join(counts)}." if counts else f"{n}, and nothing to doubt."


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    title, hint = TITLES[name]
    some = rows[:SHOWN]
    return {
        "name": name,
        "title": title,
        "hint": hint,
        "n_rows": len(rows),
        "rows": [
            _row(row, group, file) for row, group, file in zip(some, groups_of(some), files_of(some), strict=True)
        ],
    }


def _row(row: Mapping[str, Any], group: str, file: str) -> dict[str, Any]:
    return {
        "id": row["image_id"], "uri": row["uri"], "file": file, "given": row["lineage"] or "", "lines": lines_of(row),
        "suggested": row.get("suggested", ""), "looks": end_of(row.get("suggested", "")), "group": group, "thumb": _thumb(row["uri"]),
    }  # fmt: skip


def _thumb(uri: str) -> str:
    """A small JPEG of a picture as an address; empty where it cannot be read."""
    try:
        return photograph(uri, SIDE)
    except PictureError:
        return ""
