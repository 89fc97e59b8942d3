"""UMAP in a process of its own: within this one it would hold Python's lock for seconds, in which no request is answered."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from cladescope.analysis.maps.layout import Map, fit_map
from cladescope.app.service.work import Job

APART = 1000
"""Vectors above which it is worth the seconds of a start; fewer hold the lock for a fraction of one."""
LOOK_SECONDS = 0.2
"""How often to look whether the job is to stop."""
NICER = 5
"""By how much requests go before."""
_GIVEN, _MADE, _LOG = "vectors.npy", "points.npy", "log"


def fitted(vectors: Float32[np.ndarray, "n d"], job: Job, *, neighbours: int, seed: int, apart: int = APART) -> Map:
    """What `fit_map` makes of unit vectors by UMAP. Writes 4 n d bytes into the temporary folder where they are many.

    Raises what `fit_map` raises, RuntimeError where the process fails, StoppedError where the job is told to stop.
    """
    if len(vectors) <= apart:
        return fit_map(vectors, neighbours=neighbours, seed=seed)
    with tempfile.TemporaryDirectory(prefix="cladescope-map-") as name:
        folder = Path(name)
        np.save(folder / _GIVEN, vectors)
        command = [sys.executable, "-m", __name__, name, str(neighbours), str(seed)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}
        with (folder / _LOG).open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            while process.poll() is None:
                job.at(job.told)
                job.stopping.wait(LOOK_SECONDS)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            said = (folder / _LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise RuntimeError(said[-1] if said else f"its process ended with {process.returncode}")
        points = np.load(folder / _MADE)
    return Map(vectors, points, "umap", min(neighbours, len(vectors) - 1), {})


def main(folder: Path, neighbours: int, seed: int) -> None:
    """Lay out the vectors that lie in a folder, in the process that `fitted` has started."""
    if hasattr(os, "nice"):
        os.nice(NICER)
    found = fit_map(np.load(folder / _GIVEN), neighbours=neighbours, seed=seed)
    np.save(folder / _MADE, found.points)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
