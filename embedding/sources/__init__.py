"""Sources of pictures: `open_source` chooses by what it finds; there is one file per kind."""

import glob
import os
from collections.abc import Callable, Collection
from pathlib import Path
from posixpath import basename, dirname, splitext

from braceexpand import braceexpand

from cladescope.embedding.columns import is_url
from cladescope.embedding.decode import kind_of_bytes
from cladescope.embedding.doors import door_of
from cladescope.embedding.folder_labels import FOLDER, FolderLabels
from cladescope.embedding.locations import canonical, filesystem, is_web, local_path, suffix_of, without_query
from cladescope.embedding.records import Source
from cladescope.embedding.schemes import checked_schemes
from cladescope.embedding.sources.annotation_file import open_annotations
from cladescope.embedding.sources.folder import FileSource, FolderSource
from cladescope.embedding.sources.manifest import ManifestSource
from cladescope.embedding.sources.package import TABLE_SUFFIXES, Package, open_package, open_table
from cladescope.embedding.sources.tables_there import advice, tables_in
from cladescope.embedding.sources.walk import PICTURE_SUFFIXES, file_head
from cladescope.embedding.sources.webdataset import WebDatasetSource
from cladescope.embedding.table_rules import TableRules
from cladescope.errors import InputError
from cladescope.nearest import did_you_mean

__all__ = ["check_kind", "open_source"]

_PACKAGES = ("datapackage.json", "meta.xml")
"""Files that say what lies in a folder of tables."""
_MANIFEST_SUFFIXES = (*TABLE_SUFFIXES, ".parquet")
KINDS: dict[str, Callable[[str, str], Source]] = {
    **dict.fromkeys(_MANIFEST_SUFFIXES, lambda uri, name: ManifestSource(uri, name=name)),
    ".json": open_annotations,
    ".tar": lambda uri, name: WebDatasetSource([uri], name=name),
    **dict.fromkeys(PICTURE_SUFFIXES, lambda uri, name: FileSource(uri, name=name)),
}
"""What a single file is opened with, from its URI and the source's name, by the end of its own name."""
_ACCEPTED = "a folder, a picture, a quoted pattern, a table (.csv .tsv .txt .parquet), annotations (.json), shards (.tar) or a package of tables (.zip)"

_INSTEAD = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods", ".numbers"), "a spreadsheet: save it as CSV"),
    **dict.fromkeys((".jsonl", ".ndjson"), "a row of JSON a line: save it as CSV or Parquet"),
    **dict.fromkeys((".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"), "compressed: unpack it, shards are .tar, and give what it holds"),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm"), "a video: save some of its frames as pictures"),
    **dict.fromkeys((".part", ".crdownload", ".download"), "a download that is not complete: download it again"),
}  # fmt: skip
"""What a file of another ending is, and what to do with it."""


def open_source(
    spec: str | Path,
    *,
    name: str | None = None,
    rules: TableRules | None = None,
    allowed: Collection[str] = (),
    by_content: bool = False,
    labels_from: str | None = None,
) -> Source:
    """The source that `spec` means: a folder, manifest, shards, pattern of files or single picture.

    `spec` may be local or any URL that fsspec opens. Patterns use `*`, `**`, `?`, `[abc]` and `{a,b}` or
    `{000..159}`; a file that exists is itself even if it is named like a pattern. `name` is the source's name
    in the store, by default the folder's name or the file's without its ending; `rules` say how text of tables is read. A
    delimited manifest is read whole, to learn its columns' types. `allowed` are schemes that the rows of a manifest may name
    beside the usual ones (`cladescope.embedding.schemes`). With `by_content` files of a folder or pattern, and a single file, that
    are not named as pictures are taken for some where their first bytes say so. `labels_from` says how labels are read from the names of
    folders and files (`cladescope.embedding.folder_labels`; `folder` unless given).

    Raises InputError if nothing is there, if it is of no known kind, if it holds nothing to embed, and for `labels_from` where that is
    no rule, or the source says its labels itself.

    >>> open_source("/nowhere/photos")
    Traceback (most recent call last):
    cladescope.errors.InputError: no such file or folder: /nowhere/photos: check the name
    """
    labels = FolderLabels(labels_from or FOLDER)
    source = _opened(spec, name=name, rules=rules, allowed=allowed, by_content=by_content, labels=labels)
    if labels_from is not None and not isinstance(source, FolderSource | FileSource):
        raise InputError(
            f"{spec} says its labels itself: labels from {labels_from!r} are for a folder of pictures, leave that out"
        )
    return source


