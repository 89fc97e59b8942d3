"""A store's folder: written by one job at a time, and in one line what stands in the way of reading or writing it."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from cladescope.errors import CladescopeError, InputError, InUseError, StoreError
from cladescope.files import PART
from cladescope.index import remote

_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""What a path has that is no UTF-8, as surrogates, and control characters."""


def check_empty(folder: Path) -> None:
    """Raise StoreError if a folder holds anything but what the making of a store, cut short, leaves."""
    ours = (".lock", "indexes", "ledger.json", "parts", "remote.json", "running", "store.json.new")
    names = sorted(e.name for e in folder.iterdir() if e.name not in ours and not e.name.startswith(PART))
    if strangers := [name for name in names if name != "lance" or any((folder / name).iterdir())]:
        raise StoreError(
            f"{folder} is no empty folder (it holds {', '.join(strangers[:3])}): choose a new path for the store"
        )


def check_name(folder: Path) -> None:
    """Raise InputError for a path that the database cannot open."""
    path = str(folder.absolute())
    if _UNFIT.search(path):
        raise InputError(
            f"found {path!r} for a store, expected a path of letters that UTF-8 has, without line ends and other control "
            "characters: the database opens no other, choose another path"
        )


def one_line(error: BaseException) -> str:
    """What an engine complains of, on one line and without the place in the engine's own source.

    >>> one_line(RuntimeError("lance error: Not found: a.lance,\\n /cargo/lance-io/src/local.rs:273:40"))
    'lance error: Not found: a.lance'
    """
    return re.sub(r",? ?/\S+\.rs:\d+:\d+", "", " ".join(str(error).split()))


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Say in one line what the disk or the database complains of."""
    try:
        yield
    except CladescopeError:
        raise
    except BaseException as error:
        # A panic of LanceDB's engine is no RuntimeError, or no Exception at all; its classes stand in no module.
        panicked = type(error).__name__ in ("PanicException", "RustPanic")
        if not panicked and not isinstance(error, OSError | RuntimeError | ValueError | EOFError):
            raise
        text, place = one_line(error), remote.shown(path)
        if "No space left" in text or "os error 28" in text:
            raise StoreError(
                f"the disk that holds {place} is full: what was committed is kept; free some space and run the same again"
            ) from error
        if "Permission denied" in text or "os error 13" in text or "Read-only" in text:
            raise StoreError(
                f"no permission to write to {place}: choose another folder or change its rights"
            ) from error
        hint = ": verify it to see what is damaged" if (path / "store.json").exists() else ""
        raise StoreError(f"the store {place} could not be read or written: {text[:300]}{hint}") from error


@contextlib.contextmanager
def locked(folder: Path, *, timeout: float) -> Iterator[None]:
    """Hold a folder for one writer, waiting for it so many seconds; a process that dies lets go.

    Raises InUseError where another writes, StoreError where the folder cannot be written.
    """
    lock = FileLock(folder / ".lock", timeout=timeout)
    try:
        lock.acquire()
    except Timeout:
        raise InUseError(f"another job is writing to {folder}: wait for it to end") from None
    except OSError as error:
        raise StoreError(
            f"cannot write to {folder}: {error.strerror or error}: choose another folder or change its rights"
        ) from error
    try:
        yield
    finally:
        lock.release()
