"""Memory that is used again from batch to batch, where torch computes on a CPU.

Torch asks the C library for each result anew. glibc gives blocks of megabytes back to the system as soon as they are free, so that the
system must clear them, page by page, for the next batch: 5,000 to 10,000 pages a picture with `tiny`, more than half of the time.
"""

import ctypes
import sys
from functools import cache

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8
"""Parameters of glibc's `mallopt(3)`."""
LARGE = 2**31 - 1
TOP_PAD = 2**26
"""Bytes by which the heap grows at a time."""


@cache
def keep_memory() -> bool:
    """Have the C library keep what is freed, for the whole process and to its end; whether it does.

    So a process keeps the most memory that it ever needed at once. Threads that start later share one heap, since glibc gives back
    those of threads whatever is set. Other C libraries than glibc are left as they are.

    >>> keep_memory() == keep_memory()
    True
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
        ctypes.CDLL(None).gnu_get_libc_version  # noqa: B018 - musl has none, and a mallopt that does nothing
    except (OSError, AttributeError):
        return False
    settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: LARGE, M_TOP_PAD: TOP_PAD, M_ARENA_MAX: 1}
    return all([mallopt(name, value) == 1 for name, value in settings.items()])
