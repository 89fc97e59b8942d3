"""Placing one file at a name that nobody has: by a link, a copy or a move that is whole or not at all, and never over another file."""

import contextlib
import errno
import filecmp
import os
import shutil
from pathlib import Path

from cladescope.analysis.sort_log import By
from cladescope.files import replacing


def place(source: Path, target: Path, by: By) -> None:
    """Put `source` at `target`, where nothing may be.

    A copy has the times of its original. A move on one disk is a rename; to another disk it is a copy that is compared with its
    original, byte by byte, before that is removed.

    Raises FileExistsError where something is at `target`, and OSError for whatever else fails; nothing is left there then.
    """
    if by == "link":
        target.symlink_to(source)
        return
    # The name is taken first, by an empty file: no other process can have it then.
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        if by == "copy":
            _copy(source, target)
        else:
            move_over(source, target)
    except BaseException:
        with contextlib.suppress(OSError):
            if source.exists() and target.stat().st_size == 0:
                target.unlink()
        raise


def move_over(source: Path, target: Path) -> None:
    """Move a file over an empty one, or to where nothing is, from disk to disk if need be."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, target)
        if not is_same(source, target):
            target.write_bytes(b"")
            raise OSError(errno.EIO, "the copy differs from its original") from error
        source.unlink()


def is_same(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes; read anew each time."""
    filecmp.clear_cache()
    return one.stat().st_size == other.stat().st_size and filecmp.cmp(one, other, shallow=False)


def _copy(source: Path, target: Path) -> None:
    """A copy with its times and rights that takes the name in one step, once the disk has it."""
    with replacing(target) as draft:
        shutil.copyfile(source, draft)
        shutil.copystat(source, draft)
