"""The processor that this process runs on: what it is called, which of its cores the process may use, and their memory caches."""

import os
import platform
from pathlib import Path

_CACHES = "/sys/devices/system/cpu/cpu{}/cache"


def n_cores() -> int:
    """Cores that this process may use.

    >>> n_cores() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_name() -> str:
    """What the processor calls itself."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def memory_caches() -> list[str]:
    """Level, kind and size of the caches of the first core that the process may use, as Linux says them; empty elsewhere.

    >>> all(cache.startswith("L") for cache in memory_caches())
    True
    """
    first = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    found = []
    for folder in sorted(Path(_CACHES.format(first)).glob("index*")):
        try:
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        except (OSError, ValueError):
            continue
        found.append(f"L{level} {kind} {size}")
    return found
