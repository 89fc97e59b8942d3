"""Opening what a record's `uri` says: a path, a URL, `shard.tar#member`, `archive.zip#member` or `table.parquet#row=17`.

Files of the web come through `cladescope.embedding.web`, other URLs are those that fsspec knows. Everything here may be called from several threads at once: each call opens
its own file and closes it. A local path that exists as it stands is always itself, whatever `#` it contains.
Decoding is elsewhere.
"""

import errno
import os
import re
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from posixpath import splitext
from typing import BinaryIO, Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from cladescope import object_storage
from cladescope.embedding.bounds import MAX_FILE_BYTES, too_large
from cladescope.embedding.columns import is_url, plan_columns
from cladescope.embedding.objects import read_object
from cladescope.embedding.place_kinds import kind_of
from cladescope.embedding.regions import split_region
from cladescope.embedding.zips import member_size, open_member, unreadable
from cladescope.errors import InputError, PictureError
from cladescope.object_storage import has_client, object_url

_INSIDE = re.compile(r"(?P<file>.+?\.(?:(?:tar|zip)#(?P<member>.+)|parquet#row=(?P<row>\d+)))", re.IGNORECASE)

MAX_COPY_BYTES = 2**34
"""Most bytes of a table or shard of the web that are copied to this machine, 16 GiB."""


def read_bytes(uri: str) -> bytes:
    """The encoded picture at `uri`, whole.

    Raises PictureError with a one-line reason if there is none, if it may not be read, if the file around it is
    damaged, or if the URL's scheme is unknown or needs a package that is not installed.

    >>> read_bytes("/nowhere/tit.jpg")
    Traceback (most recent call last):
    cladescope.errors.PictureError: no such file: /nowhere/tit.jpg
    """
    if is_web_file(uri):
        from cladescope.embedding.web import current  # loads the HTTP client

        return current().fetch(uri)
    inside = _INSIDE.fullmatch(uri)
    if inside is None and object_url(uri) is not None and has_client():
        return read_object(uri)
    if inside is None or (not is_url(uri) and os.path.lexists(uri)):
        with open_location(uri, failure=PictureError) as stream:
            return _whole(stream)
    if inside["member"] is not None:
        archive = uri[: inside.start("member") - 1]
        return (_read_zipped if suffix_of(archive) == ".zip" else _read_member)(archive, inside["member"])
    return _read_row(uri[: inside.start("row") - len("#row=")], int(inside["row"]))


@runtime_checkable
class _Stream(Protocol):
    """What reading a picture needs of a file."""

    def read(self, n_bytes: int = -1, /) -> bytes:
        """So many bytes, or all."""

    def fileno(self) -> int:
        """Number of an open file of this machine."""


def _whole(stream: _Stream) -> bytes:
    """All bytes of a picture's file; no more than it may have are read."""
    try:
        n_bytes = os.fstat(stream.fileno()).st_size
    except OSError:  # a remote file: what comes is counted
        n_bytes = 0
    if n_bytes > MAX_FILE_BYTES:
        raise PictureError(too_large(n_bytes))
    if n_bytes:
        return stream.read()
    content = bytearray()
    while block := stream.read(2**20):
        content += block
        if len(content) > MAX_FILE_BYTES:
            raise PictureError(f"has more than {MAX_FILE_BYTES} bytes, the most that a picture may have")
    return bytes(content)


@contextmanager
def open_location(uri: str, *, failure: type[InputError] = InputError, in_order: bool = False) -> Iterator[BinaryIO]:
    """A whole file, local or remote, opened to read bytes.

    A file of the web is copied to a temporary one first, of at most `MAX_COPY_BYTES`; or, with `in_order`, read as it comes, from
    its start to its end and no other way. Whatever fails, be it an unknown scheme, a lost connection or a damaged tar, raises `failure` with a one-line
    reason.

    >>> with open_location(__file__) as stream:
    ...     stream.read(3)
    b'...'
    """
    path = local_path(uri)
    if "\0" in uri:
        raise failure(f"no such file: {uri!r} holds a NUL, which no name may")
    try:
        if path is not None:
            with open(path, "rb", opener=_open_file) as stream:
                yield stream
        elif is_web(uri):
            with _open_web(uri, in_order=in_order) as stream:
                yield stream
        else:
            with _open_remote(uri, failure) as stream:
                yield stream
    except PictureError as error:
        raise failure(str(error)) from error
    except InputError:
        raise
    except (OSError, EOFError, tarfile.TarError, pa.ArrowException) as error:
        raise failure(reason(error, uri)) from error
    except (ImportError, ValueError) as error:
        if path is not None:
            raise
        raise failure(_no_client(uri, error)) from error
    except client_errors() as error:
        raise failure(reason(error, uri)) from error


