"""Options of `predict` for doing something with what is said, and how it is told what was done."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cladescope.app.cli.options import store_place
from cladescope.app.cli.output import say, to_copy
from cladescope.errors import InputError
from cladescope.shown import counted

if TYPE_CHECKING:
    from cladescope.analysis.classify.predicted_columns import Written
    from cladescope.analysis.classify.xmp_sidecars import Sidecars
    from cladescope.analysis.sort_pictures import Sorted
    from cladescope.app.verbs.act_on import Acted


LISTED = 5
"""Broken pictures that are told one by one."""


class ByName(StrEnum):
    """How pictures are placed in folders."""

    LINK = "link"
    COPY = "copy"
    MOVE = "move"


TaxaOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Taxa to choose from: a table with ranks, a checklist of GBIF (zip too), names of any rank a line, or TreeOfLife's "
        "txt_emb_species.json.",
        show_default="those of the store, else of the encoder",
    ),
]
LabelsOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Labels: one a line, a CSV with label and bin, or taxa by rank.")
]
SortIntoOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Sort the pictures into folders here, named by what each shows; `cladescope undo DIR` turns it back.",
    ),
]
ByOption = Annotated[
    ByName, typer.Option(help="With --sort-into: place links to the pictures, copies, or move the pictures.")
]
WriteToOption = Annotated[
    Any,
    typer.Option(
        metavar="STORE",
        help="Keep names and scores in columns of this store, predicted_species and so on, beside the given names.",
        parser=store_place,
    ),
]
PredictedSheetOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE.png|.jpg", help="Draw the first 100 pictures with their names and file names."),
]
XmpOption = Annotated[
    bool,
    typer.Option("--xmp", help="Write the names as keywords into a sidecar beside each picture, such as a.jpg.xmp."),
]

RiskOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Share of answers that may be wrong, such as 0.1; names are as narrow as it allows, and each picture gets one.",
        show_default="0.02, where pictures that were asked tell how sure is enough",
    ),
]
ClosedSetOption = Annotated[
    bool,
    typer.Option(
        "--closed-set", help="Every picture shows one of the taxa: name all of them, down to --rank, sure or not."
    ),
]
DoubtOption = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        help="How readily to say `not known`: the share of pictures of known taxa that may be left without a name.",
    ),
]
CalibrateOnOption = Annotated[
    Path | None,
    typer.Option(
        metavar="STORE", help="Labelled pictures to calibrate --risk; not needed if the classifier has its own."
    ),
]


def check_given(
    *, risk: float | None, calibrate_on: Path | None, doubt: float, by: ByName, sort_into: Path | None
) -> None:
    """Raise BadParameter for options that count for nothing, or are no share."""
    if risk is not None and not 0 < risk < 1:
        raise typer.BadParameter(f"--risk is {risk:g}: expected a share above 0 and below 1, such as 0.1")
    if risk is None and calibrate_on is not None:
        raise typer.BadParameter("--calibrate-on is of --risk: give one")
    if not 0 < doubt < 1:
        raise typer.BadParameter(f"--doubt is {doubt:g}: expected a share above 0 and below 1, such as 0.03")
    if by is not ByName.LINK and sort_into is None:
        raise typer.BadParameter("--by is of --sort-into: name a folder")


def tell_failures(failures: Sequence[str], written: int) -> None:
    """Say which pictures could not be read. Raises InputError where that is the only one."""
    if not written and len(failures) == 1:
        raise InputError(failures[0])
    for line in failures[:LISTED]:
        say(f"left out: {line}")
    if failures:
        say(f"{counted(len(failures), 'picture')} could not be read; {counted(written, 'was', 'were')} looked at")


def tell(acted: "Acted") -> None:
    """Say what was done."""
    if acted.written is not None:
        _tell_written(acted.written)
    if acted.sheet is not None:
        say(f"contact sheet of {acted.on_sheet:,} of {counted(acted.pictures, 'picture')}: {acted.sheet}")
    if acted.sidecars is not None:
        _tell_sidecars(acted.sidecars)
    if acted.sorting is not None:
        tell_sorting(acted.sorting)
    if (made := acted.sidecars) is not None and made.refused and not made.written + made.merged + made.same:
        raise InputError(f"no sidecar could be written ({made.reason}): change the rights of the folders")
    if (put := acted.sorting) is not None and put.refused and not put.placed + put.already_there:
        raise InputError(f"no picture could be placed ({put.reason}): change the rights of the folders")


def _tell_written(found: "Written") -> None:
    say(
        f"{counted(found.pictures, 'picture')} of {found.store} {'has' if found.pictures == 1 else 'have'} a prediction in {', '.join(found.columns[:2])} and so on"
    )
    counts = (
        (
            found.replaced,
            "of these had an earlier prediction, which is replaced",
            "of these had an earlier prediction, which is replaced",
        ),
        (found.not_known, "of these has no name", "of these have no name"),
        (found.kept, "other keeps an earlier prediction", "others keep an earlier prediction"),
        (found.not_stored, f"is not in {found.store}: embed it first", f"are not in {found.store}: embed them first"),
    )
    for n, one, several in counts:
        if n:
            say(counted(n, one, several))


def _tell_sidecars(found: "Sidecars") -> None:
    say(f"{counted(found.written, 'XMP sidecar')} written")
    counts = (
        (
            found.replaced,
            "of these took the place of one of an earlier run",
            "of these took the place of one of an earlier run",
        ),
        (found.same, "was there already", "were there already"),
        (
            found.merged,
            "sidecar of another program, or a changed one, got these names; all that stood in it stays",
            "sidecars of another program, or changed ones, got these names; all that stood in them stays",
        ),
        (
            found.of_others,
            f"picture has a sidecar of another program that is left as it is: {found.why_left}",
            f"pictures have a sidecar of another program that is left as it is, such as {found.why_left}",
        ),
        (found.not_known, "picture has no name: no sidecar", "pictures have no name: no sidecar"),
        (found.no_file, "is no file of this disk: no sidecar", "are no files of this disk: no sidecar"),
        (found.refused, f"could not be written: {found.reason}", f"could not be written, such as {found.reason}"),
    )
    for n, one, several in counts:
        if n:
            say(counted(n, one, several))


def tell_sorting(found: "Sorted") -> None:
    """Say which pictures were placed, and which were not, and why."""
    done = {"link": "linked", "copy": "copied", "move": "moved"}[found.by]
    say(f"{counted(found.placed, 'picture')} {done} into {counted(found.folders, 'folder')}")
    counts = (
        (
            found.renamed,
            "of these got a number behind its name, for it was taken",
            "of these got a number behind their name, for it was taken",
        ),
        (found.sidecars, "XMP file went with them", "XMP files went with them"),
        (found.already_there, "was there already", "were there already"),
        (
            found.inside,
            "lies in the folder to sort into, or below it: left where it is; name a folder outside",
            "lie in the folder to sort into, or below it: left where they are; name a folder outside",
        ),
        (
            found.no_file,
            "is no file of this disk (on the web, in an archive, or gone): not sorted",
            "are no files of this disk (on the web, in an archive, or gone): not sorted",
        ),
        (
            found.links_left,
            "is a link, which is not moved: left where it is",
            "are links, which are not moved: left where they are",
        ),
        (
            found.several_names,
            "has boxes of several names: left where it is",
            "have boxes of several names: left where they are",
        ),
        (
            found.elsewhere_too,
            "stands in another folder too, since an earlier sorting: undo that to have it once",
            "stand in another folder too, since an earlier sorting: undo that to have them once",
        ),
        (found.refused, f"could not be placed: {found.reason}", f"could not be placed, such as {found.reason}"),
    )
    for n, one, several in counts:
        if n:
            say(counted(n, one, several))
    if found.log:
        say(f"to turn it back: cladescope undo {to_copy(found.log)}")
    if found.is_full:
        raise InputError("the disk is full: nothing is lost; make room and sort again, which goes on, or undo")
