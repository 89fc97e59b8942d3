"""`cladescope delete`: rows out of a store."""

from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption, StoreArgument, WhereOption, WithinOption, clades
from cladescope.app.cli.output import print_json, print_line
from cladescope.shown import counted


def delete(
    store: StoreArgument,
    within: WithinOption = None,
    where: WhereOption = None,
    image_ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="IMAGE_ID", help="This picture; may be given several times.")
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Pictures whose file is not there, or which their source no longer lists.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many rows it would delete.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete the rows of a store that meet every condition given. It asks nothing; the picture files are not touched.

    Example: cladescope delete photos.store --missing --dry-run
    """
    if not (within or where is not None or image_ids or missing):
        raise typer.BadParameter("give at least one of --within, --where, --id and --missing")
    from cladescope.app.verbs import delete as verb
    from cladescope.app.verbs.given import opened

    held = opened(store)
    n_deleted = verb.delete(
        held, within=clades(within), where=where, image_ids=image_ids or (), missing=missing, dry_run=dry_run
    )
    if json:
        print_json({"store": str(store), "deleted": n_deleted, "dry_run": dry_run, "left": held.count()})
    elif dry_run:
        print_line(f"{n_deleted:,} of {counted(held.count(), 'row')} would be deleted")
    else:
        print_line(f"{counted(n_deleted, 'row')} deleted, {held.count():,} left")
