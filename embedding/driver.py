"""Whether a GPU may be here, known without importing torch."""

from functools import cache
from pathlib import Path

DRIVER_FILES = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")
"""One of these stands where a driver of NVIDIA runs; the last is that of Windows' own Linux."""


@cache
def has_driver() -> bool:
    """Whether a driver of NVIDIA runs here; a card may still be hidden (CUDA_VISIBLE_DEVICES) or torch made without CUDA.

    >>> isinstance(has_driver(), bool)
    True
    """
    return any(Path(file).exists() for file in DRIVER_FILES)
