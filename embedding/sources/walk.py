"""Walking through folders, local or remote, for pictures, in a fixed order and streaming."""

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from posixpath import basename, splitext
from typing import NamedTuple

import fsspec

from cladescope.embedding.columns import is_url
from cladescope.embedding.decode import HEAD_BYTES, kind_of_bytes
from cladescope.embedding.locations import client_errors, filesystem, open_location, reason
from cladescope.embedding.place_kinds import kind_of
from cladescope.errors import InputError

PICTURE_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("jpg", "jpeg", "jpe", "jfif", "jif", "mpo"),
        *("png", "apng", "gif", "webp", "tif", "tiff", "btf", "bmp"),
        *("heic", "heics", "heif", "heifs", "hif", "avif", "avifs"),
        *("jp2", "j2k", "j2c", "jpc", "jpf", "jpx"),
    )
)
"""Endings, in lower case, by which a file is taken for a picture: those of every format that `decode` reads."""

_NOT_OURS = frozenset({"__MACOSX"})
_OF_SYSTEMS = frozenset({"@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information"})
"""Folders in which network drives and Windows keep thumbnails and deleted files."""


class Found(NamedTuple):
    """A picture file, or a place that could not be looked at."""

    uri: str
    """Its own address: where a folder on the way is a link, the place that it points to."""
    parts: tuple[str, ...]
    """Names of the folders below the root on the way to it, then its own."""
    problem: str | None = None
    linked: bool = False
    """Whether a folder on the way is a link."""


class _Listing(NamedTuple):
    names: list[str]
    """Folders, and files that are named as pictures, in order."""
    folders: set[str]
    odd: dict[str, str]
    """Those of `names` that are neither folders nor files, and what they are."""


class _Level(NamedTuple):
    """A folder that is being walked."""

    path: str
    parts: tuple[str, ...]
    listing: _Listing
    names: Iterator[str]
    """Those of the listing that are still to come."""
    inode: tuple[int, int] | None
    linked: bool


@dataclass(slots=True)
class Walk:
    """One pass over the pictures below `root`, an absolute path or a URL.

    Within a folder, files and folders come in the order of their names. Hidden files and folders,
    `__MACOSX` and folders of thumbnails or deleted files (`@eaDir`, `#recycle`) are left out. Links are followed, but not into a folder that is being walked already. Memory:
    the names in the folders on the way from the root to the current file, however deep that lies.

    >>> walk = Walk("/nowhere")
    >>> next(iter(walk))
    Traceback (most recent call last):
    cladescope.errors.InputError: no such folder: /nowhere
    """

    root: str
    asks: bool = True
    """Whether each file is asked if it may be read: half the time of a walk, and of no use where files are only counted."""
    max_depth: int | None = None
    """Levels of folders to enter below the root; None for all."""
    by_content: bool = False
    """Whether files that are not named as pictures are looked at: those that begin as a picture does are some."""
    ignored: Counter[str] = field(default_factory=Counter)
    """Number of files of each other ending (lower case) passed so far."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Number of links and pictures that were passed over, in words."""

    def __iter__(self) -> Iterator[Found]:
        """Every picture file; what cannot be read, a folder too, comes with a `problem`.

        Raises InputError if the root itself is missing, is not a folder or cannot be read.
        """
        if is_url(self.root):
            files, path = filesystem(self.root)
            return self._walk_remote(files, path.rstrip("/"), ())
        return self._walk_local(self.root.rstrip("/"))

    def _walk_local(self, root: str) -> Iterator[Found]:
        levels: list[_Level] = []
        above: set[tuple[int, int]] = set()
        opened = self._open(root, (), above, linked=False)
        while True:
            if isinstance(opened, Found):
                yield opened
            elif opened is not None:
                levels.append(opened)
                assert opened.inode is not None
                above.add(opened.inode)
            opened = None
            if not levels:
                return
            level = levels[-1]
            name = next(level.names, None)
            if name is None:
                above.discard(levels.pop().inode or (0, 0))
                continue
            path, own = f"{level.path}/{name}", (*level.parts, name)
            if not _is_utf8(name):
                uri = os.fsencode(path).decode("utf-8", "backslashreplace")
                yield Found(uri, (*level.parts, basename(uri)), f"its name is not UTF-8, rename it: {uri}")
            elif name in level.listing.folders:
                if self._enters(own):
                    is_link = os.path.islink(path)  # noqa: PTH114 - as fast as it can be: once a folder
                    place = os.path.realpath(path) if is_link else path
                    opened = self._open(place, own, above, linked=level.linked or is_link)
            elif name in level.listing.odd:
                yield Found(path, own, f"is {level.listing.odd[name]}: {path}", level.linked)
            elif self.asks and not os.access(path, os.R_OK):
                yield Found(path, own, f"no permission to read {path}", level.linked)
            else:
                yield Found(path, own, None, level.linked)

    def _open(
        self, folder: str, parts: tuple[str, ...], above: set[tuple[int, int]], *, linked: bool
    ) -> _Level | Found | None:
        """A folder ready to be walked; None where it is being walked already."""
        try:
            place = os.stat(folder or "/")  # noqa: PTH116 - a name that is not UTF-8 survives only as text
            inode = (place.st_dev, place.st_ino)
            if inode in above:
                self.skipped["links to a folder above them"] += 1
                return None
            listing = self._list_local(folder or "/")
        except OSError as error:
            return self._unreadable(folder, parts, error)
        return _Level(folder, parts, listing, iter(listing.names), inode, linked)

    def _walk_remote(self, files: fsspec.AbstractFileSystem, root: str, parts: tuple[str, ...]) -> Iterator[Found]:
        waiting = [(root, parts, True)]
        while waiting:
            path, own, is_folder = waiting.pop()
            if not is_folder:
                yield Found(files.unstrip_protocol(path), own)
                continue
            try:
                listing = self._list_remote(files, path)
            except client_errors() as error:
                yield self._unreadable(files.unstrip_protocol(path), own, error)
                continue
            inner = [(f"{path}/{name}", (*own, name), name in listing.folders) for name in reversed(listing.names)]
            waiting += [entry for entry in inner if not entry[2] or self._enters(entry[1])]

    def _enters(self, parts: tuple[str, ...]) -> bool:
        return self.max_depth is None or len(parts) <= self.max_depth

    def _unreadable(self, folder: str, parts: tuple[str, ...], error: Exception) -> Found:
        text = reason(error, folder).replace("no such file", "no such folder")
        if not parts:
            raise InputError(text) from error
        return Found(folder, parts, text)

    def _list_local(self, folder: str) -> _Listing:
        listing = _Listing([], set(), {})
        with os.scandir(folder) as entries:
            for entry in entries:
                kind = _kind(entry)
                if kind == "a folder":
                    self._add(listing, entry.name, listing.folders)
                elif self._add(listing, entry.name, None, partial(file_head, entry.path)) and kind != "a file":
                    listing.odd[entry.name] = kind
        listing.names.sort()
        return listing

    def _list_remote(self, files: fsspec.AbstractFileSystem, folder: str) -> _Listing:
        listing = _Listing([], set(), {})
        for entry in files.ls(folder, detail=True):
            name = basename(entry["name"].rstrip("/"))
            if entry["name"].rstrip("/") != folder:
                is_folder = entry["type"] == "directory"
                self._add(
                    listing, name, listing.folders if is_folder else None, partial(_remote_head, files, entry["name"])
                )
        if not listing.names and files.isfile(folder):
            raise NotADirectoryError(folder)
        listing.names.sort()
        return listing

    def _add(self, listing: _Listing, name: str, folders: set[str] | None, head: Callable[[], bytes] = bytes) -> bool:
        """Whether `name` belongs to the walk; it is then added to the names and to `folders`. `head` reads a file's first bytes."""
        if is_left_out(name):
            if folders is not None and name in _OF_SYSTEMS:
                self.skipped["folders of thumbnails or deleted files"] += 1
            return False
        if folders is not None:
            folders.add(name)
        elif not is_picture(name) and not (self.by_content and kind_of_bytes(head())):
            self.ignored[splitext(name)[1].lower()] += 1
            return False
        listing.names.append(name)
        return True


