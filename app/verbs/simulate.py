"""Drawing simulated organisms whose true tree is known."""

from collections.abc import Callable
from pathlib import Path

from cladescope import simulation
from cladescope.app.verbs.arguments import checked
from cladescope.paths import local_path
from cladescope.simulation import SimulationConfig

DEFAULTS = SimulationConfig()


@checked
def simulate(
    directory: str | Path,
    *,
    species: int = DEFAULTS.species,
    images: int = DEFAULTS.images,
    seed: int = DEFAULTS.seed,
    size: int = DEFAULTS.size,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Evolve organisms along a random tree and draw them; return the path of their `metadata.csv`, which `embed` takes.

    It draws `images` pictures of each of `species` species, `size` x `size` pixels; the same `seed` gives identical files. The
    true tree is `tree.nwk` beside the manifest. With several `workers` (processes), call it under
    `if __name__ == "__main__":`. `progress` is called with the number of pictures drawn and their total.

    Raises InputError for numbers out of range or a folder that holds other files, StoreError if it cannot be written.

    >>> import tempfile, cladescope
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     manifest = cladescope.simulate(f"{folder}/clades", species=2, images=1, size=32)
    ...     len(manifest.read_text().splitlines())
    3
    """
    config = SimulationConfig(species=species, images=images, seed=seed, size=size)
    return simulation.simulate(local_path(directory), config, workers=workers, progress=progress)
