"""`cladescope doctor`: what this machine offers."""

from cladescope.app.cli.options import JsonOption
from cladescope.app.cli.output import print_json, print_line, print_table


def doctor(json: JsonOption = False) -> None:
    """Show versions, devices and memory, to put into a report of a problem.

    Example: cladescope doctor
    """
    import os
    import platform
    import shutil
    from pathlib import Path

    import faiss
    import torch

    from cladescope.app.cli.jobs import versions

    cuda = torch.cuda.is_available()
    found = {
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
    if json:
        print_json(found)
    else:
        print_table(["", "found"], [(name, "none" if value is None else str(value)) for name, value in found.items()])
        print_line("ready: embedding on the GPU" if cuda else "ready: embedding on the CPU (no CUDA device was found)")
