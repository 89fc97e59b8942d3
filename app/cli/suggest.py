"""`cladescope suggest`: what to label next."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import (
    JsonOption,
    LevelName,
    OverwriteOption,
    SafeTablesOption,
    StoreArgument,
    VectorsOption,
    WhereOption,
    WithinOption,
    clades,
)
from cladescope.app.cli.output import print_json, print_table, say, to_copy
from cladescope.shown import counted

SHOWN = 20
"""Pictures on the screen."""


class StrategyName(StrEnum):
    """How pictures are chosen."""

    TYPICAL = "typical"
    BOTH = "both"
    UNCERTAINTY = "uncertainty"
    DIVERSE = "diverse"
    RANDOM = "random"


def suggest(
    store: StoreArgument,
    classifier: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A classifier from `cladescope fit`: what it is unsure of is proposed."),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Pictures to propose.")] = 50,
    strategy: Annotated[
        StrategyName | None,
        typer.Option(
            help="Pictures typical of many; unsure ones that are unlike each other; only unsure ones; only unlike ones; or any.",
            show_default="both with --classifier, else typical",
        ),
    ] = None,
    rank: Annotated[
        LevelName | None,
        typer.Option(
            help="What is to be filled in; pictures that have it are not proposed.",
            show_default="the classifier's, else species or label",
        ),
    ] = None,
    within: WithinOption = None,
    where: WhereOption = None,
    vectors: VectorsOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE.csv", help="File for the table to fill in, for `relabel` or `fit --labels`."
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png|.jpg", help="Draw the pictures, with what the classifier takes them for."),
    ] = None,
    curve: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png|.svg|.pdf",
            help="Propose nothing, but draw what suggestions of -n pictures at a time would have saved, by the names that the store has.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    safe_csv: SafeTablesOption = False,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Propose which pictures to label next, so that few labels teach much.

    Example: cladescope suggest photos.store --classifier birds.safetensors --out next.csv
    """
    if classifier is None and curve is None and strategy in (StrategyName.BOTH, StrategyName.UNCERTAINTY):
        raise typer.BadParameter(f"--strategy {strategy.value} asks a classifier how sure it is: give --classifier")
    from cladescope.app.verbs import suggest as verb

    found = verb.suggest(
        store, classifier=classifier, n=n, strategy=None if strategy is None else strategy.value, rank=rank, within=clades(within),
        where=where, vectors=vectors, out=out, sheet=sheet, curve=curve, seed=seed, safe_csv=safe_csv, overwrite=overwrite,
    )  # fmt: skip
    for note in found.notes:
        say(note)
    if found.curve is not None and curve is not None:
        if json:
            print_json({"store": str(store), **found.summary, "curve": found.curve.to_dict()})
        else:
            print_table(["labels", "suggested", "random"], found.curve.rows)
        say(found.curve.in_words)
        say(f"drawn in {to_copy(curve)}")
        return
    if json:
        print_json({"store": str(store), **found.summary, "suggestions": [one.to_dict() for one in found.suggestions]})
    else:
        from cladescope.analysis.duplicates.answer import shown_names

        names = shown_names([one.uri for one in found.suggestions])
        told = classifier is not None
        rows = [
            (place, names[one.uri], *((one.guess, f"{one.chance:.2f}") if told else ()))
            for place, one in enumerate(found.suggestions[:SHOWN], 1)
        ]
        print_table(["", "picture to label", *(("perhaps", "likely by") if told else ())], rows)
        if len(found.suggestions) > SHOWN:
            say(f"the first {SHOWN} of {len(found.suggestions):,} are shown: --out FILE.csv writes all")
    said = f"{counted(found.labelled, 'picture')} labelled already, {found.looked_at:,} looked at (strategy {found.strategy})"
    say(said)
    if out is not None:
        say(
            f"next: fill the column {found.column} of {to_copy(out)}, then cladescope relabel {to_copy(store)} {to_copy(out)}"
        )
