"""`cladescope relabel`: corrected labels into a store."""

from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption, StoreArgument
from cladescope.app.cli.output import print_json, print_line, say


def relabel(
    store: StoreArgument,
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS.csv",
            help="Table (or Parquet) of pictures (image_id, or uri, file, path) and columns of labels.",
        ),
    ],
    clear: Annotated[
        bool, typer.Option("--clear", help="An empty cell removes the label; else it leaves it as it is.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Put corrected labels into a store, without encoding anything. A later `embed` keeps them.

    Example: cladescope relabel photos.store corrected.csv
    """
    from cladescope.app.verbs import relabel as verb

    found = verb.relabel(store, labels, clear=clear)
    if json:
        print_json({"store": str(store), "labels": str(labels), **found.to_dict()})
    else:
        print_line(f"{found.changed:,} pictures relabelled, {found.same:,} had these labels already")
        for name, meant in found.added.items():
            print_line(f"new column {name!r}" + (f": did you mean {meant}?" if meant else ""))
        if found.kept_above:
            print_line(
                f"{found.kept_above:,} pictures have another genus now and keep their family and order: give these columns too"
            )
        if found.unused:
            print_line(f"{found.unknown:,} rows name no stored picture, {found.ambiguous:,} name several: not used")
            say(f"not used: {', '.join(found.unused)}")
