"""`cladescope relabel`: corrected labels into a store."""

from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption, StoreArgument
from cladescope.app.cli.output import print_json, print_line, say
from cladescope.shown import counted


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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would be done.")] = False,
    json: JsonOption = False,
) -> None:
    """Put corrected labels into a store, without encoding anything. A later `embed` keeps them.

    A table of decisions, as `audit` writes it, may also drop pictures from the store.

    Example: cladescope relabel photos.store corrected.csv

    Example: cladescope relabel photos.store decisions.csv --dry-run
    """
    from cladescope.app.verbs import relabel as verb

    found = verb.relabel(store, labels, clear=clear, dry_run=dry_run)
    if json:
        print_json({"store": str(store), "labels": str(labels), **found.to_dict()})
    else:
        if dry_run:
            say("a dry run: nothing is changed")
        print_line(f"{counted(found.changed, 'picture')} relabelled, {found.same:,} had these labels already")
        if found.unlabelled:
            print_line(f"{counted(found.unlabelled, 'row gives', 'rows give')} no label: nothing changes there")
        if found.is_of_decisions:
            print_line(f"{found.dropped:,} dropped, {found.left:,} kept as they are, {found.undecided:,} not decided")
        if found.dropped:
            say("their files stay: a later embed of the folder brings them back, unless you move them away")
        if found.new_taxa:
            print_line(f"{counted(found.new_taxa, 'has', 'have')} a name now that the store did not know")
        for name, meant in found.added.items():
            print_line(f"new column {name!r}" + (f": did you mean {meant}?" if meant else ""))
        if found.kept_above:
            print_line(
                counted(
                    found.kept_above,
                    "picture has another genus now and keeps its family and order: give these columns too",
                    "pictures have another genus now and keep their family and order: give these columns too",
                )
            )
        if found.unused:
            print_line(
                f"{counted(found.unknown, 'row names', 'rows name')} no stored picture, {counted(found.ambiguous, 'names', 'name')} several: not used"
            )
            say(f"not used: {', '.join(found.unused)}")
