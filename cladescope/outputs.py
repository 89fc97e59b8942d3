"""Where a job writes to, looked at before any work is done: what is there stays, unless the user says that it may be replaced.

One rule for every verb: a file or folder of that name is refused by `TakenError`, with `overwrite` it is replaced, and what a
verb does not write itself is never deleted.
"""

from collections.abc import Sequence
from pathlib import Path

from cladescope.errors import InputError, TakenError
from cladescope.files import PART, is_new_folder


def check_is_folder(folder: Path) -> None:
    """Raise InputError where a file stands where a folder is to be, or above it.

    >>> check_is_folder(Path("/nowhere/probes"))
    """
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise InputError(f"{place} is a file, expected a folder: choose another folder")
        if place.is_symlink() and not place.exists():
            raise InputError(f"{place} is a link to what is not there: make that folder, or choose another")


def check_out_file(path: Path, *, overwrite: bool) -> None:
    """Raise TakenError where a file is there, unless it may be replaced; InputError where a folder is, or none to hold it.

    >>> check_out_file(Path("/tmp/new.safetensors"), overwrite=False)
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected a file: choose another name")
    if path.exists() and not overwrite:
        raise TakenError(f"{path} is there already: choose another file, or overwrite it")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent} is no folder: make it, or choose another place")


def check_out_folder(folder: Path, *, what: str, names: Sequence[str], overwrite: bool) -> None:
    """Raise TakenError where a folder holds `what`, any file of the `names` (patterns), unless it may be replaced.

    Raises InputError where a file is in the way. Other files are no matter.

    >>> check_out_folder(Path("/nowhere/report"), what="report", names=["report.html"], overwrite=False)
    """
    check_is_folder(folder)
    there = sorted({path.name for name in names for path in folder.glob(name)})
    if there and not overwrite:
        raise TakenError(
            f"{folder} holds {'an' if what[0] in 'aeio' else 'a'} {what} already ({', '.join(there)}): choose another folder, or overwrite it"
        )


def check_new_folder(folder: Path, *, what: str, names: Sequence[str], overwrite: bool) -> None:
    """Raise TakenError unless a folder is new or empty, or may be replaced and holds nothing but `what` (`names`, patterns).

    Drafts that a killed job left do not count. Raises InputError where a file is in the way, or other files would be lost.

    >>> check_new_folder(Path("/nowhere/map"), what="map", names=["map.*"], overwrite=False)
    """
    check_is_folder(folder)
    if is_new_folder(folder):
        return
    others = sorted(
        path.name for path in folder.iterdir() if not path.name.startswith(PART) and not _is_any(path, names)
    )
    if others:
        raise InputError(
            f"{folder} is there already and holds {others[0]}, which is not of the {what}: choose another folder"
        )
    if not overwrite:
        raise TakenError(f"{folder} is there already, not empty: choose another folder, or overwrite the {what} in it")


def _is_any(path: Path, names: Sequence[str]) -> bool:
    """Whether a file has one of the names; or a folder, of which names speak, holds nothing else."""
    if path.is_dir() and not path.is_symlink() and any(name.startswith(f"{path.name}/") for name in names):
        inside = (one.relative_to(path.parent) for one in path.rglob("*") if not one.is_dir() or one.is_symlink())
        return all(any(_matches(one, name) for name in names) for one in inside)
    return path.is_file() and any(path.match(name) for name in names)


def _matches(path: Path, name: str) -> bool:
    """Whether a relative path is of a pattern, part by part."""
    return len(path.parts) == name.count("/") + 1 and path.match(name)
