"""`cladescope curate`: raw sources into a data set, and each of its pictures back to where it came from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cladescope.app.cli.many_options import ExecutorName, PiecesOption
from cladescope.app.cli.options import JsonOption
from cladescope.app.cli.output import print_json, print_line, print_table, say
from cladescope.app.cli.overrides import SetOption, overrides_of
from cladescope.nearest import did_you_mean

TRACE = "trace"


def curate(
    config: Annotated[str, typer.Argument(metavar="CONFIG.toml|trace", help="A file of settings, or the word trace.")],
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID...]",
            help="trace: ids of the catalogue or of a source, places in a source, or SOURCE/ and one of these.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the data set: new, or one that was cut short and goes on."),
    ] = None,
    set_: SetOption = None,
    redo: Annotated[
        str | None,
        typer.Option(metavar="STAGE", help="Make this stage anew, and all that follow: names, screen, look, ..."),
    ] = None,
    executor: PiecesOption = ExecutorName.LOCAL,
    json: JsonOption = False,
) -> None:
    """Build a data set for training from raw sources: names, filters, duplicates, splits, shards and a data card.

    Run again it goes on where it was cut short. `curate trace ID` tells how a picture came into the data set, or why it is not in it.

    Example: cladescope curate tree.toml --out tree
    """
    from cladescope.app.verbs import curate as verb

    if out is None:
        raise typer.BadParameter("--out is missing: name the folder of the data set")
    if config == TRACE:
        if not ids:
            raise typer.BadParameter("trace needs an id: give one of the catalogue, or SOURCE/ID")
        if set_ or redo or executor is not ExecutorName.LOCAL:
            raise typer.BadParameter("--set, --redo and --executor are for making a data set: leave them out of trace")
        traced = verb.trace(ids, out=out)
        if json:
            print_json({"pictures": traced})
            return
        for one in traced:
            print_table(["", str(one["id"])], [(part, value) for part, value in _flat(one) if value not in (None, [])])
        return
    if ids:
        raise typer.BadParameter(
            f"{ids[0]!r} is not expected after the configuration {config}: ids are for trace{did_you_mean(config, [TRACE])}"
        )
    from cladescope.app.verbs.curation import flow_table

    made = verb.curate(config, out=out, set=overrides_of(set_), redo=redo, executor=executor.value)
    if json:
        print_json({"out": str(made.out), "kept": list(made.kept), **made.summary})
        return
    if made.kept:
        say(f"done before, and kept: {', '.join(made.kept)}")
    print_table(["stage", "records", "number"], flow_table(made.summary))
    print_line(f"{made.n_pictures:,} pictures: {made.out} (read {made.out / 'card.html'})")


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Values in values as lines: `stages.look.md5`."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        elif key != "id":
            yield f"{above}{key}", value