def check_kind(spec: str | Path) -> None:
    """Raises InputError where `spec` is a file of this machine that `open_source` opens as nothing, by its name alone: nothing is read.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".xlsx") as file:
    ...     check_kind(file.name)
    Traceback (most recent call last):
    cladescope.errors.InputError: ...xlsx is a spreadsheet: save it as CSV
    """
    path = local_path(os.fspath(spec))
    if path is None or not Path(path).is_file():
        return
    suffix = _suffix(path)
    if not (suffix == ".zip" or suffix in KINDS or basename(path) in _PACKAGES):
        raise InputError(_no_kind(canonical(path), suffix))


def _no_kind(uri: str, suffix: str) -> str:
    """Why a file is not opened."""
    return f"{uri} is {_INSTEAD[suffix]}" if suffix in _INSTEAD else f"found the file {uri}: expected {_ACCEPTED}"


def _opened(
    spec: str | Path,
    *,
    name: str | None,
    rules: TableRules | None,
    allowed: Collection[str],
    by_content: bool,
    labels: FolderLabels,
) -> Source:
    text = os.fspath(spec)
    path = local_path(text)
    if not text or "\0" in text:
        raise InputError(f"found {text!r} for a source: expected {_ACCEPTED}")
    if path is not None and os.path.isdir(path):  # noqa: PTH112 - false, not an error, where it may not be looked at
        if os.path.isfile(f"{path}/store.json"):  # noqa: PTH113 - as above
            raise InputError(f"{path} is a store, expected pictures: name the folder or table that it was filled from")
        outer = Package(canonical(path))
        for package in filter(None, (outer, outer.inner())):
            if door_of(package.holds) is not None:
                return open_package(package, name=name, rules=rules or TableRules(), allowed=checked_schemes(allowed))
        return _folder_and_tables(canonical(path), name, by_content=by_content, labels=labels)
    suffix = _suffix(text)
    if by_content and path is not None and suffix not in KINDS and kind_of_bytes(file_head(path)):
        return FileSource(canonical(path), name=name or splitext(basename(path))[0], labels=labels)
    if path is not None and os.path.lexists(path):
        return _single(canonical(path), suffix, name, rules, checked_schemes(allowed), labels)
    if _has_magic(text):
        return _pattern(text if path is None else path, name, by_content=by_content, labels=labels)
    if path is not None:
        raise InputError(f"no such file or folder: {path}{_meant(path) or ': check the name'}")
    if suffix == ".zip":
        raise InputError(f"{text} is a .zip of the web, which is read on this machine only: download it first")
    if suffix in KINDS:
        return _single(text, suffix, name, rules, checked_schemes(allowed), labels)
    return _folder(text.rstrip("/"), name, by_content=by_content, labels=labels)


def _meant(path: str) -> str:
    """A file or folder of nearly this name in the same place, asked for; nothing where there is none."""
    try:
        beside = [one.name for one in Path(dirname(path.rstrip("/")) or ".").iterdir()]
    except OSError:
        return ""
    return did_you_mean(basename(path.rstrip("/")), beside)


def _folder(
    root: str, name: str | None, *, patterns: tuple[str, ...] = (), by_content: bool = False, labels: FolderLabels
) -> Source:
    called = name or basename(root) or "pictures"
    return FolderSource(root, name=called, patterns=patterns, by_content=by_content, labels=labels)


def _folder_and_tables(root: str, name: str | None, *, by_content: bool, labels: FolderLabels) -> Source:
    """The pictures of a local folder; tables that lie right in it are not read, which is said."""
    tables = tables_in(root)
    try:
        called = name or basename(root) or "pictures"
        return FolderSource(root, name=called, tables=tables, by_content=by_content, labels=labels)
    except InputError as error:
        if not tables:
            raise
        raise InputError(f"found no pictures in {root}: {advice(root, tables)}") from error


