"""`cladescope publish`: a store in a vector database that serves many users."""

from enum import StrEnum
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
from cladescope.app.cli.output import print_json, print_line, print_table, say
from cladescope.app.cli.progress import job_progress


class DatabaseName(StrEnum):
    """Vector databases."""

    QDRANT = "qdrant"
    MILVUS = "milvus"


def publish(
    store: StoreArgument,
    to: Annotated[
        DatabaseName, typer.Option(help="The database; its client installs as cladescope[qdrant], [milvus].")
    ],
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address of the server, or a local path for the client's own local mode.",
            show_default="a server on this machine",
        ),
    ] = None,
    collection: Annotated[
        str | None, typer.Option(metavar="NAME", help="Collection; made if needed.", show_default="the store's name")
    ] = None,
    vectors: VectorsOption = None,
    within: WithinOption = None,
    where: WhereOption = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Environment variable that holds the database's key.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Points a request.")] = 256,
    compare_all: Annotated[
        bool,
        typer.Option("--compare-all", help="Compare every row with the collection, also what did not change since."),
    ] = False,
    overwrite: OverwriteOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what it would do.")] = False,
    json: JsonOption = False,
) -> None:
    """Make a collection of Qdrant or Milvus hold what a store holds, for search by many users or beyond one machine.

    Run again, it sends only what changed. What is no longer in the store, or not --within or --where, leaves the collection.

    Example: cladescope publish photos.store --to qdrant --url https://qdrant.example.org --api-key-env QDRANT_KEY
    """
    from cladescope.app.verbs import publish as verb

    with job_progress("compared") as progress:
        made = verb.publish(
            store, to=to.value, url=url, collection=collection, vectors=vectors, within=clades(within), where=where,
            api_key_env=api_key_env, batch_size=batch_size, overwrite=overwrite, compare_all=compare_all,
            dry_run=dry_run, progress=progress,
        )  # fmt: skip
    if json:
        print_json({"store": str(store), **made.to_dict()})
        return
    counts = [(name, getattr(made, name)) for name in ("added", "updated", "unchanged", "deleted")]
    print_table(["", "would be" if dry_run else "points"], counts)
    verb_word = "would show" if dry_run else "shows"
    print_line(
        f"{made.place} {verb_word} {made.rows:,} rows of version {made.version}; {made.compared:,} were compared, "
        f"{made.seconds:.1f} s"
    )
    for note in made.notes:
        say(note)
    for name, types in made.mapped.items():
        print_line(f"field {name}: {types}")
    for reason, n in made.lost.items():
        say(f"left out, {n:,} values of {reason}")
