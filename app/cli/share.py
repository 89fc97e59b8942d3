"""`cladescope share`: a store's map, tree and grid as a folder for any web server."""

from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import (
    JsonOption,
    OverwriteOption,
    StoreArgument,
    VectorsOption,
    WhereOption,
    WithinOption,
    clades,
)
from cladescope.app.cli.output import print_json, print_line, say
from cladescope.shown import counted


def share(
    store: StoreArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for the page.")],
    side: Annotated[int, typer.Option(metavar="128|256|512", help="Longer side of small pictures, in pixels.")] = 256,
    within: WithinOption = None,
    where: WhereOption = None,
    vectors: VectorsOption = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Write a read-only page of a store into a folder for any web server: map, tree of life, grid and small pictures.

    Small pictures are copied, the pictures themselves are not; no folder of this machine is told. What was made is kept with the store, so that a second call is quick.

    Example: cladescope share photos.store --out site
    """
    from cladescope.app.verbs import share as verb

    made = verb.share(store, out, side=side, within=clades(within), where=where, vectors=vectors, overwrite=overwrite)
    if json:
        print_json({"store": str(store), **made.to_dict()})
        return
    print_line(
        f"{counted(made.pictures, 'picture')} in {out}: {made.n_bytes / 1e6:.1f} MB in {made.files:,} files, "
        f"{made.thumbnail_bytes / 1e6:.1f} MB of them {counted(made.thumbnails, 'thumbnail')}"
    )
    for reason, n in made.missing.items():
        say(f"{counted(n, 'picture')} without a thumbnail: {reason}")
    if made.without_licence:
        say(f"of {counted(made.without_licence, 'picture')} no licence is known: ask before you publish them")
    for note in made.notes:
        say(note)
    say(f"to look at it: python -m http.server --directory {out}")
