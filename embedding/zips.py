"""Members of a .zip on this machine: found, checked against bombs, and read within bounds."""

import os
import posixpath
import zipfile
from functools import lru_cache
from typing import NamedTuple, cast

from cladescope.errors import InputError

MAX_RATIO = 250
"""A member may have so many times the bytes that it takes in the archive; text of real tables has up to 40 times."""
SMALL_BYTES = 2**26
"""A member of no more bytes, 64 MiB, is not judged by `MAX_RATIO`."""
MAX_BYTES = 2**38
"""Most bytes of one member, 256 GiB."""
MAX_MEMBERS = 2**20
_ENCRYPTED = 0x1


def zip_names(path: str) -> tuple[str, ...]:
    """Names of the files in a .zip, in its order, without hidden ones and those that macOS adds.

    Raises InputError for what is no .zip, is cut off, or holds more than `MAX_MEMBERS` files.
    """
    return tuple(name for name in _opened(path).members if not any(map(_is_hidden, name.split("/"))))


def open_member(path: str, name: str) -> zipfile.ZipExtFile:
    """A file of a .zip, opened to read; no more bytes come of it than the archive says that it has.

    Raises InputError where there is none of that name, it is encrypted, compressed in a way that is not known, or larger than
    is believed (`MAX_RATIO`, `MAX_BYTES`).
    """
    archive = _opened(path)
    member = _member(archive, path, name)
    if member.flag_bits & _ENCRYPTED:
        raise InputError(f"{name} in {path} is encrypted: unpack it with its password, and name the folder")
    too_dense = member.file_size > MAX_RATIO * member.compress_size and member.file_size > SMALL_BYTES
    if too_dense or member.file_size > MAX_BYTES:
        bound = f"{MAX_RATIO} times" if too_dense else f"{MAX_BYTES // 2**30} GiB"
        raise InputError(
            f"{name} in {path} has {member.file_size:,} bytes out of {member.compress_size:,}: at most {bound} is "
            "unpacked; if you trust it, unpack it and name the folder"
        )
    try:
        return cast(zipfile.ZipExtFile, archive.file.open(member))
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, EOFError) as error:
        raise InputError(unreadable(name, path, error)) from error


def member_size(path: str, name: str) -> int:
    """Bytes of a file in a .zip, unpacked. Raises InputError where there is none of that name."""
    return _member(_opened(path), path, name).file_size


def unreadable(name: str, path: str, error: Exception) -> str:
    """One line that says that a member is damaged.

    >>> unreadable("a.txt", "a.zip", EOFError())
    'a.txt in a.zip cannot be unpacked (EOFError): download or pack it again'
    """
    words = " ".join(str(error).split())[:100] or type(error).__name__
    return f"{name} in {path} cannot be unpacked ({words}): download or pack it again"


def is_outside(name: str) -> bool:
    """Whether a relative path leads above the folder that it starts from, or is none.

    >>> is_outside("../tit.jpg"), is_outside("/etc/passwd"), is_outside("a/../tit.jpg")
    (True, True, False)
    """
    return name.startswith("/") or posixpath.normpath(name.replace("\\", "/")).split("/", 1)[0] == ".."


def _is_hidden(part: str) -> bool:
    return part.startswith((".", "__MACOSX")) and part.strip(".") != ""


class _Archive(NamedTuple):
    file: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]
    """Files by their names, with slashes also where the archive was made on Windows with backslashes."""


def _member(archive: _Archive, path: str, name: str) -> zipfile.ZipInfo:
    if name not in archive.members:
        raise InputError(f"no such file: {name} in {path}")
    return archive.members[name]


def _opened(path: str) -> _Archive:
    try:
        status = os.stat(path)  # noqa: PTH116 - for a picture at a time
    except OSError as error:
        raise InputError(f"no such file: {path}" if isinstance(error, FileNotFoundError) else str(error)) from error
    return _archive(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=2)
def _archive(path: str, n_bytes: int, modified: int) -> _Archive:
    """The archive, open; threads may share it. Its list of members is read once, as long as it does not change."""
    if n_bytes == 0:
        raise InputError(f"{path} is empty: expected a .zip of tables; download it again")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
        with open(path, "rb") as stream:  # noqa: PTH123
            begins = stream.read(2) == b"PK"
        what = "is cut off or damaged" if begins else "is no .zip archive"
        raise InputError(f"{path} {what} ({' '.join(str(error).split())}): download or pack it again") from error
    if len(archive.infolist()) > MAX_MEMBERS:
        archive.close()
        raise InputError(f"{path} holds more than {MAX_MEMBERS:,} files: unpack it and name the folder")
    named = ((one.filename.replace("\\", "/"), one) for one in archive.infolist())
    return _Archive(archive, {name: one for name, one in named if not name.endswith("/")})
