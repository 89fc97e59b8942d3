"""The folder that an analysis writes into, checked before any work is done for it."""

from collections.abc import Sequence
from pathlib import Path

from cladescope.errors import InputError
from cladescope.files import is_new_folder


def check_is_folder(folder: Path) -> None:
    """Raise InputError where a file stands where a folder is to be, or above it.

    >>> check_is_folder(Path("/nowhere/probes"))
    """
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise InputError(f"{place} is a file, expected a folder: choose another folder")


def check_out_folder(folder: Path, *, what: str = "", names: Sequence[str] = ()) -> None:
    """Raise InputError where a file stands in the way, or the folder holds `what` already: any of the `names`.

    Without names it has to be new or empty; drafts that a killed job left do not count.

    >>> check_out_folder(Path("/nowhere/map"))
    """
    check_is_folder(folder)
    if there := [name for name in names if (folder / name).exists()]:
        raise InputError(f"{folder} holds a {what} already ({', '.join(there)}): choose another folder, or remove it")
    if not names and not is_new_folder(folder):
        raise InputError(f"{folder} exists and is not empty: choose another folder")
