"""Versions, devices and memory of this machine."""

import os
import platform
import shutil
from pathlib import Path
from typing import Any

from cladescope.app.verbs.machine import versions


def doctor() -> dict[str, Any]:
    """Versions, devices and memory as plain values, for a problem report; None for what is missing.

    >>> import cladescope
    >>> cladescope.doctor()["cores"] >= 1
    True
    """
    import faiss

    try:
        import torch
    except ModuleNotFoundError:  # a small installation
        cuda = False
    else:
        cuda = torch.cuda.is_available()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "disk_free_gb": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1),
        "cuda": torch.cuda.get_device_name() if cuda else None,
        "cuda_memory_gb": round(torch.cuda.get_device_properties(0).total_memory / 1e9, 1) if cuda else None,
        "bf16": torch.cuda.is_bf16_supported() if cuda else None,
        "faiss": faiss.__version__,
        **versions(),
    }