@contextmanager
def _open_remote(url: str, failure: type[InputError]) -> Iterator[BinaryIO]:
    try:
        files, place = filesystem(url)
    except InputError as error:
        raise failure(str(error)) from error
    if object_url(url) is not None:
        files.info(place)  # a file that is not there is told before a reader of it is made
    with files.open(place, "rb") as stream:
        yield stream


@contextmanager
def _open_web(url: str, *, in_order: bool) -> Iterator[BinaryIO]:
    from cladescope.embedding.web import current  # loads the HTTP client

    if in_order:
        with current().opened(url) as stream:
            yield stream
    else:
        with _copied(url) as copy, Path(copy.name).open("rb") as stream:
            yield stream


def _copied(url: str) -> "tempfile._TemporaryFileWrapper[bytes]":
    """A file of the web, copied to one of this machine that is removed with the object."""
    from cladescope.embedding.web import current

    copy = tempfile.NamedTemporaryFile(prefix="cladescope-")  # noqa: SIM115 - it lives as long as its object
    with current().opened(url) as stream:
        while block := stream.read(2**20):
            copy.write(block)
            if copy.tell() > MAX_COPY_BYTES:
                raise PictureError(f"has more than {MAX_COPY_BYTES} bytes: copy it to this machine yourself: {url}")
    copy.flush()
    return copy


def opener_of(uri: str) -> Callable[[], AbstractContextManager[BinaryIO]]:
    """What opens a file again and again, as `open_location`; one of the web is fetched once and kept as long as the opener.

    Raises InputError where a file of the web cannot be had.
    """
    if not is_web(uri):
        return partial(open_location, uri)
    try:
        copy = _copied(uri)
    except PictureError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(reason(error, uri)) from error
    return lambda: open_location(copy.name)


def _open_file(path: str, flags: int) -> int:
    """Open a file, and nothing else: reading a pipe could wait for ever, a device could have no end."""
    opened = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    kind = kind_of(os.fstat(opened))
    if kind in ("a file", "a folder"):  # a folder is refused by whoever reads it
        return opened
    os.close(opened)
    raise OSError(errno.EINVAL, f"is {kind}")


def file_of(uri: str) -> str | None:
    """The local file in which a picture lies: itself, or the shard or table around it; None for a remote one.

    >>> file_of("/nowhere/tit.jpg"), file_of("/nowhere/a.tar#tit.jpg"), file_of("s3://photos/tit.jpg")
    ('/nowhere/tit.jpg', '/nowhere/a.tar', None)
    """
    path = local_path(split_region(uri)[0])
    if path is None or os.path.lexists(path) or (inside := _INSIDE.fullmatch(path)) is None:
        return path
    return path[: inside.start("member" if inside["member"] is not None else "row")].rpartition("#")[0]


