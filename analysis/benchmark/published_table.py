"""A table as a benchmark publishes it: columns found by their names, values trimmed, and one-line errors where one is missing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cladescope.delimited import DelimitedText, local_opener
from cladescope.delimited.headers import spelled
from cladescope.errors import InputError


def published_table(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> pa.Table:
    """The named columns of a delimited file as trimmed texts, "" where there is none; an optional column that is not there is all "".

    Raises InputError where the file cannot be read or lacks a needed column.
    """
    text = DelimitedText(str(path.resolve()), local_opener(path))
    names = text.columns
    found = {column: spelled(names, (column,), order=names) for column in (*needed, *optional)}
    if missing := [column for column in needed if not found[column]]:
        listed = ", ".join(map(repr, names[:12]))
        raise InputError(
            f"{path} has no column {missing[0]!r} (it has {listed}): expected the file as it is published, with {', '.join(needed)}"
        )
    rows = text.table()
    none = pa.array([""] * rows.num_rows, pa.string())
    columns = {
        column: pc.utf8_trim_whitespace(rows[spellings[0]].cast(pa.string()).fill_null("")) if spellings else none
        for column, spellings in found.items()
    }
    return pa.table(columns)


def published_file(path: Path, names: Sequence[str], *, of: str) -> Path:
    """The file that is meant by a path: itself, or the first of these names in that folder.

    Raises InputError where there is none.
    """
    if path.is_file():
        return path
    if found := next((path / name for name in names if (path / name).is_file()), None):
        return found
    raise InputError(f"{path} holds no {' or '.join(names)}: expected the folder of {of} as it is published")


def picture_folder(root: Path, names: Sequence[str], *, images: Path | None, of: str) -> Path:
    """The folder of pictures: `images` where it is given, else the first of these names below `root`, else `root` itself.

    Raises InputError where `images` is no folder.
    """
    if images is not None:
        if not images.is_dir():
            raise InputError(f"no such folder of pictures: {images}; give the one that the paths of {of} start from")
        return images.resolve()
    return next((root / name for name in names if (root / name).is_dir()), root).resolve()


def counted_reasons(reasons: Mapping[str, int]) -> tuple[str, ...]:
    """A line for each reason why rows of a published table are no pictures of the task.

    >>> counted_reasons({"rows of train.csv lack a trait": 3, "others": 0})
    ('3 rows of train.csv lack a trait',)
    """
    return tuple(f"{n:,} {reason}" for reason, n in reasons.items() if n)
