"""Pictures a second of `cladescope.simulation`, drawn and written as JPEG, with one and with two processes.

python benchmarks/simulate.py --images 400
"""

import argparse
import tempfile
import time
from pathlib import Path

from cladescope.simulation import SimulationConfig, simulate


def pictures_per_second(config: SimulationConfig, workers: int) -> float:
    """Whole run, start of the processes included."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        simulate(Path(folder) / "out", config, workers=workers)
        return config.species * config.images / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400, help="pictures in all (default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="pixels a side (default: %(default)s)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="default: 1 2")
    options = parser.parse_args()
    species = 20
    config = SimulationConfig(species=species, images=max(options.images // species, 1), size=options.size)
    print(f"{config.species * config.images} pictures of {config.size} x {config.size}")
    print(f"{'workers':>7}  {'pictures/s':>10}")
    for workers in options.workers:
        print(f"{workers:>7}  {pictures_per_second(config, workers):>10.0f}")


if __name__ == "__main__":
    main()
