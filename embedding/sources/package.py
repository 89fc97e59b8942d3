"""A package: tables that belong together, in a folder or a .zip, as providers of data hand them out."""

import fnmatch
import lzma
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from posixpath import basename, dirname

from cladescope.delimited import DelimitedText, local_opener
from cladescope.delimited.encoding import ByteStream, Opener
from cladescope.delimited.gzipped import MAGIC
from cladescope.embedding.columns import is_url, plan_columns
from cladescope.embedding.doors import door_of, table_door
from cladescope.embedding.locations import opener_of
from cladescope.embedding.records import Source
from cladescope.embedding.sources.delimited import TextTable, typed_text
from cladescope.embedding.sources.kept import KeptText
from cladescope.embedding.sources.manifest import ManifestSource
from cladescope.embedding.sources.table_source import RecordTable, TableSource
from cladescope.embedding.table_rules import TableRules
from cladescope.embedding.zips import is_outside, member_size, open_member, unreadable, zip_names
from cladescope.errors import InputError

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".csv.gz", ".tsv.gz", ".txt.gz", ".tab.gz")
_BLOCK = 2**22
_HEAD = 2**16


@dataclass(frozen=True)
class Package:
    """A folder or .zip; names of its files start at its folder; of a .zip that holds but a folder, at that one."""

    place: str
    """Absolute path of the folder or .zip."""
    base: str = ""
    """What stands before each name in the .zip: empty, or a folder with a slash."""
    members: tuple[str, ...] | None = field(default=None, repr=False)
    """Names of the files in the .zip, `base` left out; None for a folder."""

    @classmethod
    def open(cls, place: str) -> "Package":
        """The package at an absolute path. Raises InputError for what is neither a folder nor a .zip that can be read."""
        if Path(place).is_dir():
            return cls(place)
        names, base = zip_names(place), ""
        while (
            len(tops := {name.split("/", 1)[0] for name in names}) == 1
            and ".." not in tops
            and all("/" in name for name in names)
        ):
            base += f"{tops.pop()}/"
            names = tuple(name.split("/", 1)[1] for name in names)
        return cls(place, base, names)

    def inner(self) -> "Package | None":
        """The only folder in a folder that holds nothing else, as unpacking an archive leaves it; None where it is not so."""
        if self.members is not None:
            return None
        try:
            with os.scandir(self.place) as entries:
                shown = (entry for entry in entries if not entry.name.startswith((".", "__MACOSX")))
                first, second = next(shown, None), next(shown, None)
                alone = first is not None and second is None and first.is_dir(follow_symlinks=False)
                return Package(first.path) if first is not None and alone else None
        except OSError:  # whoever lists the folder tells of it
            return None

    @property
    def folder(self) -> str:
        """What relative paths in its tables start from: the folder, or `a.zip#` and the folder in it."""
        return self.place if self.members is None else f"{self.place}#{self.base}"

    @property
    def name(self) -> str:
        """Name of the folder or file, without its ending.

        >>> Package("/data/0001-2024.zip").name
        '0001-2024'
        """
        return basename(self.place).removesuffix(".zip") or "package"

    def holds(self, name: str) -> bool:
        """Whether it has a file of that name; of names with `|` between them, any.

        With `~` and a word behind the name, whether the file begins with text that holds the word.
        """
        name, _, word = name.partition("~")
        found = self.found(name)
        return found is not None and (not word or word.encode() in self._head(found).lower())

    def _head(self, name: str) -> bytes:
        """The first 64 KiB of a file; nothing of one that cannot be read."""
        try:
            if self.members is None:
                with Path(self.place, name).open("rb") as stream:
                    head = stream.read(_HEAD)
            else:
                with open_member(self.place, self.base + name) as member:
                    head = member.read(_HEAD)
            return zlib.decompressobj(31).decompress(head, _HEAD) if head.startswith(MAGIC) else head
        except Exception:  # noqa: BLE001 - zlib, lzma and zipfile have errors of their own; whoever opens it tells of them
            return b""

    def found(self, name: str) -> str | None:
        """The first of names with `|` between them, in which `*` stands for anything, that it has a file of.

        >>> Package(os.path.dirname(__file__)).found("meta.xml|package.py")
        'package.py'
        """
        for one in name.split("|"):
            if "*" in one:
                if matching := fnmatch.filter(self.names(), one):
                    return matching[0]
            elif Path(self.place, one).is_file() if self.members is None else one in self.members:
                return one
        return None

    def names(self) -> tuple[str, ...]:
        """Names of its files: all of a .zip, those right in a folder."""
        if self.members is not None:
            return self.members
        try:
            with os.scandir(self.place) as entries:
                return tuple(sorted(entry.name for entry in entries if _is_file(entry)))
        except OSError:  # whoever opens a file in it tells of it
            return ()

    def address(self, name: str) -> str:
        """Address of a file, for messages.

        >>> Package("/data/a.zip", "a/", ("meta.xml",)).address("meta.xml")
        '/data/a.zip#a/meta.xml'
        """
        return f"{self.folder}/{name}" if self.members is None else f"{self.folder}{name}"

    def content(self, name: str, n_bytes: int) -> bytes:
        """A small file, whole. Raises InputError where it is missing, damaged or has more than `n_bytes`."""
        with self.unpacked(name) as path, path.open("rb") as stream:
            content = stream.read(n_bytes + 1)
        if len(content) > n_bytes:
            raise InputError(f"{self.address(name)} has more than {n_bytes:,} bytes: expected a short text")
        return content

    @contextmanager
    def text(self, name: str) -> Iterator[DelimitedText]:
        """A file as delimited text, as long as the `with` block lasts. Raises InputError as `DelimitedText` and `unpacked` do."""
        with self.unpacked(name) as path:
            yield DelimitedText(self.address(name), local_opener(path))

    def opener(self, name: str) -> Opener:
        """Opens a file anew, to read its bytes; of a .zip nothing is unpacked to the disk.

        What it opens raises InputError where the file is missing, lies outside the package, or is damaged.
        """
        if self.members is None:
            return lambda: self._opened(name)
        return lambda: self._member(name)

    @contextmanager
    def _opened(self, name: str) -> Iterator[ByteStream]:
        with self.unpacked(name) as path, local_opener(path)() as stream:
            yield stream

    @contextmanager
    def _member(self, name: str) -> Iterator[ByteStream]:
        self._check_inside(name)
        with open_member(self.place, self.base + name) as member:
            try:
                yield member
            except InputError:
                raise
            except (zlib.error, lzma.LZMAError, zipfile.BadZipFile, EOFError, OSError) as error:
                raise InputError(unreadable(name, self.place, error)) from error

    def _check_inside(self, name: str) -> None:
        if is_outside(name):
            raise InputError(f"{self.place} names the file {name}, which lies outside it: expected a name within it")

    @contextmanager
    def unpacked(self, name: str) -> Iterator[Path]:
        """A file on the disk, unpacked from a .zip to a temporary file as long as the `with` block lasts.

        Raises InputError where it is missing, lies outside the package, is damaged, or where there is no room for it.
        """
        self._check_inside(name)
        if self.members is None:
            path = Path(self.place, name)
            if not path.is_file():
                raise InputError(f"no such file: {path}")
            yield path
            return
        n_bytes, free = member_size(self.place, self.base + name), shutil.disk_usage(tempfile.gettempdir()).free
        if n_bytes > free:
            raise InputError(
                f"{self.address(name)} has {n_bytes:,} bytes unpacked, {tempfile.gettempdir()} room for {free:,}: "
                "give TMPDIR a folder with more space"
            )
        with tempfile.NamedTemporaryFile(prefix="cladescope-", suffix=".txt") as file:
            with open_member(self.place, self.base + name) as member:
                try:
                    for block in iter(partial(member.read, _BLOCK), b""):
                        file.write(block)
                except Exception as error:  # zlib, lzma and zipfile have errors of their own
                    raise InputError(unreadable(name, self.place, error)) from error
            file.flush()
            yield Path(file.name)


