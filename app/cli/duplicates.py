"""`cladescope duplicates`: pictures that are there twice."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cladescope.app.cli.options import (
    CsvOption,
    JsonOption,
    OverwriteOption,
    SafeTablesOption,
    WhereOption,
    WithinOption,
    clades,
    printed,
)
from cladescope.app.cli.output import CsvTable, print_json, print_sentence, print_table, say
from cladescope.app.cli.progress import job_progress
from cladescope.shown import counted

if TYPE_CHECKING:
    from cladescope.analysis.duplicates.answer import Duplicates

SHOWN = 30
"""Pairs on the screen."""
LISTED = 5
"""Unreadable pictures that are told one by one."""


def duplicates(
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="FOLDER | STORE | IMAGE...", help="A folder of pictures, a store, or several pictures and folders."
        ),
    ],
    near: Annotated[
        str,
        typer.Option(
            metavar="copies|same|alike|NUMBER",
            help="How near: copies of a file; the same photograph, whatever was done to it; or also frames of one moment. Or the least "
            "likeness, from 0.5 to 1.",
        ),
    ] = "same",
    list_to: Annotated[
        Path | None,
        typer.Option("--out", "--list", metavar="FILE.csv", help="File for all pairs, with sizes in pixels and bytes."),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png|.jpg", help="Draw the pairs side by side, the kept picture on the left."),
    ] = None,
    move_to: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Move all but the largest of each group here, each into a folder named after the one that stays; `cladescope undo DIR` "
            "turns it back. Nothing is deleted.",
        ),
    ] = None,
    within: WithinOption = None,
    where: WhereOption = None,
    safe_csv: SafeTablesOption = False,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    csv: CsvOption = False,
) -> None:
    """Find pictures that are there twice: the same file, resized, saved anew, cropped, mirrored or recoloured.

    Example: cladescope duplicates photos/ --sheet pairs.png
    """
    printed(csv=csv, json=json)
    from cladescope.analysis.audit.pair_files import COLUMNS
    from cladescope.app.verbs import duplicates as verb

    with job_progress("looked at") as show:
        found = verb.duplicates(
            pictures[0] if len(pictures) == 1 else pictures, near=near, within=clades(within), where=where,
            list_to=list_to, sheet=sheet, move_to=move_to, safe_csv=safe_csv, overwrite=overwrite, progress=show,
        )  # fmt: skip
    if json:
        print_json({**found.summary, "found": [pair.to_dict() for pair in found.pairs], "unreadable": found.unreadable})
    elif csv:
        CsvTable(COLUMNS, safe=safe_csv).add(pair.to_dict() for pair in found.pairs)
    else:
        _show(found)
    _tell(found, list_to, sheet)


def _show(found: "Duplicates") -> None:
    """The first pairs as a table."""
    from cladescope.analysis.audit.pair_files import size_in_words
    from cladescope.analysis.duplicates.answer import shown_names

    names = shown_names([copy.uri for pair in found.pairs for copy in (pair.keep, pair.other)])
    rows = [
        (pair.group, names[pair.keep.uri], size_in_words(pair.keep), names[pair.other.uri], size_in_words(pair.other),
         pair.how, f"{pair.likeness:.2f}")
        for pair in found.pairs[:SHOWN]
    ]  # fmt: skip
    if rows:
        print_table(
            ["group", "keep", "its size", "the other", "its size", "which is", "likeness"], rows, spare=["its size"]
        )
    counts = found.summary
    print_sentence(
        f"{counted(counts['pairs'], 'pair')} in {counted(counts['groups'], 'group')} among {counted(counts['pictures'], 'picture')} "
        f"(likeness from {found.least:g}); the same file: {counts['same_files']:,}"
    )


def _tell(found: "Duplicates", listed: Path | None, sheet: Path | None) -> None:
    """What else there is to know, on stderr."""
    if len(found.pairs) > SHOWN and listed is None:
        say(f"the first {SHOWN} pairs are shown: --out FILE.csv writes all")
    if found.unreadable:
        say(
            f"{counted(len(found.unreadable), 'picture')} could not be looked at, and {'is' if len(found.unreadable) == 1 else 'are'} in no pair:"
        )
        for uri, why in list(found.unreadable.items())[:LISTED]:
            say(f"  {uri}: {why}")
    if found.moved is not None:
        from cladescope.app.cli.predict_options import tell_sorting

        tell_sorting(found.moved)
    for note in found.notes:
        say(note)
    if listed is not None:
        say(f"all pairs: {listed}")
    if sheet is not None:
        say(f"sheet: {sheet}" if found.pairs else "no sheet: there are no pairs")