def _single(
    uri: str, suffix: str, name: str | None, rules: TableRules | None, allowed: frozenset[str], labels: FolderLabels
) -> Source:
    rules = rules or TableRules()
    if basename(uri) in _PACKAGES and not is_url(uri):
        return open_package(Package(dirname(uri)), name=name, rules=rules, allowed=allowed)
    name = name or basename(without_query(uri))[: -len(suffix) or None]
    if suffix in TABLE_SUFFIXES:
        return open_table(uri, name=name, rules=rules, allowed=allowed)
    if suffix in _MANIFEST_SUFFIXES:
        return ManifestSource(uri, name=name, rules=rules, allowed=allowed)
    if suffix == ".zip" and not is_url(uri):
        return open_package(Package.open(uri), name=name, rules=rules, allowed=allowed)
    if suffix == ".json":
        return open_annotations(uri, name, allowed, rules.missing)
    if suffix in PICTURE_SUFFIXES:
        return FileSource(uri, name=name, labels=labels)
    if suffix in KINDS:
        return KINDS[suffix](uri, name)
    raise InputError(_no_kind(uri, suffix))


def _suffix(uri: str) -> str:
    """Ending of a file's name, in lower case; of text that is compressed the ending before `.gz`, too.

    >>> _suffix("a.org/photos.CSV.gz"), _suffix("photos.tar.gz")
    ('.csv.gz', '.gz')
    """
    suffix = suffix_of(uri)
    both = suffix_of(without_query(uri)[: -len(suffix)]) + suffix if suffix == ".gz" else suffix
    return both if both in TABLE_SUFFIXES else suffix


def _pattern(pattern: str, name: str | None, *, by_content: bool, labels: FolderLabels) -> Source:
    try:
        patterns = list(braceexpand(pattern))
    except ValueError as error:
        raise InputError(f"the braces in {pattern!r} do not match: write {{a,b}} or {{000..159}}") from error
    suffixes = {_suffix(one) for one in patterns}
    if suffixes == {".tar"}:
        return _shards(patterns, name)
    if suffixes & {*_MANIFEST_SUFFIXES, ".tar"}:
        if not is_url(pattern) and not any(glob.glob(one, recursive=True) for one in patterns):  # noqa: PTH207 - takes whole paths
            raise InputError(f"nothing matches {pattern!r}: check the name")
        raise InputError(f"{pattern!r} mixes kinds or means several manifests: give one manifest, or only shards")
    base, relative = _split_patterns(patterns)
    if not is_url(pattern):
        base = canonical(base or "/")
    return _folder(base, name, patterns=relative, by_content=by_content, labels=labels)


def _shards(patterns: list[str], name: str | None) -> Source:
    shards: set[str] = set()
    for one in patterns:
        if is_url(one):
            shards.update(_remote_matches(one) if _has_magic(one) else [one])
        else:
            found = glob.glob(one, recursive=True) if _has_magic(one) else [one]  # noqa: PTH207 - takes whole paths
            shards.update(map(canonical, found))
    if not shards:
        raise InputError(f"no shard matches {patterns[0]!r}: expected .tar files")
    ordered = sorted(shards)
    return WebDatasetSource(ordered, name=name or basename(dirname(ordered[0])) or "shards")


def _remote_matches(pattern: str) -> list[str]:
    files, place = filesystem(pattern)
    return [files.unstrip_protocol(found) for found in files.glob(place)]


def _split_patterns(patterns: list[str]) -> tuple[str, tuple[str, ...]]:
    """The folder that all patterns start from, and each pattern relative to it."""
    segments = [pattern.split("/") for pattern in patterns]
    n_common = 0
    for level in zip(*(one[:-1] for one in segments), strict=False):
        if len(set(level)) > 1 or _has_magic(level[0]):
            break
        n_common += 1
    base = "/".join(segments[0][:n_common]) if n_common else "."
    return base, tuple("/".join(one[n_common:]) for one in segments)


def _has_magic(text: str) -> bool:
    """Whether a text is a pattern; in a web address `?` starts the query and brackets are literal."""
    return any(mark in text for mark in ("*{" if is_web(text) else "*?[{"))
