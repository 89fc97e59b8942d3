"""`cladescope explore`: a store, or a folder of pictures, in a page."""

import threading
import webbrowser
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cladescope.app.cli.options import JsonOption, store_place
from cladescope.app.cli.output import print_json, say

if TYPE_CHECKING:
    from cladescope.app.verbs.explore import Exploring


def explore(
    place: Annotated[
        Any, typer.Argument(metavar="STORE|FOLDER", help="A store, or a folder of pictures.", parser=store_place)
    ],
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the page; 0 for a free one.", show_default="8000, or a free one"),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Let the page change nothing.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
    json: JsonOption = False,
) -> None:
    """Look at a store, or a folder of pictures, in a page: map, tree of life and grid.

    It runs until Ctrl-C, for this machine alone. The pictures of a folder are embedded meanwhile, by `tiny`, into a store beside it: photos.store for photos.
    Installs as cladescope[serve].

    Example: cladescope explore photos

    Example: cladescope explore photos.store --read-only --no-browser
    """
    from cladescope.app.verbs import explore as verb

    def started(exploring: "Exploring") -> None:
        for note in exploring.notes:
            say(note)
        if json:
            print_json(
                {
                    "address": exploring.address,
                    "store": exploring.store,
                    "path": str(exploring.path),
                    "source": None if exploring.source is None else str(exploring.source),
                    "read_only": exploring.read_only,
                    "notes": list(exploring.notes),
                }
            )
        else:
            if exploring.source is not None:
                say(f"embedding {exploring.source} into {exploring.path}; the page shows how far it is")
            say(f"exploring {exploring.store} at {exploring.address} (Ctrl-C stops)")
        if not no_browser:
            # A browser of the terminal keeps its caller waiting.
            threading.Thread(target=webbrowser.open, args=[exploring.address], daemon=True).start()

    verb.explore(place, port=port, read_only=read_only, started=started)
