"""`cladescope probe`: measure what an encoder has learnt about the tree of life."""

from enum import StrEnum
from pathlib import Path
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


class Label(StrEnum):
    """What may be measured in place of the ranks."""

    LABEL = "label"


def probe(
    store: StoreArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for probes.json.")],
    vectors: VectorsOption = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="STORE|NAME",
            help="Store of the same pictures from another encoder, or further vectors of this one; repeat for several.",
        ),
    ] = None,
    curve: Annotated[
        bool,
        typer.Option(
            "--curve", help="Draw each probe over the stores, as checkpoints of one training run in the order given."
        ),
    ] = False,
    tree: Annotated[Path | None, typer.Option(metavar="FILE", help="A phylogeny in Newick or Nexus.")] = None,
    variant: Annotated[str | None, typer.Option(metavar="COLUMN", help="A column of two values, such as sex.")] = None,
    rank: Annotated[
        Label | None,
        typer.Option(
            help="Measure labels, the names of folders, in place of the ranks.",
            show_default="the ranks, of pictures without taxa label",
        ),
    ] = None,
    within: WithinOption = None,
    where: WhereOption = None,
    sample: Annotated[int, typer.Option(min=3, help="At most N pictures as queries for their neighbours.")] = 5000,
    permutations: Annotated[int, typer.Option(min=0, help="Permutations of the labels for the null model.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Measure how well a store's vectors follow the tree of life, with confidence intervals and null models.

    Example: cladescope probe photos.store --out probes
    """
    if curve and not compare:
        raise typer.BadParameter("--curve is of several stores: give --compare")
    from cladescope.app.verbs import probe as verb

    probed = verb.probe(
        store, vectors=vectors, compare=compare or (), curve=curve, tree=tree, variant=variant, rank=None if rank is None else "label", within=clades(within), where=where,
        sample=sample, permutations=permutations, seed=seed, out=out, overwrite=overwrite,
    )  # fmt: skip
    reports, found = probed.reports, probed.differences
    if compare:
        n, totals = len(probed.pictures[0]), " and ".join(f"{total:,}" for total in probed.totals)
        say(f"{n:,} pictures are in every store, of {totals}")
    if json:
        print_json(probed.to_dict())
        return
    for report in reports:
        if compare:
            print_line()
            print_line(report.store)
        print_table(
            ["probe", "rank", "value", "95 % interval", "null", "balanced", "n"],
            [
                (
                    result.probe,
                    result.rank,
                    f"{result.value:.4f}",
                    _span(result.low, result.high),
                    "" if result.null is None else f"{result.null[0]:.4f} {_span(*result.null[1:])}",
                    "" if result.balanced is None else f"{result.balanced:.4f}",
                    result.n_images,
                )
                for result in report.results
            ],
        )
    if found:
        print_line()
        print_line("differences from the first store")
        print_table(
            ["store", "probe", "rank", "difference", "95 % interval", "p"],
            [
                (d.other, d.probe, d.rank, f"{d.difference:+.4f}", _span(d.low, d.high), f"{d.p_value:.4f}")
                for d in found
            ],
        )
    for reason in reports[0].skipped:
        say(f"left out: {reason}")
    say(f"written to {out}")


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{low:.4f}, {high:.4f}]"
