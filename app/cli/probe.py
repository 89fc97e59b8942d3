"""`cladescope probe`: measure what an encoder has learnt about the tree of life."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import (
    CsvOption,
    JsonOption,
    OverwriteOption,
    StoreArgument,
    VectorsOption,
    WhereOption,
    WithinOption,
    clades,
    printed,
)
from cladescope.app.cli.output import print_json, say
from cladescope.app.cli.probe_answers import show_rows, show_words, write_rows


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
    every: Annotated[bool, typer.Option("--all", help="Print every number, not only what they say.")] = False,
    overwrite: OverwriteOption = False,
    csv: CsvOption = False,
    json: JsonOption = False,
) -> None:
    """Measure how well a store's vectors follow the tree of life, with confidence intervals and null models.

    Example: cladescope probe photos.store --out probes
    """
    how = printed(csv=csv, json=json)
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
    if how.csv:
        write_rows(reports)
    else:
        (show_rows if every else show_words)(reports, found)
    for note in reports[0].notes:
        say(note)
    for reason in reports[0].skipped:
        say(f"left out: {reason}")
    say(f"written to {out}" if every else f"every number is in {out / 'probes.json'}; --all prints them")
