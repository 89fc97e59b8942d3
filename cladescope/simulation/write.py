"""Simulated clades written as a data set: pictures, their taxa, and the true tree and traits behind them.

It is the input of the demo and the ground truth of tests. How species come about is the business of
`cladescope.simulation.evolution`, how one looks that of `cladescope.simulation.drawing`.
"""

import csv
import json
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from cladescope.errors import InputError, StoreError
from cladescope.files import is_new_folder, replacing, write_json
from cladescope.phylogeny.newick import write_tree
from cladescope.simulation.drawing import draw_picture
from cladescope.simulation.evolution import Clades, SimulationConfig, evolve, stream
from cladescope.simulation.silhouette import TRAITS
from cladescope.taxonomy import RANKS

__all__ = ["Clades", "SimulationConfig", "draw", "evolve", "simulate"]

FORMAT_VERSION = 1
"""Version of the simulation: raised when the same configuration would no longer give the same pictures."""

_BATCH = 16
_PICTURES = 3


class _Batch(NamedTuple):
    """Pictures `start` to `stop` of one species: what a worker is given at a time."""

    images: Path
    taxon: tuple[str, ...]
    species: int
    start: int
    stop: int
    traits: Float[np.ndarray, " traits"]
    config: SimulationConfig


def draw(
    traits: Float[np.ndarray, " traits"], rng: np.random.Generator, config: SimulationConfig
) -> UInt8[np.ndarray, "size size 3"]:
    """Draw one individual of the species with these traits.

    >>> clades = evolve(SimulationConfig(species=3))
    >>> draw(clades.traits[0], np.random.default_rng(0), SimulationConfig(size=64)).shape
    (64, 64, 3)
    """
    return draw_picture(traits, rng, size=config.size, clutter=config.clutter, variation=config.variation)


def simulate(
    out: Path,
    config: SimulationConfig,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a simulated data set into the folder `out` and return the path of its `metadata.csv`.

    The folder gets `images/Genus_species/000.jpg` and so on, `metadata.csv` (last, so that it stands for a
    finished job), `tree.nwk`, `traits.csv` and `simulation.json` (the configuration). The bytes depend on the
    configuration alone. Run again after an interruption, or with more `images`, it draws what is missing.
    With several `workers` (processes), call it below `if __name__ == "__main__":`. `progress` is called with
    the number of pictures that are there and their total. Memory does not grow with the number of pictures.

    Raises InputError if `out` holds anything but this simulation, StoreError if it cannot be written.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}: give 1 or more")
    total = config.species * config.images
    try:
        _claim(out, config)
        clades = evolve(config)
        write_tree(clades.tree, out / "tree.nwk")
        _write_traits(out / "traits.csv", clades)
        done = 0
        for drawn in _run(_batches(out, clades, config), workers=min(workers, total)):
            done += drawn
            if progress is not None:
                progress(done, total)
        return _write_metadata(out / "metadata.csv", clades, config)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(f"cannot write the simulation into {out}: {reason}") from error


def _batches(out: Path, clades: Clades, config: SimulationConfig) -> Iterator[_Batch]:
    for species, taxon in enumerate(clades.taxa):
        for start in range(0, config.images, _BATCH):
            stop = min(start + _BATCH, config.images)
            yield _Batch(out / "images", taxon, species, start, stop, clades.traits[species], config)


def _run(batches: Iterator[_Batch], *, workers: int) -> Iterator[int]:
    """Draw the batches, here or in as many processes, and tell how many pictures each had."""
    if workers == 1:
        yield from map(_draw_batch, batches)
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_end_with_parent)
    waiting: deque[Future[int]] = deque()
    try:
        for batch in batches:
            with _out_of_reach_of_ctrl_c():
                waiting.append(pool.submit(_draw_batch, batch))
            if len(waiting) >= 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise StoreError(
            "a drawing process died, out of memory or for want of a guarded main module: run again with fewer workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _out_of_reach_of_ctrl_c() -> Iterator[None]:
    """Processes that start in here never see Ctrl-C: whoever started them does, and ends them in good order."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """Let this process end when the one that started it is gone: it would wait for work forever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _draw_batch(batch: _Batch) -> int:
    """Write those pictures of a batch that are missing."""
    for image in range(batch.start, batch.stop):
        path = batch.images / _file_name(batch.taxon, image)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            rng = stream(batch.config, _PICTURES, batch.species, image)
            with replacing(path, durable=False) as part:
                Image.fromarray(draw(batch.traits, rng, batch.config)).save(part, "JPEG", quality=90)
    return batch.stop - batch.start


def _file_name(taxon: tuple[str, ...], image: int) -> str:
    return f"{taxon[-1].replace(' ', '_')}/{image:03d}.jpg"


def _claim(out: Path, config: SimulationConfig) -> None:
    """Make `out` the folder of this simulation, or raise InputError if it is something else's."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give a new folder for the simulation")
    kept = out / "simulation.json"
    wanted = {"format_version": FORMAT_VERSION, **asdict(config)}
    if kept.exists():
        _check_same(kept, wanted, config)
    elif not is_new_folder(out):
        raise InputError(f"{out} already holds other files: give a new or an empty folder for the simulation")
    out.mkdir(parents=True, exist_ok=True)
    write_json(kept, wanted)


def _check_same(kept: Path, wanted: dict[str, object], config: SimulationConfig) -> None:
    """Raise InputError unless the folder's simulation is the wanted one, or has only fewer pictures."""
    try:
        earlier = json.loads(kept.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{kept} is no JSON ({error}): give a new folder for the simulation") from error
    if not isinstance(earlier, dict):
        raise InputError(f"{kept} describes no simulation: give a new folder for the simulation")
    for name, value in wanted.items():
        found = earlier.get(name)
        if name == "images" and isinstance(found, int) and found <= config.images:
            continue
        if found != value:
            remedy = f"give a new folder, or ask for {found} or more" if name == "images" else "give a new folder"
            raise InputError(f"{kept.parent} holds a simulation with {name} {found}, not {value}: {remedy}")


def _write_traits(path: Path, clades: Clades) -> None:
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["species", *TRAITS])
        for taxon, row in zip(clades.taxa, clades.traits.tolist(), strict=True):
            writer.writerow([taxon[-1], *(f"{value:.6f}" for value in row)])


def _write_metadata(path: Path, clades: Clades, config: SimulationConfig) -> Path:
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["file", *RANKS, "common_name"])
        for taxon, common_name in zip(clades.taxa, clades.common_names, strict=True):
            for image in range(config.images):
                writer.writerow([f"images/{_file_name(taxon, image)}", *taxon, common_name])
    return path
