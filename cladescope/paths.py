"""Paths that must be local: where stores, classifiers, maps and tables are written, and what is read from the disk only."""

import os
import re
from pathlib import Path

from cladescope.errors import InputError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")
"""Two letters or more, for `C:/photos` is a path; `Path` has made one slash of two."""


def local_path(path: str | os.PathLike[str]) -> Path:
    """A path on this machine's disk, as it was given.

    Raises InputError for a URL, which would become a local folder called `s3:`, for an empty name, which would become the
    present folder, for a name with a NUL in it, and for what is no path at all.

    >>> local_path("photos.store").name
    'photos.store'
    >>> local_path("s3://bucket/photos.store")
    Traceback (most recent call last):
    cladescope.errors.InputError: found s3://bucket/photos.store, expected a local path: only stores and sources may lie elsewhere
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(text := os.fspath(path), str):
        raise InputError(f"found a value of type {type(path).__name__}, expected a path")
    if not text.strip():
        raise InputError(f"found {text!r} for a path: name a file or folder")
    if (found := _SCHEME.match(text)) is not None:
        address = f"{found[1]}://{text[found.end() :]}"
        if found[1].lower() == "file":
            raise InputError(f"found {address}, expected a local path: leave out `file://`")
        raise InputError(f"found {address}, expected a local path: only stores and sources may lie elsewhere")
    if "\0" in text:
        raise InputError(f"found {text!r}, expected a local path: it holds a NUL")
    return Path(text)
