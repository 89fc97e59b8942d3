"""Size and time of a picture's file, by which a run tells that it is as it was."""

import os
import time

from cladescope.embedding.locations import file_of, local_path

UNKNOWN = -1
"""Size or time that is not known; such a file is looked into."""
SETTLED_NS = 2 * 10**9
"""A file changed less than this ago may change again within one tick of a coarse clock: its time is not trusted."""


def stamp(uri: str) -> tuple[int, int]:
    """Bytes and time of change (ns) of the local file in which a picture lies; `UNKNOWN` twice where there is none.

    The time of a file that was changed a moment ago is `UNKNOWN`, too (`SETTLED_NS`).

    >>> stamp("/nowhere/a.jpg"), stamp("https://a.org/tit.jpg")
    ((-1, -1), (-1, -1))
    """
    path = local_path(uri)
    if path is None:
        return UNKNOWN, UNKNOWN
    try:
        found = os.stat(path)  # noqa: PTH116 - a path by the hundred thousand
    except (OSError, ValueError):
        try:
            found = os.stat(file_of(uri) or path)  # noqa: PTH116
        except (OSError, ValueError):
            return UNKNOWN, UNKNOWN
    settled = abs(time.time_ns() - found.st_mtime_ns) > SETTLED_NS
    return found.st_size, found.st_mtime_ns if settled else UNKNOWN


def is_there(uri: str) -> bool | None:
    """Whether the local file in which a picture lies is there; None for a remote one."""
    return None if file_of(uri) is None else stamp(uri)[0] != UNKNOWN
