"""`cladescope map`: the vectors of a store as points, in tables and figures."""

from enum import StrEnum
from json import loads as read_json
from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import (
    JsonOption,
    LevelName,
    OverwriteOption,
    StoreArgument,
    VectorsOption,
    WhereOption,
    WithinOption,
    clades,
)
from cladescope.app.cli.output import print_json, print_table, say
from cladescope.shown import counted


class Method(StrEnum):
    """How points are laid out."""

    UMAP = "umap"
    TSNE = "tsne"


def map_(
    store: StoreArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for coordinates and figures.")],
    color: Annotated[
        LevelName | None,
        typer.Option(
            help="Rank by which to colour; or label: the names of folders.",
            show_default="the narrowest of 2 to 20 values",
        ),
    ] = None,
    method: Annotated[Method, typer.Option(help="Layout.")] = Method.UMAP,
    dim: Annotated[int, typer.Option(min=2, max=3, help="Dimensions of the map; figures show the first two.")] = 2,
    neighbours: Annotated[int, typer.Option(min=2, help="Neighbours of UMAP's graph.")] = 15,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    within: WithinOption = None,
    where: WhereOption = None,
    limit: Annotated[int | None, typer.Option(min=4, help="At most N pictures, drawn at random.")] = None,
    vectors: VectorsOption = None,
    place: Annotated[
        Path | None,
        typer.Option(metavar="STORE", help="Also place the pictures of this store (same encoder) on the map."),
    ] = None,
    onto: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw no new map: place the pictures on the map in this folder."),
    ] = None,
    drill_down: Annotated[
        bool,
        typer.Option(
            "--drill-down", help="Also draw t-SNE maps rank by rank, each of the largest taxon on the map before."
        ),
    ] = False,
    thumbnails: Annotated[
        float, typer.Option(min=0, max=300, metavar="MB", help="Most megabytes of small pictures inside map.html.")
    ] = 8,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Draw a map of the pictures: those that the encoder finds similar lie close together.

    Example: cladescope map photos.store --color family --out map
    """
    if onto is not None and (place is not None or drill_down):
        raise typer.BadParameter("--onto draws no map: leave out --place and --drill-down")
    from cladescope.app.verbs import map as verb

    if onto is not None:
        placed = verb.place_onto(
            store,
            onto,
            out=out,
            within=clades(within),
            where=where,
            limit=limit,
            vectors=vectors,
            seed=seed,
            overwrite=overwrite,
        )
        if json:
            print_json({"store": str(store), "map": str(onto), "placed": len(placed), "left_out": placed.n_left_out})
        else:
            for note in placed.vector_notes:
                say(note)
            say(f"{len(placed):,} pictures placed: {out / 'placed.parquet'}")
        return
    verb.map(
        store, color=color, method=method.value, dim=dim, neighbours=neighbours, seed=seed, within=clades(within),
        where=where, limit=limit, vectors=vectors, place=place, drill_down=drill_down, thumbnails=thumbnails, out=out, overwrite=overwrite,
    )  # fmt: skip
    summary = read_json((out / "map.json").read_text(encoding="utf-8"))
    if json:
        print_json(summary)
        return
    for note in summary["notes"]:
        say(note)
    from cladescope.analysis.maps.quality import error_said

    rows = [
        (name, summary[name]["value"], error_said(summary[name]["standard_error"], summary["pictures"]))
        for name in ("trustworthiness", "continuity")
        if summary[name]
    ]
    print_table([counted(summary["pictures"], "picture"), "value", "standard error"], rows)
    page = out / "map.html"
    say(f"coordinates and figures: {out}")
    say(f"page: {page}, {page.stat().st_size / 1e6:.1f} MB; {summary['thumbnails']['told']}")
    if n := summary["without_licence"]:
        say(f"of {counted(n, 'picture')} no licence is known: ask before you pass {page.name} on")
