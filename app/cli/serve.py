"""`cladescope serve`: stores over HTTP."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cladescope.app.cli.options import JsonOption, store_place
from cladescope.app.cli.output import print_json, say

if TYPE_CHECKING:
    from cladescope.app.verbs.serve import Serving

TOKEN_VARIABLE = "CLADESCOPE_TOKEN"


def serve(
    stores: Annotated[
        list[Any],
        typer.Argument(metavar="STORE", help="Folders of stores, or s3:// addresses.", parser=store_place),
    ],
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; others than this machine need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN|auto",
            envvar=TOKEN_VARIABLE,
            help="What requests must bear; auto draws one and prints it. Other users see a command line: a token of your own is safer in the environment.",
        ),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Let requests change the stores.")] = False,
    json: JsonOption = False,
) -> None:
    """Serve stores over HTTP: a page to search and look at them, and the same for programs.

    It runs until Ctrl-C. Encoders load in the background: searches by id are answered at once. Installs as cladescope[serve].

    Example: cladescope serve photos.store

    Example: cladescope serve birds.store plants.store --host 0.0.0.0 --token auto
    """
    from cladescope.app.verbs import serve as verb

    def started(serving: "Serving") -> None:
        if json:
            print_json({"address": serving.address, "stores": list(serving.stores), "token": serving.token})
        else:
            say(f"serving {', '.join(serving.stores)}: open {serving.address} in a browser (Ctrl-C stops)")
            if token == verb.AUTO:
                say(f"token: {serving.token}")

    verb.serve(stores, host=host, port=port, token=token, write=write, started=started)
