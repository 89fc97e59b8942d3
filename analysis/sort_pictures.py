"""Sorting pictures into folders by what they show: by links, copies or moves, with a log that turns all of it back.

Nothing is overwritten: a picture whose name is taken gets a number behind it. Nothing is lost: a picture is moved to another disk only once its copy there
is whole. Sorting twice places nothing twice.
"""

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from cladescope.analysis.placing import is_same, place
from cladescope.analysis.sort_log import By, SortLog, logs_of, read_log
from cladescope.analysis.undo_sorting import undo_sorting
from cladescope.embedding.locations import file_of, local_path
from cladescope.embedding.regions import split_region
from cladescope.errors import InputError
from cladescope.outputs import check_is_folder
from cladescope.shown import shown
from cladescope.steps import counted

UNREADABLE = "unreadable"
"""Folder of pictures that could not be read."""
MAX_NAME = 120
"""Letters of a folder's name."""
SIDECAR = ".xmp"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass(kw_only=True)
class Sorted:
    """What became of the pictures."""

    log: str
    """The log that turns it back; empty where nothing was placed."""
    by: By
    placed: int = 0
    folders: int = 0
    """Folders that pictures were placed in."""
    renamed: int = 0
    """Of these, got another name, for theirs was taken."""
    sidecars: int = 0
    """XMP files that went with their picture."""
    already_there: int = 0
    inside: int = 0
    """Lie in the very folder that was to be sorted into, or below it; not sorted."""
    no_file: int = 0
    """Are no file of this machine: addresses of the web, in an archive or a table, or gone meanwhile."""
    links_left: int = 0
    """Are links, which are not moved."""
    several_names: int = 0
    """Have boxes that are named differently, so that no one folder is theirs to be moved to."""
    elsewhere_too: int = 0
    """Stand in another folder too, since an earlier sorting."""
    refused: int = 0
    reason: str = ""
    """Why the first of the refused could not be placed."""
    is_full: bool = False
    """Whether the disk was full, and the rest was not placed."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def check_sort_folder(folder: Path) -> None:
    """Raise InputError where pictures cannot be sorted into a folder: a file is in the way, or it may not be written."""
    check_is_folder(folder)
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{there} may not be written: choose another folder to sort into")


def sort_pictures(
    named: Iterable[tuple[str, str]], folder: Path, *, by: By = "link", made_by: Mapping[str, str] | None = None
) -> Sorted:
    """Place pictures, each an address and the name of its folder, in folders of these names within `folder`.

    An XMP file beside a picture (`a.jpg.xmp`) goes with it. Links lead to absolute paths. Of boxes the whole picture is placed, once in the folder of each name.

    Raises InputError where the folder cannot be written.
    """
    check_sort_folder(folder)
    found = Sorted(log="", by=by)
    wanted = list(_wanted(named, found))
    if not wanted:
        return found
    made_folders = sum(not place.exists() for place in (folder.absolute(), *folder.absolute().parents))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder = folder.resolve()
        before = _before(folder)
        with SortLog(folder, by, made_folders=made_folders, made_by=made_by or {}) as log:
            found.log = str(log.path)
            _place_all(wanted, folder, log, before, found)
    except OSError as error:
        if error.errno not in _FULL:
            raise InputError(f"cannot write {folder}: {error.strerror or error}: choose another folder") from error
        found.is_full = True
    if not found.placed and found.log:
        undo_sorting(Path(found.log))
        found.log = ""
    return found


def folder_name(name: str) -> str:
    r"""A name as a folder may have it on any system.

    >>> folder_name("Parus major"), folder_name("a/b: c?"), folder_name("..."), folder_name("con")
    ('Parus major', 'a-b- c-', 'not known', 'con_')
    """
    text = re.sub(r'[\\/:*?"<>|]', "-", shown(name).replace("\\", "-")).strip().lstrip(".")[:MAX_NAME].rstrip(". ")
    while len(text.encode()) > 2 * MAX_NAME:
        text = text[:-1]
    return f"{text}_" if _DEVICES.fullmatch(text) else text or "not known"


def _wanted(named: Iterable[tuple[str, str]], found: Sorted) -> Iterator[tuple[Path, str]]:
    """Files and their folders; of one file with several each once."""
    folders: dict[Path, dict[str, None]] = {}
    for uri, name in named:
        address = split_region(uri)[0]
        path = local_path(address)
        if path is None or file_of(address) != path or not Path(path).is_file():
            found.no_file += 1
        else:
            folders.setdefault(Path(path).absolute(), {})[folder_name(name)] = None
    for file, names in folders.items():
        if found.by == "move" and file.is_symlink():
            found.links_left += 1
        elif found.by == "move" and len(names) > 1:
            found.several_names += 1
        else:
            yield from ((file, name) for name in names)


def _before(folder: Path) -> dict[Path, set[Path]]:
    """Where earlier sortings put each file."""
    earlier: dict[Path, set[Path]] = {}
    for log in logs_of(folder):
        for entry in read_log(log)[1]:
            if entry.source is not None:
                earlier.setdefault(entry.source, set()).add(entry.to)
    return earlier


def _place_all(
    wanted: list[tuple[Path, str]], folder: Path, log: SortLog, before: Mapping[Path, set[Path]], found: Sorted
) -> None:
    used: set[str] = set()
    for path, name in counted(wanted, {"link": "linking", "copy": "copying", "move": "moving"}[found.by], len(wanted)):
        within = folder / name
        if folder in path.parents:
            found.inside += 1
            continue
        try:
            if not within.is_dir():
                log.will("folder", within)
                within.mkdir()
            placed = _place(path, within, log, found)
        except OSError as error:
            if error.errno in _FULL:
                raise
            found.refused += 1
            cannot = found.by == "link" and error.errno in _NO_LINKS
            why = "the disk holds no links: sort by copies" if cannot else error.strerror or str(error)
            found.reason = found.reason or f"{path.name}: {why}"
            continue
        if placed:
            used.add(name)
            found.folders = len(used)
        found.elsewhere_too += any(one.parent != within and one.exists() for one in before.get(path, ()))


def _place(path: Path, within: Path, log: SortLog, found: Sorted) -> bool:
    """Place a file under the first name that is free; whether it was not there already."""
    beside = path.with_name(path.name + SIDECAR)
    has_beside = beside.is_file()
    for number in count(1):
        target = within / (path.name if number == 1 else f"{path.stem}-{number}{path.suffix}")
        beside_target = target.with_name(target.name + SIDECAR)
        if target.exists() or target.is_symlink():
            if _is_it(path, target, found.by):
                found.already_there += 1
                return False
            continue
        if has_beside and (beside_target.exists() or beside_target.is_symlink()):
            continue
        log.will(found.by, target, path)
        try:
            place(path, target, found.by)
        except FileExistsError:  # another process was quicker
            log.did_not(target)
            continue
        break
    found.placed += 1
    found.renamed += number > 1
    if has_beside:
        log.will(found.by, beside_target, beside)
        place(beside, beside_target, found.by)
        found.sidecars += 1
    return True


def _is_it(path: Path, target: Path, by: By) -> bool:
    """Whether what is at a target is what would be placed there; a move always places."""
    if by == "link":
        return target.is_symlink() and target.readlink() == path
    return by == "copy" and target.is_file() and not target.is_symlink() and is_same(path, target)
