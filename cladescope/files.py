"""Writing an artefact whole or not at all: aside first, then under its name; what a killed job left aside is cleared away.

A draft is called `.part-PROCESS-NAME` and lies beside its target, so that the last step is a rename on one disk and two
jobs never write into one draft.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

PART = ".part-"
"""How the name of every draft begins; whatever begins so may be ignored, and deleted once no job runs."""


EARLIER = "earlier"
"""What a folder is called while another takes its place."""


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True, over: bool = False) -> Iterator[Path]:
    """A draft to write, a file or a folder, that takes the name `path` in one step when the block ends.

    Where the block fails nothing is left of the draft, and what stood at `path` is as it was. A folder can only take the
    place of one that `is_new_folder`, unless it goes `over` it: the earlier one is then moved aside, and deleted at the end.
    Drafts of the same name that a killed process left are deleted first. `durable` has the disk confirm a file before it takes
    its name.

    Raises OSError where the draft cannot be put in place.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "names.txt")) as draft:
    ...         _ = draft.write_text("Parus major")
    ...     os.listdir(folder)
    ['names.txt']
    """
    for left in leftovers(path):
        _delete(left)
    draft = path.with_name(f"{PART}{os.getpid()}-{path.name}")
    earlier = path.with_name(f"{PART}{os.getpid()}-{EARLIER}-{path.name}")
    try:
        yield draft
        if durable and draft.is_file():
            with draft.open("rb") as file:
                os.fsync(file.fileno())
        if draft.is_dir() and path.is_dir():
            for left in path.glob(f"{PART}*"):
                _delete(left)
            if over and not is_new_folder(path):
                path.rename(earlier)
        draft.replace(path)
        _delete(earlier)
    except BaseException:
        with contextlib.suppress(OSError):
            _delete(draft)
        raise


def leftovers(path: Path) -> list[Path]:
    """Drafts of `path` whose process is gone, or that this process left; those of earlier versions name no process."""
    named = re.compile(rf"{re.escape(PART)}(?:(\d+)-(?:{EARLIER}-)?)?{re.escape(path.name)}")
    if not path.parent.is_dir():
        return []
    found = [(entry, named.fullmatch(entry.name)) for entry in path.parent.iterdir()]
    return sorted(entry for entry, match in found if match and not (match[1] and _is_another(int(match[1]))))


def is_new_folder(path: Path) -> bool:
    """Whether a folder is not there, or holds nothing but drafts."""
    return not path.exists() or (path.is_dir() and all(entry.name.startswith(PART) for entry in path.iterdir()))


def write_text(path: Path, text: str) -> Path:
    """Write a text file, in UTF-8 and with the line ends that it has, whole or not at all; return the path."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="")
    return path


def write_json(path: Path, values: Mapping[str, object]) -> Path:
    """Write a JSON file whole or not at all, with letters as they are where UTF-8 has them; return the path."""
    text = json.dumps(values, indent=2, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name of bytes that are no UTF-8
        text = json.dumps(values, indent=2)
    return write_text(path, text + "\n")


def hash_file(path: Path) -> str:
    """BLAKE2b (16 bytes, hexadecimal) of a file's content, read in pieces; about a second a gigabyte.

    Raises OSError where it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: _blake2b()).hexdigest()


def sealed(values: Mapping[str, object]) -> dict[str, object]:
    """A JSON document with the hash of all else in it as its last value, `hash`.

    >>> is_sealed(sealed({"rows": 3})), is_sealed(sealed({"rows": 3}) | {"rows": 4}), is_sealed({"rows": 3})
    (True, False, False)
    """
    content = {key: value for key, value in values.items() if key != "hash"}
    text = json.dumps(content, sort_keys=True)
    return {**content, "hash": _blake2b(text.encode()).hexdigest()}


def is_sealed(values: Mapping[str, object]) -> bool:
    """Whether a document carries the hash of what it says."""
    return values.get("hash") == sealed(values)["hash"]


def _blake2b(data: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(data, digest_size=16)


def process_runs(process: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _is_another(process: int) -> bool:
    """Whether another process of this number runs."""
    return process != os.getpid() and process_runs(process)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
