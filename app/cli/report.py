"""`cladescope report`: what an encoder has learnt, as one page with figures, tables and what they mean."""

from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption, StoreArgument, WhereOption, WithinOption
from cladescope.app.cli.output import print_json, print_line, say


def report(
    store: StoreArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for report.html and report.json.")],
    compare: Annotated[
        list[Path] | None,
        typer.Option(metavar="STORE", help="Another encoder's store of the same pictures; repeatable."),
    ] = None,
    tree: Annotated[Path | None, typer.Option(metavar="FILE", help="A phylogeny in Newick or Nexus.")] = None,
    variant: Annotated[str | None, typer.Option(metavar="COLUMN", help="A column of two values, such as sex.")] = None,
    within: WithinOption = None,
    where: WhereOption = None,
    draw_map: Annotated[bool, typer.Option("--map/--no-map", help="Draw a map of each store.")] = True,
    map_sample: Annotated[int, typer.Option(min=4, help="Most pictures on a map.")] = 2000,
    color: Annotated[
        str | None,
        typer.Option(help="Rank by which to colour maps.", show_default="the narrowest that 12 colours mostly cover"),
    ] = None,
    sample: Annotated[int, typer.Option(min=3, help="Most pictures asked for their neighbours.")] = 5000,
    permutations: Annotated[int, typer.Option(min=0, help="Permutations of the labels for the null.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every draw.")] = 0,
    json: JsonOption = False,
) -> None:
    """Write one page that opens offline: probes, differences and maps of a store, and in plain words what they say.

    Example: cladescope report photos.store --compare other.store --out report
    """
    from cladescope.analysis.report.files import check_report_folder, write_report
    from cladescope.analysis.report.run import ReportConfig, make_report
    from cladescope.index.store import Store
    from cladescope.phylogeny.newick import read_tree

    check_report_folder(out)
    config = ReportConfig(
        within=within or None, where=where, variant=variant, tree=None if tree is None else read_tree(tree), sample=sample,
        permutations=permutations, map_sample=map_sample if draw_map else 0, color=color, seed=seed,
    )  # fmt: skip
    stores = [Store.open(path) for path in (store, *(compare or []))]
    found = write_report(make_report(stores, config), out)
    if json:
        print_json(found)
        return
    for sentence in found["summary"]:
        print_line(sentence)
    for reason in found["not_measured"]:
        say(f"left out: {reason}")
    say(f"written to {out}: open {out / 'report.html'}")
