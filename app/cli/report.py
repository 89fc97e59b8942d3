"""`cladescope report`: what an encoder has learnt, as one page with figures, tables and what they mean."""

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
from cladescope.app.cli.output import print_json, print_sentence, say


def report(
    store: StoreArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for report.html and report.json.")],
    vectors: VectorsOption = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="STORE|NAME",
            help="Store of the same pictures from another encoder, or further vectors of this one; repeat for several.",
        ),
    ] = None,
    tree: Annotated[Path | None, typer.Option(metavar="FILE", help="A phylogeny in Newick or Nexus.")] = None,
    variant: Annotated[str | None, typer.Option(metavar="COLUMN", help="A column of two values, such as sex.")] = None,
    within: WithinOption = None,
    where: WhereOption = None,
    draw_map: Annotated[bool, typer.Option("--map/--no-map", help="Draw a map of each store.")] = True,
    map_sample: Annotated[int, typer.Option(min=4, help="At most N pictures on a map.")] = 2000,
    color: Annotated[
        LevelName | None,
        typer.Option(
            help="Rank by which to colour maps; or label: the names of folders.",
            show_default="the narrowest of 2 to 20 values",
        ),
    ] = None,
    sample: Annotated[int, typer.Option(min=3, help="At most N pictures as queries for their neighbours.")] = 5000,
    permutations: Annotated[int, typer.Option(min=0, help="Permutations of the labels for the null model.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Write a page that opens offline: probes, differences between encoders and maps, explained in plain words.

    Example: cladescope report photos.store --compare other.store --out report
    """
    from cladescope.analysis.report.files import document
    from cladescope.app.verbs import report as verb

    made = verb.report(
        store, vectors=vectors, compare=compare or (), tree=tree, variant=variant, within=clades(within), where=where, draw_map=draw_map,
        map_sample=map_sample, color=color, sample=sample, permutations=permutations, seed=seed, out=out,
        overwrite=overwrite,
    )  # fmt: skip
    found = document(made)
    if json:
        print_json(found)
        return
    for sentence in [*found["verdict"], *found["summary"]]:
        print_sentence(sentence)
    for reason in found["not_measured"]:
        say(f"left out: {reason}")
    say(f"written to {out}: open {out / 'report.html'}")
