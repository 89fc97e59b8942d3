"""Paths that options name, looked at before a verb starts: what is read must be there, and what is written must have a place.

What an option means is read from its name and from what help calls its value: `STORE`, `DIR`, `FILE`, or endings as in `FILE.png|.jpg`.
"""

import re
import tempfile
from pathlib import Path
from typing import Any

WRITTEN = frozenset(
    {"out", "sheet", "curve", "figures", "conflicts", "metrics", "cache", "sort_into", "xmp", "list_to", "move_to"}
)
"""Names of options whose files or folders are made."""
MAKES_FOLDERS = frozenset({"sheet"})
"""Those whose file gets the folders that it needs."""
FREE = frozenset({"compare", "store", "write_to"})
"""Those that may name what is no path, or what is made where it is not there."""


def problem_of(option: Any, path: Path) -> str | None:
    """What is wrong with a path for an option; None where nothing is."""
    metavar = str(option.metavar or "")
    if option.param_type_name != "option" or option.name in FREE:
        return None
    if option.name in WRITTEN:
        folder = metavar.startswith(("DIR", "FOLDER"))
        return _folder_problem(path) if folder else _file_problem(path, metavar, option.name in MAKES_FOLDERS)
    if not path.exists():
        kind = "store" if metavar.startswith("STORE") else "folder" if metavar.startswith("DIR") else "file"
        return f"there is no {kind} {path}"
    if metavar == "STORE" and not (path / "store.json").is_file():
        return f"{path} is no store (it has no store.json): embed pictures into it first, or name a store"
    if metavar == "DIR" and not path.is_dir():
        return f"{path} is a file, expected a folder"
    return None


def _file_problem(path: Path, metavar: str, makes_folders: bool) -> str | None:
    endings = re.findall(r"\.\w+", metavar)
    if endings and path.suffix.lower() not in endings:
        return f"{path} does not end in {' or '.join(endings)}: what it holds goes by its ending"
    if path.is_dir():
        return f"{path} is a folder, expected a file: choose another name"
    if not makes_folders and not path.absolute().parent.is_dir():
        return f"{path.parent} is no folder: make it, or choose another place"
    return _folder_problem(path.absolute().parent)


def _folder_problem(folder: Path) -> str | None:
    """Why a folder cannot be made or written to; the nearest that is there above it is tried by a file without a name."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        return f"{there} is a file, expected a folder: choose another folder"
    try:
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return f"{there} cannot be written to ({error.strerror or error}): choose another place"
