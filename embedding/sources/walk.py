"""Walking through folders, local or remote, for pictures, in a fixed order and streaming."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from posixpath import basename, splitext
from typing import NamedTuple

import fsspec

from cladescope.embedding.columns import is_url
from cladescope.embedding.locations import filesystem, reason
from cladescope.errors import InputError

PICTURE_SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".tif",
        ".tiff",
        ".bmp",
        ".gif",
        ".heic",
        ".heif",
        ".avif",
    )
)
"""Endings, in lower case, by which a file is taken for a picture."""

_NOT_OURS = frozenset({"__MACOSX"})


class Found(NamedTuple):
    """A picture file, or a place that could not be looked at."""

    uri: str
    parts: tuple[str, ...]
    """Names of the folders below the root on the way to it, then its own."""
    problem: str | None = None


class _Listing(NamedTuple):
    names: list[str]
    """Folders, and files that are named as pictures, in order."""
    folders: set[str]
    odd: set[str]
    """Names of `names` that are neither folders nor files: broken links, pipes."""


@dataclass(slots=True)
class Walk:
    """One pass over the pictures below `root`, an absolute path or a URL.

    Within a folder, files and folders come in the order of their names. Hidden files and folders and
    `__MACOSX` are left out. Links are followed, but not into a folder that is being walked already. Memory:
    the names in the folders on the way from the root to the current file.

    >>> walk = Walk("/nowhere")
    >>> next(iter(walk))
    Traceback (most recent call last):
    cladescope.errors.InputError: no such folder: /nowhere
    """

    root: str
    max_depth: int | None = None
    """Levels of folders to enter below the root; None for all."""
    ignored: Counter[str] = field(default_factory=Counter)
    """Number of files of each other ending (lower case) passed so far."""

    def __iter__(self) -> Iterator[Found]:
        """Every picture file; what cannot be read, a folder too, comes with a `problem`.

        Raises InputError if the root itself is missing, is not a folder or cannot be read.
        """
        if is_url(self.root):
            files, path = filesystem(self.root)
            return self._walk_remote(files, path.rstrip("/"), ())
        return self._walk_local(self.root.rstrip("/"), (), ())

    def _walk_local(self, folder: str, parts: tuple[str, ...], above: tuple[tuple[int, int], ...]) -> Iterator[Found]:
        try:
            place = os.stat(folder or "/")  # noqa: PTH116 - a name that is not UTF-8 survives only as text
            here = (place.st_dev, place.st_ino)
            if here in above:
                return
            listing = self._list_local(folder or "/")
        except OSError as error:
            yield self._unreadable(folder, parts, error)
            return
        for name in listing.names:
            path, own = f"{folder}/{name}", (*parts, name)
            if not _is_utf8(name):
                uri = os.fsencode(path).decode("utf-8", "backslashreplace")
                yield Found(uri, (*parts, basename(uri)), f"its name is not UTF-8, rename it: {uri}")
            elif name in listing.folders:
                if self._enters(own):
                    yield from self._walk_local(path, own, (*above, here))
            elif name in listing.odd:
                yield Found(path, own, f"is a broken link or no ordinary file: {path}")
            elif not os.access(path, os.R_OK):
                yield Found(path, own, f"no permission to read {path}")
            else:
                yield Found(path, own)

    def _walk_remote(self, files: fsspec.AbstractFileSystem, folder: str, parts: tuple[str, ...]) -> Iterator[Found]:
        try:
            listing = self._list_remote(files, folder)
        except OSError as error:
            yield self._unreadable(files.unstrip_protocol(folder), parts, error)
            return
        for name in listing.names:
            path, own = f"{folder}/{name}", (*parts, name)
            if name not in listing.folders:
                yield Found(files.unstrip_protocol(path), own)
            elif self._enters(own):
                yield from self._walk_remote(files, path, own)

    def _enters(self, parts: tuple[str, ...]) -> bool:
        return self.max_depth is None or len(parts) <= self.max_depth

    def _unreadable(self, folder: str, parts: tuple[str, ...], error: OSError) -> Found:
        text = reason(error, folder).replace("no such file", "no such folder")
        if not parts:
            raise InputError(text) from error
        return Found(folder, parts, text)

    def _list_local(self, folder: str) -> _Listing:
        listing = _Listing([], set(), set())
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    self._add(listing, entry.name, listing.folders)
                elif self._add(listing, entry.name, None) and not entry.is_file():
                    listing.odd.add(entry.name)
        listing.names.sort()
        return listing

    def _list_remote(self, files: fsspec.AbstractFileSystem, folder: str) -> _Listing:
        listing = _Listing([], set(), set())
        for entry in files.ls(folder, detail=True):
            name = basename(entry["name"].rstrip("/"))
            if entry["name"].rstrip("/") != folder:
                self._add(listing, name, listing.folders if entry["type"] == "directory" else None)
        if not listing.names and files.isfile(folder):
            raise NotADirectoryError(folder)
        listing.names.sort()
        return listing

    def _add(self, listing: _Listing, name: str, folders: set[str] | None) -> bool:
        """Whether `name` belongs to the walk; it is then added to the names and to `folders`."""
        if name.startswith(".") or name in _NOT_OURS:
            return False
        if folders is not None:
            folders.add(name)
        elif not is_picture(name):
            self.ignored[splitext(name)[1].lower()] += 1
            return False
        listing.names.append(name)
        return True


def is_picture(name: str) -> bool:
    """Whether a file is named as a picture.

    >>> is_picture("tit.JPG"), is_picture("tit.txt")
    (True, False)
    """
    return splitext(name)[1].lower() in PICTURE_SUFFIXES


def counted(ignored: Counter[str]) -> str:
    """Number of other files by ending, as a message says it.

    >>> counted(Counter({".txt": 2, "": 1}))
    '3 other files (.txt 2, without ending 1)'
    """
    kinds = ", ".join(f"{suffix or 'without ending'} {n}" for suffix, n in ignored.most_common(8))
    return f"{ignored.total()} other file{'s' * (ignored.total() > 1)} ({kinds})"


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
