"""What is said of the rows of an audit under their pictures, on its page and on its contact sheets alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from cladescope.analysis.duplicates.answer import shown_names
from cladescope.analysis.shares import percent
from cladescope.embedding.regions import split_region
from cladescope.shown import shown

ALIKE = {
    "exact": "the same file",
    "content_hash": "the same file",
    "near": "nearly the same",
    "near_duplicate": "nearly the same",
    "observation_id": "one observation",
    "parent": "parts of one picture",
}
"""Why pictures are in one group, by the word of its table."""
STORES = {"store": "in this store", "against": "in the other store"}


def end_of(lineage: str) -> str:
    """The narrowest name of a lineage."""
    return lineage.rpartition(" > ")[2]


def lines_of(row: Mapping[str, Any]) -> list[str]:
    """The given name, then what is doubtful.

    >>> lines_of({"lineage": "Aves > Parus major", "group": 3, "by": "content_hash", "side": "test"})
    ['named Parus major', 'in part test']
    """
    given = end_of(row["lineage"] or "")
    lines = [f"named {given}" if given else "no name given"]
    if "suggested" in row:
        sure = percent(row["confidence"]).replace(" ", "\N{NO-BREAK SPACE}")
        lines += [f"looks like {end_of(row['suggested'])}", f"another {row['part_at']}, {sure} of its neighbours"]
    if "z" in row:
        within = row["compared_within"]
        if row.get("by", "distance") != "lof":
            lines.append("compared with all pictures" if within == "all" else f"compared with all of its {within}")
        if row.get("by", "distance") != "distance":
            lines.append("apart from all others, whatever their name")
    if "side" in row:
        lines.append(_part(row))
    return [shown(line) for line in lines]


def groups_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of each row the name of its group, numbered from 1 in the order of the table; empty where rows stand alone.

    >>> groups_of([{"group": 7, "by": "near_duplicate"}, {"group": "against-2", "by": "content_hash"}, {"z": 4.0}])
    ['Group 1: nearly the same', 'Group 2: the same file', '']
    """
    numbers: dict[tuple[str, object], int] = {}
    found = []
    for row in rows:
        if "group" not in row:
            found.append("")
            continue
        why = row.get("kind") or row.get("by", "")
        number = numbers.setdefault((why, row["group"]), len(numbers) + 1)
        found.append(f"Group {number}: {ALIKE[why]}" + (", named differently" if row.get("labels_differ") else ""))
    return found


def files_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of each row the name of its file, below the folder in which all of them lie.

    >>> files_of([{"uri": "/p/tits/1.jpg"}, {"uri": "/p/gulls/1.jpg#box=0,0,9,9"}])
    ['tits/1.jpg', 'gulls/1.jpg']
    """
    files = [split_region(row["uri"])[0] for row in rows]
    names = shown_names(files)
    return [shown(names[file]) for file in files]


def _part(row: Mapping[str, Any]) -> str:
    """In which part of the data a picture lies: a value of a column, or one of two stores."""
    if isinstance(row["group"], str):
        return STORES[row["side"]]
    return "in no part" if row["side"] is None else f"in part {row['side']}"