def file_head(path: str) -> bytes:
    """First bytes of a local file; none of what cannot be read, or is no file."""
    try:
        with open_location(path) as stream:
            return stream.read(HEAD_BYTES)
    except InputError:
        return b""


def _remote_head(files: fsspec.AbstractFileSystem, path: str) -> bytes:
    try:
        found = files.cat_file(path, start=0, end=HEAD_BYTES)
    except (OSError, ValueError, NotImplementedError):
        return b""
    return found if isinstance(found, bytes) else b""


def is_left_out(name: str) -> bool:
    """Whether a file or folder is passed over for its name: hidden ones, and those that macOS, Windows and network drives add.

    >>> is_left_out(".thumbnails"), is_left_out("@eaDir"), is_left_out("birds")
    (True, True, False)
    """
    return name.startswith(".") or name in _NOT_OURS or name in _OF_SYSTEMS


def is_picture(name: str) -> bool:
    """Whether a file is named as a picture.

    >>> is_picture("tit.JPG"), is_picture("tit.txt")
    (True, False)
    """
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in PICTURE_SUFFIXES


def counted(ignored: Counter[str]) -> str:
    """Number of other files by ending, as a message says it.

    >>> counted(Counter({".txt": 2, "": 1}))
    '3 other files (.txt 2, without ending 1)'
    """
    kinds = ", ".join(f"{suffix or 'without ending'} {n}" for suffix, n in ignored.most_common(8))
    return f"{ignored.total()} other file{'s' * (ignored.total() > 1)} ({kinds})"


def _kind(entry: os.DirEntry[str]) -> str:
    """What an entry of a folder is, in words; a link is what it points to."""
    try:
        if entry.is_dir():
            return "a folder"
        return "a file" if entry.is_file() else kind_of(entry.stat())
    except FileNotFoundError:
        return "a broken link"
    except OSError as error:
        return "a link that leads to itself" if error.errno == errno.ELOOP else f"unreadable ({error.strerror})"


def _is_utf8(name: str) -> bool:
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
