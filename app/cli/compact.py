"""`cladescope compact`: the small fragments of a store's tables written together."""

from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption, StoreArgument
from cladescope.app.cli.output import print_json, print_line, print_table
from cladescope.shown import counted


def compact(
    store: StoreArgument,
    prune_older_than: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="DAYS",
            help="Remove versions written so many days ago or earlier, with the files that only they need; with 0, all but the newest.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what there is to do.")] = False,
    json: JsonOption = False,
) -> None:
    """Write the small fragments of a store's tables together, so that it is read faster. Jobs do so by themselves with what they write.

    Rows, their ids and all answers stay; earlier versions stay, too, unless --prune-older-than is given.

    Example: cladescope compact photos.store --prune-older-than 30
    """
    if dry_run and prune_older_than is not None:
        raise typer.BadParameter("give one of --dry-run and --prune-older-than")
    from cladescope.app.verbs import compact as verb

    found = verb.compact(store, prune_older_than=prune_older_than, dry_run=dry_run)
    if json:
        print_json({"store": str(store), "dry_run": dry_run, **found.to_dict()})
        return
    rows = [
        (
            name,
            done.fragments_before,
            done.fragments_after,
            disk.versions,
            _size(disk.n_bytes),
            _size(disk.earlier_bytes),
        )
        for name, done in found.tables.items()
        for disk in [found.storage[name]]
    ]
    to = "would be" if dry_run else "now"
    print_table(["table", "fragments", to, "versions", "rows on disk", "earlier versions"], rows)
    if found.pruned:
        n_bytes = sum(one.n_bytes for one in found.pruned.values())
        print_line(
            f"{counted(sum(one.versions for one in found.pruned.values()), 'version')} removed, {_size(n_bytes)}"
        )
    elif prune_older_than is not None:
        print_line("no version is that old: none was removed")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"
