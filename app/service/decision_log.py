"""The log of what was decided of pictures: lines that are only ever added, in the store's folder, and the dropped rows beside it.

An entry has a line of what is about to be done, with what stood there before; one of what was done; and one when it is undone. So an entry that was cut
short can be undone, too.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from cladescope.app.service.refusal import RefusalError
from cladescope.files import replacing

LOG, FOLDER = "decisions.jsonl", "decisions"
"""The log and the folder of dropped rows, within the store's folder."""


@dataclass(kw_only=True)
class Entry:
    """Decisions that were carried out together."""

    entry: int
    at: str
    decisions: list[dict[str, Any]]
    """Of each picture `image_id`, `list`, `action`, `rank` and `value`."""
    before: dict[str, dict[str, Any]]
    """Columns of each picture that is fixed as they were."""
    after: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The same as they were then; empty where the entry was cut short."""
    counts: dict[str, int] = field(default_factory=lambda: {"kept": 0, "fixed": 0, "dropped": 0})
    is_done: bool = False
    undone: str | None = None
    """When it was undone."""


def entries(folder: Path) -> list[Entry]:
    """All entries of a store's log, in their order. Raises RefusalError for a log that is damaged."""
    found: dict[int, Entry] = {}
    for number, line in enumerate(lines := _lines(folder), 1):
        try:
            told = json.loads(line)
            what, entry = told.pop("what"), told.pop("entry")
            if what == "begun":
                found[entry] = Entry(entry=entry, **told)
            elif what == "done":
                found[entry].after, found[entry].counts, found[entry].is_done = told["after"], told["counts"], True
            elif what == "undone":
                found[entry].undone = told["at"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number == len(lines):
                break  # its writer was killed
            raise RefusalError(500, f"line {number} of {LOG} cannot be read: restore the file from a copy") from error
    return list(found.values())


def add(folder: Path, what: str, entry: int, **told: object) -> None:
    """Add a line. Raises RefusalError where the folder cannot be written."""
    text = json.dumps({"what": what, "entry": entry, **told}, ensure_ascii=True, default=str)
    try:
        _mend(folder / LOG)
        with (folder / LOG).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(error) from error


def keep_rows(folder: Path, entry: int, tables: Mapping[str, pa.Table]) -> None:
    """Keep tables of dropped rows in Arrow files. Raises RefusalError where the folder cannot be written."""
    try:
        (folder / FOLDER).mkdir(exist_ok=True)
        for name, table in tables.items():
            with (
                replacing(_place(folder, entry, name)) as draft,
                pa.OSFile(str(draft), "wb") as file,
                pa.ipc.new_file(file, table.schema) as writer,
            ):
                writer.write_table(table)
    except OSError as error:
        raise _unwritable(error) from error


def kept_rows(folder: Path, entry: int, names: Iterable[str]) -> list[pa.Table]:
    """The tables that `keep_rows` kept. Raises RefusalError where they are not there."""
    try:
        return [pa.ipc.open_file(pa.py_buffer(_place(folder, entry, name).read_bytes())).read_all() for name in names]
    except (OSError, pa.ArrowException) as error:
        raise RefusalError(
            500, f"the rows that entry {entry} dropped cannot be read in {FOLDER}: restore them from a copy"
        ) from error


def _place(folder: Path, entry: int, name: str) -> Path:
    return folder / FOLDER / f"{entry}.{name}.arrow"


def _lines(folder: Path) -> list[str]:
    try:
        return [one for one in (folder / LOG).read_text(encoding="utf-8").split("\n") if one]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise RefusalError(500, f"{LOG} cannot be read: restore the file from a copy") from error


def _mend(path: Path) -> None:
    """Cut off a last line that has no end, its writer having been killed: nothing hangs on it."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        whole = file.read()
        if not whole.endswith(b"\n"):
            file.truncate(whole.rfind(b"\n") + 1)


def _unwritable(error: OSError) -> RefusalError:
    return RefusalError(
        500, f"the store's folder cannot be written ({error.strerror or error}): nothing was changed by this"
    )
