"""`cladescope simulate`: pictures of organisms whose true tree is known."""

from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption
from cladescope.app.cli.output import print_json, print_line, say
from cladescope.app.cli.progress import job_progress
from cladescope.app.verbs.simulate import DEFAULTS
from cladescope.shown import counted


def simulate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="New folder for the pictures.")],
    species: Annotated[int, typer.Option(min=2, help="Number of species.")] = DEFAULTS.species,
    images: Annotated[int, typer.Option(min=1, help="Pictures of each species.")] = DEFAULTS.images,
    seed: Annotated[int, typer.Option(min=0, help="Random seed; the same seed gives identical files.")] = DEFAULTS.seed,
    size: Annotated[int, typer.Option(min=32, help="Side of a picture in pixels.")] = DEFAULTS.size,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    json: JsonOption = False,
) -> None:
    """Draw simulated organisms that evolved along a random tree, so that the true tree and ranks are known.

    Example: cladescope simulate clades/ --species 60 --images 10
    """
    import time

    from cladescope.app.verbs import simulate as verb
    from cladescope.embedding.pipeline import Progress

    began = time.monotonic()
    with job_progress("drawn") as show:

        def drawn(done: int, total: int) -> None:
            show(Progress(done, total, embedded=done, failed=0, seconds=time.monotonic() - began))

        manifest = verb.simulate(
            directory, species=species, images=images, seed=seed, size=size, workers=workers, progress=drawn
        )
    seconds = time.monotonic() - began
    n = species * images
    if json:
        print_json(
            {
                "manifest": str(manifest),
                "images": n,
                "species": species,
                "seed": seed,
                "seconds": round(seconds, 3),
            }
        )
    else:
        print_line(str(manifest))
        say(
            f"{counted(n, 'picture')} of {species:,} species, {n / seconds:.0f} a second; tree: {directory / 'tree.nwk'}"
        )
