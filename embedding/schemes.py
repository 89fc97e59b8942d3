"""Which addresses a table may name: files beside it and of this machine, the web, and the usual stores of files.

fsspec, which opens addresses, knows far more: archives inside archives, references, shells of other machines. A table is often
somebody else's, so what it may not name is refused unless it is allowed by name. What a user names is opened as it is.
"""

from collections.abc import Collection

from cladescope.embedding.columns import is_url
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
    not name files of it.

    >>> refusal("ftp://a.org/tit.jpg", "ftp://a.org/tit.jpg", [], elsewhere=False)
    'addresses of ftp:// are not opened for a table: allow them with --allow ftp'
    >>> refusal("tit.jpg", "/photos/tit.jpg", [], elsewhere=False)
    """
    scheme = written.partition("://")[0].lower() if is_url(written) else None
    if scheme is None and is_url(uri):
        scheme = uri.partition("://")[0].lower()
    elif scheme is not None and scheme not in USUAL and scheme not in allowed:
        return f"addresses of {scheme}:// are not opened for a table: allow them with --allow {scheme}"
    if scheme not in (None, "http", "https") and "::" in written:
        return "an address inside another (::) is not opened for a table: copy the pictures to this machine"
    if elsewhere and not is_url(uri) and "file" not in allowed:
        return (
            "a table from elsewhere may not name files of this machine: copy it here, or allow them with --allow file"
        )
    return None
