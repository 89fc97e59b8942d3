"""`cladescope sources`: the kinds of sources that are understood."""

from cladescope.app.cli.options import JsonOption
from cladescope.app.cli.output import print_json, print_table


def sources(json: JsonOption = False) -> None:
    """List the kinds of sources that `embed` and `predict` understand, and what each is recognised by.

    Example: cladescope sources
    """
    from cladescope.app.verbs import sources as verb

    doors = verb.sources()
    if json:
        print_json({"sources": [door._asdict() for door in doors]})
        return
    rows = [(door.name, door.known_by, ", ".join(door.marks)) for door in doors]
    print_table(["source", "recognised by", "columns or files"], rows)
