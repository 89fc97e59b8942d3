"""Which addresses a table may name: files beside it and of this machine, the web, and the usual stores of files.

fsspec, which opens addresses, knows far more: archives inside archives, references, shells of other machines. A table is often
somebody else's, so what it may not name is refused unless it is allowed by name. What a user names is opened as it is.
"""

import os
import posixpath
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from cladescope.embedding.columns import is_url
from cladescope.embedding.locations import is_web, local_path, without_query
from cladescope.errors import InputError

USUAL = frozenset({"http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory"})
"""Schemes that a table may name."""


def checked_schemes(names: Collection[str]) -> frozenset[str]:
    """Schemes that a user allows, in lower case.

    Raises InputError for what is no name of a scheme.

    >>> sorted(checked_schemes(["FTP", "file"]))
    ['file', 'ftp']
    """
    for name in names:
        if "/" in name or not is_url(f"{name}://"):
            raise InputError(f"found {name!r} for a scheme to allow: expected a name such as ftp or file, without ://")
    return frozenset(name.lower() for name in names)


def refusal(written: str, uri: str, allowed: Collection[str], *, elsewhere: bool) -> str | None:
    """Why an address that a table names is not opened; None where it may be.

    `written` is what stands in the table, `uri` what it means. With `elsewhere` the table is not of this machine, and may
    not name files of it. A table of this machine may, as a path or with `file://`.

    >>> refusal("ftp://a.org/tit.jpg", "ftp://a.org/tit.jpg", [], elsewhere=False)
    'addresses of ftp:// are not opened for a table: allow the scheme ftp'
    >>> refusal("tit.jpg", "/photos/tit.jpg", [], elsewhere=False)
    """
    scheme = written.partition("://")[0].lower() if is_url(written) else None
    if scheme is None and is_url(uri):
        scheme = uri.partition("://")[0].lower()
    elif scheme is not None and scheme not in {*USUAL, *allowed} and (scheme != "file" or elsewhere):
        return f"addresses of {scheme}:// are not opened for a table: allow the scheme {scheme}"
    if scheme not in (None, "http", "https") and "::" in written:
        return "an address inside another (::) is not opened for a table: copy the pictures to this machine"
    if elsewhere and not is_url(uri) and "file" not in allowed:
        return "a table from elsewhere may not name files of this machine: copy it here, or allow the scheme file"
    return None


class Address(NamedTuple):
    """What a path or address in a table means."""

    uri: str
    rule: str | None = None
    """How the path was read, where the file is called otherwise: `BACKSLASHES` or `LETTERS`."""
    problem: str | None = None
    """Why it is not opened."""


BACKSLASHES: Final = "backslashes read as slashes"
LETTERS: Final = "accents composed otherwise than in the file's name"


def leads_elsewhere(uri: str, table: str) -> bool:
    """Whether an address must lead to the public internet, as a table from elsewhere says it: unless it is of the table's own server.

    >>> leads_elsewhere("http://a.org/1.jpg", "http://a.org/t.csv"), leads_elsewhere("http://a.org:81/1.jpg", "http://a.org/t.csv")
    (False, True)
    >>> leads_elsewhere("http://10.0.0.1/1.jpg", "/photos/t.csv")
    False
    """
    if not is_url(table):
        return False
    ours, theirs = (_server(address) for address in (table, uri))
    return ours is None or ours != theirs


def _server(address: str) -> tuple[str, str] | None:
    """Scheme and server of an address of the web, without a login; None for any other."""
    if not is_web(address):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower()


def table_address(written: str, table: str, allowed: Collection[str] = ()) -> Address:
    """What a path or address in a table means; `table` is the table's own address, `allowed` are schemes beside the usual ones.

    >>> table_address("birds/tit.jpg", "/photos/detections.json").uri
    '/photos/birds/tit.jpg'
    """
    address = found(written, posixpath.dirname(without_query(table)))
    return address._replace(problem=address.problem or refusal(written, address.uri, allowed, elsewhere=is_url(table)))


def found(path: str, folder: str) -> Address:
    """The file that a path in a table in `folder` means, as it is written or by one of the two rules.

    Tables of Windows have backslashes. Systems of Apple, and what they pack, take accents apart (`e` and U+0301 for `é`, normal
    form D of Unicode), which tables do not.

    >>> found("birds/tit.jpg", "/photos")
    Address(uri='/photos/birds/tit.jpg', rule=None, problem=None)
    """
    address = Address(resolved(path, folder))
    windows = "\\" in path
    if is_url(address.uri) or not (windows or not path.isascii()) or Path(address.uri).exists():
        return address
    for written, rule in ((path, None), (path.replace("\\", "/"), BACKSLASHES)) if windows else ((path, None),):
        for form in (None, "NFC", "NFD"):
            uri = resolved(written if form is None else unicodedata.normalize(form, written), folder)
            if Path(uri).exists():
                return Address(uri, rule or LETTERS)
    slashed = resolved(path.replace("\\", "/"), folder)
    why = f"no such file: {address.uri}; nor with slashes for its backslashes: {slashed}" if windows else None
    return address._replace(problem=why)


def resolved(path: str, folder: str) -> str:
    """Address of a path written in a table that lies in `folder`."""
    if "://" in path and is_url(path):
        return local_path(path) or path
    if is_url(folder) and not path.startswith("/"):
        return f"{folder}/{path.removeprefix('./')}"
    above, _, name = posixpath.join(folder, path).rpartition("/")
    return f"{_real(above or '/').rstrip('/')}/{name}"


@lru_cache(maxsize=1 << 14)
def _real(folder: str) -> str:
    """A local folder's own path, without links: one picture has one address."""
    return os.path.realpath(folder) if "\0" not in folder else folder
