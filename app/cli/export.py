"""`cladescope export`: a store's rows as files for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption, StoreArgument, WhereOption, WithinOption, clades
from cladescope.app.cli.output import print_json, print_line, say


class FormatName(StrEnum):
    """Formats of files."""

    PARQUET = "parquet"
    CSV = "csv"
    NPY = "npy"
    DWCA = "dwca"


def export(
    store: StoreArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for the files.")],
    format: Annotated[
        FormatName,
        typer.Option(help="parquet with vectors, csv without, npy (vectors) with csv, or dwca, a Darwin Core archive."),
    ] = FormatName.PARQUET,
    within: WithinOption = None,
    where: WhereOption = None,
    json: JsonOption = False,
) -> None:
    """Write a store's rows and vectors to files, with licence and attribution of each picture.

    Example: cladescope export photos.store --out exported --format npy
    """
    from cladescope.app.verbs import export as verb

    made = verb.export(store, out, format=format.value, within=clades(within), where=where)
    if json:
        print_json({"store": str(store), **made.to_dict()})
        return
    print_line(f"{made.rows:,} rows in {', '.join(f'{out}/{name}' for name in made.files)}")
    if made.without_licence:
        say(f"of {made.without_licence:,} pictures no licence is known: ask before you pass them on")
