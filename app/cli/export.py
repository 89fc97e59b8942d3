"""`cladescope export`: a store's rows as files for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import (
    JsonOption,
    OverwriteOption,
    SafeTablesOption,
    StoreArgument,
    VectorsOption,
    WhereOption,
    WithinOption,
    clades,
)
from cladescope.app.cli.output import print_json, print_line, say
from cladescope.shown import counted


class FormatName(StrEnum):
    """Formats of files."""

    PARQUET = "parquet"
    CSV = "csv"
    NPY = "npy"
    CROISSANT = "croissant"
    DWCA = "dwca"


def export(
    store: StoreArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for the files.")],
    format: Annotated[
        FormatName,
        typer.Option(
            help="parquet with vectors, csv without, npy (vectors) with csv: each described by croissant.json; croissant is "
            "parquet. Or dwca, a Darwin Core archive."
        ),
    ] = FormatName.PARQUET,
    vectors: VectorsOption = None,
    within: WithinOption = None,
    where: WhereOption = None,
    about: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="What croissant.json shall say of the data set: name, creator, license, url, citeAs.",
        ),
    ] = None,
    safe_csv: SafeTablesOption = False,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Write a store's rows and vectors to files, with licence and attribution of each picture.

    Example: cladescope export photos.store --out exported --format npy
    """
    from cladescope.app.verbs import export as verb

    made = verb.export(
        store, out, format=format.value, vectors=vectors, within=clades(within), where=where, safe_csv=safe_csv, about=about,
        overwrite=overwrite,
    )  # fmt: skip
    if json:
        print_json({"store": str(store), **made.to_dict()})
        return
    print_line(f"{counted(made.rows, 'row')} in {', '.join(f'{out}/{name}' for name in made.files)}")
    if made.without_licence:
        say(f"of {counted(made.without_licence, 'picture')} no licence is known: ask before you pass them on")
    if safe_csv:
        say(
            f"an apostrophe was put before the text of {made.guarded_cells:,} cells: take it off to have the text again"
        )
    if made.split_occurrences:
        say(
            f"{made.split_occurrences:,} occurrences were added, as ID#2 and so on: pictures of their observations are labelled or "
            "described otherwise"
        )
    if made.flattened_texts:
        say(f"in {made.flattened_texts:,} texts tabs and line ends became blanks, as the format asks")
    for note in made.notes:
        say(note)
    if made.left_out_columns:
        say(f"columns without a term of Darwin Core are left out: {', '.join(made.left_out_columns)}")
    if made.not_said:
        say(f"croissant.json lacks {', '.join(made.not_said)}: nobody said it; give it with --about FILE.json")
