"""`cladescope undo`: turn back a sorting."""

from pathlib import Path
from typing import Annotated

import typer

from cladescope.app.cli.options import JsonOption
from cladescope.app.cli.output import print_json, print_line, say
from cladescope.errors import InputError
from cladescope.shown import counted


def undo(
    log: Annotated[
        Path, typer.Argument(metavar="DIR | LOG", help="Folder that pictures were sorted into, or a log in it.")
    ],
    json: JsonOption = False,
) -> None:
    """Turn back what `predict --sort-into` or `duplicates --move-to` did: every picture is where it was, links and copies are gone.

    Example: cladescope undo sorted/
    """
    from cladescope.app.verbs import undo as verb

    found = verb.undo(log)
    if json:
        print_json(found.to_dict())
    else:
        counts = (
            (found.moved_back, "picture moved back", "pictures moved back"),
            (found.links_removed, "link removed", "links removed"),
            (found.copies_removed, "copy removed", "copies removed"),
            (found.folders_removed, "empty folder removed", "empty folders removed"),
            (found.gone, "turned back before, or never done", "turned back before, or never done"),
        )
        print_line(", ".join(counted(*one) for one in counts if one[0]) or "nothing was there to turn back")
    for reason in found.reasons:
        say(f"kept: {reason}")
    if found.kept:
        raise InputError(
            f"{counted(found.kept, 'was', 'were')} kept, for something would be lost: put it right, and undo again by {found.log}"
        )
