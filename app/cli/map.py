"""`cladescope map`: the vectors of a store as points, in tables and figures."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption, StoreArgument, WhereOption, WithinOption, clades
from cladescope.app.cli.output import print_json, print_table, say


class Method(StrEnum):
    """How points are laid out."""

    UMAP = "umap"
    TSNE = "tsne"


def map_(
    store: StoreArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for coordinates and figures.")],
    color: Annotated[str, typer.Option(help="Rank by which to colour.")] = "order",
    method: Annotated[Method, typer.Option(help="Layout.")] = Method.UMAP,
    dim: Annotated[int, typer.Option(min=2, max=3, help="Dimensions; figures show the first two.")] = 2,
    neighbours: Annotated[int, typer.Option(min=2, help="Neighbours of UMAP's graph.")] = 15,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the layout and the draws.")] = 0,
    within: WithinOption = None,
    where: WhereOption = None,
    limit: Annotated[int | None, typer.Option(min=4, help="Only so many pictures, drawn at random.")] = None,
    place: Annotated[
        Path | None,
        typer.Option(metavar="STORE", help="Place this store's pictures of the same encoder on the map too."),
    ] = None,
    onto: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw no map: place this store's pictures on the one drawn in this folder."),
    ] = None,
    drill_down: Annotated[
        bool, typer.Option("--drill-down", help="Also draw t-SNE maps rank by rank into the largest taxon.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Draw a map of the pictures: near on the map, near for the encoder.

    Example: cladescope map photos.store --color family --out map
    """
    if onto is not None and (place is not None or drill_down):
        raise typer.BadParameter("--onto draws no map: leave out --place and --drill-down")
    from cladescope.app.verbs import map as verb

    if onto is not None:
        placed = verb.place_onto(store, onto, out=out, within=clades(within), where=where, limit=limit, seed=seed)
        if json:
            print_json({"store": str(store), "map": str(onto), "placed": len(placed), "left_out": placed.n_left_out})
        else:
            say(f"{len(placed):,} pictures placed: {out / 'placed.parquet'}")
        return
    summary = verb.map(
        store, color=color, method=method.value, dim=dim, neighbours=neighbours, seed=seed, within=clades(within),
        where=where, limit=limit, place=place, drill_down=drill_down, out=out,
    ).summary  # fmt: skip
    if json:
        print_json(summary)
        return
    for note in summary["notes"]:
        say(note)
    rows = [
        (name, summary[name]["value"], summary[name]["standard_error"])
        for name in ("trustworthiness", "continuity")
        if summary[name]
    ]
    print_table([f"{summary['pictures']:,} pictures", "value", "standard error"], rows)
    say(f"coordinates and figures: {out}")