def _is_file(entry: "os.DirEntry[str]") -> bool:
    """Whether an entry of a folder is a file; only a link is followed, so that a million names take a second."""
    return Path(entry.path).is_file() if entry.is_symlink() else entry.is_file()


def table_of(
    package: Package,
    text: TextTable,
    *,
    name: str | None,
    rules: TableRules,
    allowed: Collection[str] = (),
    left_out: Mapping[str, int] | None = None,
    file: str = "",
    path: str | None = None,
) -> TableSource:
    """The source in a table that a door made out of a package: types, names and paths are found as in any table.

    `name` is the source's in the store, by default the package's; `file` is the file of the package that relative paths are
    beside; `left_out` says in words what the table lacks of the package, and how many; `path` is the column of paths where it is
    not one of the usual names.

    Raises InputError as `typed_text` and `plan_columns` do.
    """
    place = package.address(file) if file else package.place
    typed = typed_text(place, text, rules, needs_picture=path is None)
    table = RecordTable(
        place=place,
        plan=plan_columns(typed.schema, typed.head, path=path),
        n_rows=typed.n_rows,
        batches=typed.batches,
        missing=rules.missing,
        folder=package.folder if "/" not in file else package.address(dirname(file) + "/"),
        closed=True,
        left_out=left_out or {},
        notes=typed.notes,
    )
    return TableSource(table, name=name or package.name, allowed=allowed)


def open_table(uri: str, *, name: str, rules: TableRules, allowed: Collection[str]) -> Source:
    """The source in a file of delimited text: by the door whose columns it has, else a manifest.

    Raises InputError as the door does.
    """
    text = DelimitedText(uri, opener_of(uri))
    door = None if is_url(uri) else table_door(text.columns)
    if door is None:
        return ManifestSource(uri, name=name, rules=rules, allowed=allowed, text=text)
    folder, _, file = uri.rpartition("/")
    module = import_module(f"cladescope.embedding.sources.{door.module}")
    source: Source = module.open_table(Package(folder or "/"), file, text, name=name, rules=rules, allowed=allowed)
    return source


def open_package(package: Package, *, name: str | None, rules: TableRules, allowed: Collection[str]) -> Source:
    """The source in a folder or .zip of tables: by its door, else the only table of a .zip.

    Raises InputError where it is no package of a known kind, and says what it holds.
    """
    door = door_of(package.holds)
    if door is not None:
        module = import_module(f"cladescope.embedding.sources.{door.module}")
        source: Source = module.open_package(package, name=name, rules=rules, allowed=allowed)
        return source
    tables = [one for one in package.names() if one.lower().endswith(TABLE_SUFFIXES)]
    if len(tables) != 1:
        found = ", ".join(map(repr, package.names()[:10])) or "nothing"
        raise InputError(
            f"{package.place} holds {found}: expected one table ({' '.join(TABLE_SUFFIXES)}), or the files of a kind "
            "that the list of sources has; to embed pictures in it, unpack it and name the folder"
        )
    with package.text(tables[0]) as text:
        kept = KeptText(text.columns, text.batches(), notices=text.notices)
    return table_of(package, kept, name=name, rules=rules, allowed=allowed, file=tables[0])
