"""The one table in a zip, as GBIF and others give a download."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from cladescope.delimited import DelimitedText
from cladescope.delimited.encoding import ByteStream
from cladescope.embedding.zips import open_member, zip_names
from cladescope.errors import InputError

_ENDINGS: Final = (".csv", ".tsv", ".tab", ".txt")
_BESIDE: Final = ("citation", "citations", "rights", "readme", "license", "licence")
"""Names of texts that lie beside a table and are none."""


def zipped_table(path: Path) -> DelimitedText:
    """The table in a zip. Raises InputError where there is none, or more than one."""
    names = [name for name in zip_names(str(path)) if PurePosixPath(name).suffix.lower() in _ENDINGS]
    names = [name for name in names if PurePosixPath(name).stem.lower() not in _BESIDE]
    if len(names) != 1:
        shown = ", ".join(names[:5]) or "none"
        raise InputError(f"{path} holds {len(names)} tables ({shown}), expected one: unpack it, and name the table")

    @contextmanager
    def opened() -> Iterator[ByteStream]:
        with open_member(str(path), names[0]) as stream:
            yield stream

    return DelimitedText(f"{path}:{names[0]}", opened)