def filesystem(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """What lists the files at `url`, and the name that it has for the place; on the web it asks under our own name.

    Raises InputError if the scheme is unknown or needs a package that is not installed.

    >>> filesystem("memory://photos")[1]
    '/photos'
    """
    try:
        if is_web(url):
            from cladescope.embedding.web import current  # loads the HTTP client

            files, place = fsspec.core.url_to_fs(url, client_kwargs={"headers": {"User-Agent": current().agent}})
        elif object_url(url) is not None and has_client():
            files = object_storage.filesystem(url)
            place = url.partition("://")[2]
        else:
            files, place = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise InputError(_no_client(url, error)) from error
    return files, place


def local_path(uri: str) -> str | None:
    """The path that a local address means, or None for a remote one.

    >>> local_path("photos/tit.jpg"), local_path("file:///photos/great%20tit.jpg"), local_path("s3://photos/tit.jpg")
    ('photos/tit.jpg', '/photos/great tit.jpg', None)
    """
    if uri[:7].lower() == "file://":
        return unquote(urlsplit(uri).path)
    return None if is_url(uri) else uri


def canonical(address: str) -> str:
    """The one absolute address of a place: links in a local path's folders are resolved, a file itself is not.

    Raises InputError for a name that is not UTF-8.

    >>> canonical("/photos/../photos/tit.jpg"), canonical("s3://photos/tit.jpg")
    ('/photos/tit.jpg', 's3://photos/tit.jpg')
    """
    path = local_path(address)
    if path is None:
        return address
    place = Path(path)
    found = str(place.resolve() if place.is_dir() else place.parent.resolve() / place.name)
    try:
        found.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the name {os.fsencode(found)!r} is not UTF-8: rename it") from error
    return found


def is_web(uri: str) -> bool:
    """Whether an address is one of the web.

    >>> is_web("HTTPS://a.org/tit.jpg"), is_web("s3://a/tit.jpg")
    (True, False)
    """
    return uri.lower().startswith(("http://", "https://"))


def is_web_file(uri: str) -> bool:
    """Whether an address is that of a whole file of the web, and not of one inside a shard or table there.

    >>> is_web_file("https://a.org/tit.jpg"), is_web_file("https://a.org/s.tar#tit.jpg"), is_web_file("s3://a/tit.jpg")
    (True, False, False)
    """
    return is_web(uri) and _INSIDE.fullmatch(uri) is None


def without_query(uri: str) -> str:
    """An address without the query of a web address; any other address is all name.

    >>> without_query("https://a.org/tit.jpg?size=large"), without_query("s3://photos/who?.jpg")
    ('https://a.org/tit.jpg', 's3://photos/who?.jpg')
    """
    return uri.partition("?")[0] if is_web(uri) else uri


def suffix_of(uri: str) -> str:
    """Ending of a file's name, in lower case, with its dot.

    >>> suffix_of("https://a.org/Tit.JPG?size=1.5")
    '.jpg'
    """
    return splitext(without_query(uri))[1].lower()


def reason(error: Exception, place: str) -> str:
    """One line that says why `place` could not be read.

    >>> reason(PermissionError(13, "Permission denied"), "/photos/tit.jpg")
    'no permission to read /photos/tit.jpg'
    """
    match error:
        case FileNotFoundError(__cause__=OSError() as cause) if not isinstance(cause, FileNotFoundError):
            return f"cannot reach {place}: {_one_line(cause)}"  # so fsspec reports a server that does not answer
        case FileNotFoundError() | NotADirectoryError():
            return f"no such file: {place}"
        case PermissionError():
            return f"no permission to read {place}"
        case IsADirectoryError():
            return f"is a folder: {place}"
        case OSError(strerror=str(text)):
            return f"cannot read {place}: {text}"
        case _:
            return f"cannot read {place}: {_one_line(error)}"


def _read_member(shard: str, member: str) -> bytes:
    with (
        open_location(shard, failure=PictureError) as stream,
        tarfile.open(fileobj=stream, mode="r:") as archive,
    ):
        while (entry := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined] # else the headers of the whole shard add up
            if entry.name == member and entry.isfile():
                if entry.size > MAX_FILE_BYTES:
                    raise PictureError(too_large(entry.size))
                content = archive.extractfile(entry)
                assert content is not None, "a regular member has content"
                return content.read()
    raise PictureError(f"no such file: {member} in {shard}")


def _read_zipped(archive: str, member: str) -> bytes:
    path = local_path(archive)
    if path is None:
        raise PictureError(f"cannot read {archive}: a .zip is read on this machine only; copy it here")
    try:
        if (n_bytes := member_size(path, member)) > MAX_FILE_BYTES:
            raise PictureError(too_large(n_bytes))
        with open_member(path, member) as stream:
            return stream.read()
    except InputError as error:
        raise PictureError(str(error)) from error
    except Exception as error:  # zlib, lzma and zipfile have errors of their own
        raise PictureError(unreadable(member, path, error)) from error


def _read_row(table: str, row: int) -> bytes:
    with open_location(table, failure=PictureError) as stream, pq.ParquetFile(stream) as parquet:
        column = plan_columns(parquet.schema_arrow, needs_picture=False).picture
        n_rows = parquet.metadata.num_rows
        if column is None or row >= n_rows:
            found = "no column of pictures" if column is None else f"{n_rows} rows"
            raise PictureError(f"no picture in row {row} of {table}: it has {found}")
        group, left = 0, row
        while left >= parquet.metadata.row_group(group).num_rows:
            left -= parquet.metadata.row_group(group).num_rows
            group += 1
        for batch in parquet.iter_batches(batch_size=64, row_groups=[group], columns=[column]):
            if left < batch.num_rows:
                value = batch.column(0)[left].as_py()
                content = value["bytes"] if isinstance(value, dict) else value
                if content is None:
                    break
                assert isinstance(content, bytes), "the planned column is binary"
                return content
            left -= batch.num_rows
    raise PictureError(f"no picture in row {row} of {table}: column {column!r} is empty there")


def client_errors() -> tuple[type[Exception], ...]:
    """OSError, and the base errors of the clients that are loaded; they share no class that could be named here."""
    known = (("aiohttp", "ClientError"), ("botocore.exceptions", "BotoCoreError"), ("obstore.exceptions", "BaseError"))
    return (OSError, *(getattr(sys.modules[module], name) for module, name in known if module in sys.modules))


def _no_client(url: str, error: Exception) -> str:
    return f"cannot open {url}: {_one_line(error)}; install what its scheme needs, or copy it to this machine"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
