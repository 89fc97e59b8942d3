"""Where and with what a job ran: versions of packages, the machine, what a scheduler calls the job, the source's file."""

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cladescope.embedding.locations import file_of
from cladescope.files import hash_file
from cladescope.packages import versions_of
from cladescope.processor import n_cores, processor_name

PACKAGES = (
    "cladescope",
    "torch",
    "open_clip_torch",
    "timm",
    "pillow",
    "numpy",
    "lancedb",
    "pyarrow",
    "onnxruntime",
    "openvino",
)
"""What shapes a vector and how it is kept; those that are not installed are left out."""
SCHEDULER = (
    "SLURM_JOB_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_RESTART_COUNT",
    "RAY_JOB_ID",
    "PBS_JOBID",
    "LSB_JOBID",
    "JOB_ID",
)
"""Variables by which schedulers name a job."""
HASHED_BYTES = 256 * 2**20
"""Files of sources that are larger are not hashed: that would take about a second a gigabyte."""


def versions() -> dict[str, str]:
    """Versions of what shapes a vector."""
    return versions_of(PACKAGES)


def machine() -> dict[str, Any]:
    """This machine and, under a scheduler, the job's names there, as plain values. Loads nothing.

    >>> machine()["cores"] >= 1
    True
    """
    torch = sys.modules.get("torch")
    gpus = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())] if torch is not None else []
    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "processor": processor_name(),
        "cores": n_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpus": gpus,
        "process": os.getpid(),
        "scheduler": {name: os.environ[name] for name in SCHEDULER if name in os.environ},
    }


def source_file(address: str) -> dict[str, Any]:
    """Size, time and hash of a source that is one local file, such as a table; nothing of any other."""
    path = file_of(address)
    if path is None or not Path(path).is_file():
        return {}
    try:
        found = Path(path).stat()
        modified = datetime.fromtimestamp(found.st_mtime, UTC).isoformat(timespec="seconds")
        hashed = hash_file(Path(path)) if found.st_size <= HASHED_BYTES else None
    except OSError:
        return {}
    return {"bytes": found.st_size, "modified": modified, "hash": hashed}
