"""The log of a sorting: what was done with which file, a line before each act, so that it can be turned back even where the job was killed.

A log is a file of JSON lines in the folder that pictures were sorted into, `sorted-1.jsonl` and so on, one a run. The first line tells how they
were sorted; each other line is a folder that was made, or a file that was placed: `from`, an absolute path, and `to`, a path in the folder.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Literal

from cladescope.errors import InputError

By = Literal["link", "copy", "move"]
WAYS: tuple[By, ...] = ("link", "copy", "move")
KIND = "cladescope sorted pictures"
PATTERN = "sorted-*.jsonl"
DID_NOT = "not"


@dataclass(frozen=True, slots=True)
class Entry:
    """One act: a folder that was made (`did` is `folder`), or a file that was placed by `did`."""

    did: str
    to: Path
    source: Path | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """What the first line of a log says."""

    by: str
    made_folders: int
    """How many folders were made to hold the log: its own and those above it."""


class SortLog:
    """A log that is being written; use it as a context."""

    def __init__(self, folder: Path, by: By, *, made_folders: int, made_by: Mapping[str, str]) -> None:
        """Begin the next log of a folder, which is there. Raises OSError where it cannot be written."""
        self._folder = folder
        for number in count(1 + max((_number(path) for path in logs_of(folder)), default=0)):
            self.path = folder / f"sorted-{number}.jsonl"
            try:
                self._file = self.path.open("x", encoding="utf-8")
                break
            except FileExistsError:
                continue
        self.write({"log": KIND, "version": 1, "by": by, "made_folders": made_folders, "made_by": dict(made_by)})

    def will(self, did: str, to: Path, source: Path | None = None) -> None:
        """Note an act before it is done."""
        where = {"to": to.relative_to(self._folder).as_posix()}
        self.write({"did": did, **({} if source is None else {"from": str(source)}), **where})

    def did_not(self, to: Path) -> None:
        """Take back what was noted last: another process has the name."""
        self.write({"did": DID_NOT, "to": to.relative_to(self._folder).as_posix()})

    def write(self, line: Mapping[str, object]) -> None:
        """Write a line, and hand it to the operating system."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def __enter__(self) -> "SortLog":
        """The log itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()


def logs_of(folder: Path) -> list[Path]:
    """Logs in a folder, the earliest first."""
    return sorted((path for path in folder.glob(PATTERN) if _number(path) > 0), key=_number)


def read_log(path: Path) -> tuple[Head, list[Entry]]:
    """What the first line of a log says, and its acts in their order. A last line that was cut off while it was written tells of no act.

    Raises InputError where the file is no such log, or speaks of places outside its folder.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise InputError(
            f"{path} is not there: expected a folder that pictures were sorted into, or its log"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: expected the log of a sorting") from error
    found = list(_parsed(path, lines))
    if not found or found[0].get("log") != KIND or found[0].get("version") != 1:
        raise InputError(
            f"{path} is no log of a sorting: name the {PATTERN} in the folder that pictures were sorted into"
        )
    entries: list[Entry] = []
    for line in found[1:]:
        entry = _entry(path, line)
        if entry.did == DID_NOT:
            entries.pop()
        else:
            entries.append(entry)
    made = found[0].get("made_folders")
    return Head(str(found[0].get("by")), made if isinstance(made, int) else 0), entries


def _parsed(path: Path, lines: list[str]) -> Iterator[dict[str, object]]:
    for number, line in enumerate(lines, start=1):
        try:
            found = json.loads(line)
        except ValueError as error:
            if number == len(lines):  # cut off, or empty behind the last end of a line
                return
            if number == 1:
                raise InputError(
                    f"{path} is no log of a sorting: name the {PATTERN} in the folder that pictures were sorted into"
                ) from error
            raise InputError(f"{path} is damaged in line {number}: restore it from a copy") from error
        if not isinstance(found, dict):
            raise InputError(f"{path} is no log of a sorting: line {number} is {line[:40]!r}")
        yield found


def _entry(path: Path, line: Mapping[str, object]) -> Entry:
    did, to, source = line.get("did"), line.get("to"), line.get("from")
    inside = isinstance(to, str) and not PurePosixPath(to).is_absolute() and ".." not in PurePosixPath(to).parts
    known = did in ("folder", DID_NOT) or (did in WAYS and isinstance(source, str))
    if not (inside and known):
        raise InputError(f"{path} speaks of {to!r}, which is no act of a sorting in its folder: restore it from a copy")
    return Entry(str(did), path.parent / str(to), None if source is None else Path(str(source)))


def _number(path: Path) -> int:
    text = path.stem.removeprefix("sorted-")
    return int(text) if text.isdecimal() else 0
