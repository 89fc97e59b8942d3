"""Turning a sorting back by its log: what was moved returns to its place, links and copies go, folders that were made and are empty go.

Nothing is lost here either: a copy goes only while its original is there with the same bytes, and nothing is moved over another file.
"""

import contextlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cladescope.analysis.placing import is_same, place
from cladescope.analysis.sort_log import Entry, logs_of, read_log
from cladescope.errors import InputError
from cladescope.files import PART, leftovers
from cladescope.steps import counted

SHOWN = 20


@dataclass(kw_only=True)
class Undone:
    """What became of the acts of a log."""

    log: str
    moved_back: int = 0
    links_removed: int = 0
    copies_removed: int = 0
    folders_removed: int = 0
    gone: int = 0
    """Were turned back before, or were never done."""
    kept: int = 0
    """Could not be turned back without losing something."""
    reasons: list[str] = field(default_factory=list)
    """The first of the kept, and why."""
    log_removed: bool = False
    """Whether everything is as it was, so that the log went too."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def undo_sorting(place_: Path) -> Undone:
    """Turn back a sorting: of a log, or of the latest log in a folder. It may be done again where something was in the way.

    Raises InputError where there is no log.
    """
    log = place_
    if place_.is_dir():
        logs = logs_of(place_)
        if not logs:
            raise InputError(f"{place_} holds no log of a sorting: name the folder that pictures were sorted into")
        log = logs[-1]
    log = log.absolute()
    head, entries = read_log(log)
    found = Undone(log=str(log))
    # Folders may hold what was placed later than they were made, and what another log placed.
    for entry in counted(reversed(entries), "turning back", len(entries)):
        try:
            why = _undo(entry, found)
        except OSError as error:
            why = error.strerror or str(error)
        if why:
            found.kept += 1
            if len(found.reasons) < SHOWN:
                found.reasons.append(f"{entry.to.relative_to(log.parent)}: {why}")
    if not found.kept:
        log.unlink()
        found.log_removed = True
        with contextlib.suppress(OSError):
            for folder in [log.parent, *log.parent.parents][: head.made_folders]:
                folder.rmdir()
    return found


def _undo(entry: Entry, found: Undone) -> str:
    """Turn one act back; why that cannot be, empty where it was."""
    to, source = entry.to, entry.source
    if source is None:
        return _remove_folder(to, found)
    for left in leftovers(to):  # of a copy that was killed
        left.unlink()
    if not (to.exists() or to.is_symlink()):
        found.gone += 1
        return "" if source.exists() or source.is_symlink() else "it is gone, and its original too"
    if entry.did == "link":
        if not to.is_symlink() or to.readlink() != source:
            return "it is not the link that was made"
        to.unlink()
        found.links_removed += 1
        return ""
    if to.is_symlink() or not to.is_file():
        return "it is not the file that was placed"
    if source.exists() and to.stat().st_size == 0 and source.stat().st_size:
        to.unlink()  # a name that was taken for a file that never came
        found.gone += 1
        return ""
    return _remove_copy(to, source, found) if entry.did == "copy" else _move_back(to, source, found)


def _remove_copy(to: Path, source: Path, found: Undone) -> str:
    if not source.is_file():
        return "it is the only copy: its original is gone"
    if not is_same(source, to):
        return "it differs from its original now"
    to.unlink()
    found.copies_removed += 1
    return ""


def _move_back(to: Path, source: Path, found: Undone) -> str:
    if source.exists() or source.is_symlink():
        return f"another file is at {source}"
    source.parent.mkdir(parents=True, exist_ok=True)
    place(to, source, "move")
    found.moved_back += 1
    return ""


def _remove_folder(folder: Path, found: Undone) -> str:
    if not folder.is_dir():
        return ""
    if any(not one.name.startswith(PART) for one in folder.iterdir()):
        return "" if _holds_placed(folder) else "the folder is not empty"
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()
    found.folders_removed += 1
    return ""


def _holds_placed(folder: Path) -> bool:
    """Whether a folder holds what another log placed."""
    placed = {entry.to for log in logs_of(folder.parent) for entry in read_log(log)[1]}
    return any(one in placed for one in folder.iterdir())
